"""The HTTP routes for pictures that are only looked at (data/piles.py): thumbnails, facts, the sorted zip."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from imgtag.core.errors import NotFound
from imgtag.data.piles import Pile, find_pile, item_facts, pile_thumbnail
from imgtag.data.projects import find_listed
from imgtag.serving.answers_out import sorted_zip


async def _thumbnail(request: Request) -> Response:
    """A small picture of one that was only classified, without metadata."""
    large = request.query_params.get("size") == "large"
    data = await run_in_threadpool(lambda: pile_thumbnail(*_asked(request), large=large))
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(data, media_type="image/jpeg", headers=headers)


async def _facts(request: Request) -> Response:
    """What is known about the file of a picture that was only classified."""
    return JSONResponse(await run_in_threadpool(lambda: item_facts(*_asked(request))))


async def _sorted_zip(request: Request) -> Response:
    """The zip of classified pictures, sorted into class folders, that was made on the page Classify."""
    pile = find_pile(find_listed(request.path_params["name"]), request.path_params["pile"])
    if not sorted_zip(pile).is_file():
        raise NotFound("There is no zip yet.", "It is made on the page Classify.", "Make it there, then download it.")
    return FileResponse(sorted_zip(pile), media_type="application/zip", filename=f"{pile.project.name} sorted.zip")


def _asked(request: Request) -> tuple[Pile, int]:
    number = request.path_params["number"]
    pile = find_pile(find_listed(request.path_params["name"]), request.path_params["pile"])
    return pile, int(number) if number.isdecimal() and len(number) < 10 else -1


_HERE = "/api/projects/{name}/answers/{pile}"
ANSWER_ROUTES: tuple[tuple[str, Callable[[Request], Awaitable[Response]]], ...] = (
    (f"{_HERE}/sorted.zip", _sorted_zip),
    (f"{_HERE}/thumb/{{number}}", _thumbnail),
    (f"{_HERE}/facts/{{number}}", _facts),
)
