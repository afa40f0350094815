"""The HTTP routes beside the screens: health, projects, classify, thumbnails, uploads.

Names and ids from a URL are looked up in listings, never used as paths. A browser page of another origin
cannot use these routes: its Origin does not match, and names that merely resolve to this machine
(DNS rebinding) are refused by the list of hosts.
"""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from imgtag import __version__
from imgtag.core import storage
from imgtag.core.errors import BadUpload, DiskFull, ImgtagError, NotFound
from imgtag.core.settings import limit
from imgtag.data.dataset import look
from imgtag.data.exporting import dataset_zip
from imgtag.data.images import picture_facts
from imgtag.data.importing import importing
from imgtag.data.projects import find_listed, list_projects
from imgtag.data.thumbnails import thumbnail_bytes
from imgtag.training.runs import find_run, list_runs

Handler = Callable[[Request], Awaitable[Response]]

UPLOAD_HEADER = "x-imgtag-upload"
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
_STALE_UPLOAD_S = 3600.0
_names_lock = threading.Lock()


def _guarded(handler: Handler) -> Handler:
    """Refuse foreign origins and turn errors into the JSON shape that scripts rely on."""

    async def guarded(request: Request) -> Response:
        if not _from_here(request):
            return _refusal(ImgtagError("This request comes from another site.", "It was refused.", ""), 403)
        try:
            return await handler(request)
        except ImgtagError as error:
            status = 404 if isinstance(error, NotFound) else 507 if isinstance(error, DiskFull) else 400
            return _refusal(error, status)

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
    return JSONResponse({"error": error.as_dict()}, status)


# ----------------------------------------------------------------------------- routes


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


async def _projects(request: Request) -> Response:
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
    project = find_listed(request.path_params["name"])
    run = find_run(project, request.query_params.get("run", ""))
    most = limit("max_classify_files")
    top = request.query_params.get("top", "5")
    try:
        async with request.form(max_files=most, max_part_size=limit("max_picture_mb") << 20) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            # One byte over the limit is enough to see that a file is too large.
            named = [
                (file.filename or "picture", await file.read((limit("max_picture_mb") << 20) + 1)) for file in files
            ]
    except Exception as error:  # python-multipart raises several kinds for a body it cannot read
        raise BadUpload(
            "The request could not be read.",
            f"A multipart form with up to {most} pictures is expected ({type(error).__name__}).",
            "For example: curl -F image=@photo.jpg …/classify",
        ) from error
    if not named:
        raise BadUpload("There is no picture in the request.", "A multipart form with files is expected.", "")

    def answer() -> list[dict[str, object]]:
        from imgtag.serving.predictor import kept_predictor

        answers = kept_predictor(run).classify(named, top=max(1, int(top)) if top.isdecimal() else 5)
        return [a.as_dict() for a in answers]

    return JSONResponse(await run_in_threadpool(answer))


async def _thumbnail(request: Request) -> Response:
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
    """What is known about a picture's file, in a line for the large view."""
    project = find_listed(request.path_params["name"])

    def found() -> dict[str, object]:
        picture = look(project).picture(request.path_params["id"])
        facts = picture_facts(picture.path)
        size = f"{picture.size / 1e6:.1f} MB" if picture.size >= 1e6 else f"{max(1, round(picture.size / 1e3))} KB"
        parts = [picture.label or "unsorted", f"{facts.width} × {facts.height} pixels", size, facts.format, facts.note]
        return {"width": facts.width, "height": facts.height, "words": " · ".join(p for p in parts if p)}

    return JSONResponse(await run_in_threadpool(found))


async def _dataset_zip(request: Request) -> Response:
    """The zip that was made on the page Collect."""
    project = find_listed(request.path_params["name"])
    path = dataset_zip(project)
    if not path.is_file():
        raise NotFound("There is no zip yet.", "It is made on the page Collect.", "Make it there, then download it.")
    return FileResponse(path, media_type="application/zip", filename=f"{project.name}.zip")


async def _upload(request: Request) -> Response:
    """One file of a browser upload, streamed to the project's staging folder under a number of our own."""
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
        "Look at the list of routes in the README.",
    )


ROUTES = [
    Route("/api/health", _guarded(_health)),
    Route("/api/projects", _guarded(_projects)),
    Route("/api/projects/{name}/classify", _guarded(_classify), methods=["POST"]),
    Route("/api/projects/{name}/thumb/{id}", _guarded(_thumbnail)),
    Route("/api/projects/{name}/facts/{id}", _guarded(_facts)),
    Route("/api/projects/{name}/export/dataset.zip", _guarded(_dataset_zip)),
    Route("/api/projects/{name}/upload", _guarded(_upload), methods=["PUT"]),
    Route("/api/{rest:path}", _guarded(_unknown), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
