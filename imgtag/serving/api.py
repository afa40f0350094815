"""The HTTP routes beside the screens: health, projects, classify, thumbnails, uploads. The table is at the end.

Names and ids from a URL are looked up in listings, never used as paths. A browser page of another origin
cannot use these routes: its Origin does not match, and names that merely resolve to this machine
(DNS rebinding) are refused by the list of hosts.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import uuid
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from imgtag import __version__
from imgtag.core import storage
from imgtag.core.errors import BadModel, BadUpload, Busy, DiskFull, ImgtagError, NotAForm, NotFound, TooLarge
from imgtag.core.settings import limit
from imgtag.data.dataset import look
from imgtag.data.exporting import dataset_zip
from imgtag.data.images import picture_facts
from imgtag.data.importing import importing
from imgtag.data.piles import clear_stale_piles
from imgtag.data.projects import find_listed, list_projects
from imgtag.data.thumbnails import thumbnail_bytes
from imgtag.serving.answer_routes import ANSWER_ROUTES
from imgtag.serving.batching import classify
from imgtag.serving.docs_page import docs_page
from imgtag.serving.endpoints import Endpoint, Handler, openapi
from imgtag.serving.export_routes import model_zip
from imgtag.serving.receiving import let_finish, received_pictures
from imgtag.serving.views import Way
from imgtag.training.runs import Run, find_run, list_runs

log = logging.getLogger(__name__)

UPLOAD_HEADER = "x-imgtag-upload"
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
_STALE_UPLOAD_S = 3600.0
_STATUS: dict[type[ImgtagError], int] = {
    NotFound: 404, TooLarge: 413, NotAForm: 415, BadModel: 500, Busy: 503, DiskFull: 507,
}  # fmt: skip
_names_lock = threading.Lock()


def _guarded(handler: Handler) -> Handler:
    """Refuse foreign origins and turn errors into the JSON shape that scripts rely on."""

    async def guarded(request: Request) -> Response:
        if not _from_here(request):
            return _refusal(ImgtagError("This request comes from another site.", "It was refused.", ""), 403)
        try:
            return await handler(request)
        except ImgtagError as error:
            await let_finish(request)
            return _refusal(error, _STATUS.get(type(error), 400))
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            return _refusal(
                ImgtagError("Something went wrong on our side.", "", "The log of the server says more."), 500
            )

    return guarded


def allowed_hosts() -> set[str]:
    """The names under which the app may be called, by its screens and by scripts."""
    return LOCAL_HOSTS | {
        name.strip() for name in os.environ.get("IMGTAG_ALLOWED_HOSTS", "").split(",") if name.strip()
    }


def _from_here(request: Request) -> bool:
    """Whether the request was made to an expected host name, and by no page of another origin."""
    allowed = allowed_hosts()
    origin = request.headers.get("origin")
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}")
        same_origin = origin is None or urlsplit(origin).netloc == host.netloc
    except ValueError:  # such as an unclosed bracket
        return False
    foreign_site = request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
    return host.hostname in allowed and same_origin and not foreign_site


def _refusal(error: ImgtagError, status: int) -> JSONResponse:
    headers = {"Retry-After": str(error.wait_s)} if isinstance(error, Busy) else None
    return JSONResponse({"error": error.as_dict()}, status, headers)


# ----------------------------------------------------------------------------- routes


async def _health(request: Request) -> Response:
    """Is the server there, and which version is it?"""
    return JSONResponse({"status": "ok", "version": __version__})


async def _projects(request: Request) -> Response:
    """All projects: their classes with how many pictures each has, and the newest training.

    `val_accuracy` is the share of right answers on pictures that it had not learnt from, 0 to 1.
    """

    def listing() -> list[dict[str, object]]:
        found = []
        for project in list_projects():
            dataset = look(project)
            models = [run for run in list_runs(project) if run.has_model]
            found.append(
                {
                    "name": project.name,
                    "title": project.title,
                    "classes": dataset.counts,
                    "unsorted": len(dataset.unsorted),
                    "last_run": models[0].id if models else None,
                    "val_accuracy": models[0].status.get("val_accuracy") if models else None,
                }
            )
        return found

    return JSONResponse({"projects": await run_in_threadpool(listing)})


async def _classify(request: Request) -> Response:
    """What a model sees in one or several pictures: a list with an entry for each file, in their order.

    The files come as a multipart form, under any field name. `tags` are the likeliest classes with their probability, 0
    to 1; `unknown` is true where the model is too unsure, or the picture unlike what it has learnt from, and null where
    it cannot tell. A file that is no picture has its reason in `error`, and the others are answered all the same.
    Requests at the same time are answered together, in turns.
    """
    top = request.query_params.get("top", "5")
    if not top.isdecimal() or int(top) < 1:
        raise BadUpload(f"“top={top}” is no number of classes.", "It is a whole number from 1.", "Ask again.")

    def chosen() -> Run:
        return find_run(find_listed(request.path_params["name"]), request.query_params.get("run", ""))

    run = await run_in_threadpool(chosen)
    async with received_pictures(request) as named:
        way: Way = "once" if request.query_params.get("views") == "1" else "plain"
        answers = await classify(run, named, int(top), way)
    return JSONResponse([answer.as_dict() for answer in answers])


async def _thumbnail(request: Request) -> Response:
    """A small picture of a project's picture, without metadata.

    It may be cached for ever: the id names the bytes it was made from.
    """
    project = find_listed(request.path_params["name"])
    large = request.query_params.get("size") == "large"
    data = await run_in_threadpool(thumbnail_bytes, project, request.path_params["id"], large=large)
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(data, media_type="image/jpeg", headers=headers)


async def _facts(request: Request) -> Response:
    """What is known about a picture's file: its size in pixels, and a line for the large view."""
    project = find_listed(request.path_params["name"])

    def found() -> dict[str, object]:
        picture = look(project).picture(request.path_params["id"])
        facts = picture_facts(picture.path)
        size = f"{picture.size / 1e6:.1f} MB" if picture.size >= 1e6 else f"{max(1, round(picture.size / 1e3))} KB"
        parts = [picture.label or "unsorted", f"{facts.width} × {facts.height} pixels", size, facts.format, facts.note]
        return {"width": facts.width, "height": facts.height, "words": " · ".join(p for p in parts if p)}

    return JSONResponse(await run_in_threadpool(found))


async def _dataset_zip(request: Request) -> Response:
    """The zip of the data set that was made on the page Collect."""
    project = find_listed(request.path_params["name"])
    path = dataset_zip(project)
    if not path.is_file():
        raise NotFound("There is no zip yet.", "It is made on the page Collect.", "Make it there, then download it.")
    return FileResponse(path, media_type="application/zip", filename=f"{project.name}.zip")


async def _upload(request: Request) -> Response:
    """One file of a browser upload, which the page then imports.

    It is streamed to the project's staging folder under a number of our own.
    """
    if request.headers.get(UPLOAD_HEADER) != "1":
        raise BadUpload("This is not an upload of the app.", f"The header {UPLOAD_HEADER} is missing.", "")
    project = find_listed(request.path_params["name"])
    batch = request.query_params.get("batch", "")
    if not re.fullmatch(r"[0-9a-f]{32}", batch):
        raise BadUpload("The upload has no valid number.", "", "Reload the page and try again.")
    size = int(request.headers.get("content-length") or 0)
    most = limit("max_upload_gb") << 30
    if size > most:
        raise BadUpload("The file is too large.", f"Up to {most >> 30} GB are taken.", "Split it.")
    storage.require_space(project.path, size)
    folder, file = project.staging / batch, f"{uuid.uuid4().hex}.bin"
    written = 0
    with storage.whole_file(folder / file) as target:
        async for chunk in request.stream():
            written += len(chunk)
            if written > most:
                raise BadUpload("The file is too large.", f"Up to {most >> 30} GB are taken.", "Split it.")
            await run_in_threadpool(target.write, chunk)
    with _names_lock:
        storage.append_json_line(
            folder / "names.jsonl", {"file": file, "path": request.query_params.get("path", "unnamed")}
        )
    return JSONResponse({"received": written})


def clear_stale_uploads() -> None:
    """Remove uploads that nobody finished, in all projects; called when the server starts."""
    for project in list_projects():
        clear_stale_piles(project)
        if importing(project):  # by another server
            continue
        for folder in project.staging.glob("*"):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > _STALE_UPLOAD_S:
                storage.remove_folder(folder)


async def _unknown(request: Request) -> Response:
    # Without this, Streamlit would answer a mistyped address with its page and a 200.
    raise NotFound(
        f"There is nothing at {request.url.path} for {request.method}.",
        "The address or the method is not one of the interface's.",
        "Look at the list of routes at /api/docs.",
    )


async def _openapi(request: Request) -> Response:
    """This description, for programs: OpenAPI 3.1."""
    return JSONResponse(openapi(ENDPOINTS, _server(request)))


async def _docs(request: Request) -> Response:
    """This description, for people."""
    return HTMLResponse(docs_page(openapi(ENDPOINTS, _server(request))), headers=_ALONE)


def _server(request: Request) -> str:
    return str(request.base_url).rstrip("/")


# The page needs nothing from elsewhere, and no other page may show it.
_ALONE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
_ONE = "/api/projects/{name}"
_ANSWER = {
    "file": "photo.jpg",
    "tags": [{"class": "gondola", "probability": 0.974213}, {"class": "kayak", "probability": 0.011902}],
    "unknown": False,
    "error": None,
}
_LISTED = {"name": "boats", "title": "Boats", "classes": {"gondola": 193, "kayak": 203}, "unsorted": 0,
           "last_run": "20261126-112829-quick", "val_accuracy": 0.91}  # fmt: skip

# A new route is a line here; the rest of its description is its handler's docstring.
ENDPOINTS = (
    Endpoint("/api/health", _health, example={"status": "ok", "version": __version__}),
    Endpoint("/api/projects", _projects, example={"projects": [_LISTED]}),
    Endpoint(
        f"{_ONE}/classify", _classify, "POST", sends="files", errors=("400", "413", "415", "503"), example=[_ANSWER],
        query={
            "top": "How many of the likeliest classes to name; 5 unless given.",
            "views": "1: without the mirror image, where the model looks at that, too; faster, for a live camera.",
            "run": "The training whose model answers, by its id; the newest one unless given.",
        },
    ),
    Endpoint("/api/openapi.json", _openapi),
    Endpoint("/api/docs", _docs, answers="text/html"),
    Endpoint(f"{_ONE}/export/dataset.zip", _dataset_zip, answers="application/zip"),
    Endpoint(f"{_ONE}/export/{{run}}/{{form}}.zip", model_zip, answers="application/zip", of_app=True),
    Endpoint(
        f"{_ONE}/thumb/{{id}}", _thumbnail, answers="image/jpeg", of_app=True, errors=("400",),
        query={"size": "“large” for the large view."},
    ),
    Endpoint(f"{_ONE}/facts/{{id}}", _facts, of_app=True, errors=("400",)),
    Endpoint(
        f"{_ONE}/upload", _upload, "PUT", sends="file", of_app=True, errors=("400",),
        headers={UPLOAD_HEADER: "Must be 1."},
        query={"batch": "32 hexadecimal digits: files with the same ones belong together.", "path": "The file's name."},
    ),
    *(Endpoint(path, handler, of_app=True) for path, handler in ANSWER_ROUTES),
)  # fmt: skip

ROUTES = [
    *(Route(e.path, _guarded(e.handler), methods=[e.method]) for e in ENDPOINTS),
    Route("/api/{rest:path}", _guarded(_unknown), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
