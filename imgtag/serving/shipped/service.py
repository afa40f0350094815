"""The model as a web service: uvicorn service:app. POST /classify with pictures, GET /health; see README.md."""

import io
import os

from classify import Classifier
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

MAX_FILES = int(os.environ.get("MAX_FILES", "16"))
MAX_MB = int(os.environ.get("MAX_MB", "25"))  # of one picture
_FORM_BYTES = 64 << 10  # what a form adds to its pictures

classifier = Classifier()


def refusal(status, title, next_step):
    """An error in the one shape that all have."""
    return JSONResponse({"error": {"title": title, "next_step": next_step}}, status)


async def health(request):
    """Whether it is ready, and what it tells apart."""
    return JSONResponse({"status": "ok", "classes": classifier.facts["classes"]})


async def classify(request):
    """Tags for each picture of a multipart form, in its order; a bad file does not hurt the others."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return refusal(411, "The size of the request is not known.", "Send a Content-Length, as curl -F does.")
    if int(length) > MAX_FILES * (MAX_MB << 20) + _FORM_BYTES:
        return refusal(413, "The request is too large.", f"Send up to {MAX_FILES} pictures of {MAX_MB} MB at most.")
    top = request.query_params.get("top", "5")
    if not top.isdecimal() or int(top) < 1:
        return refusal(400, "“top” is not a number.", "For example: /classify?top=3")
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            named = [(file.filename or "picture", await file.read((MAX_MB << 20) + 1)) for file in files]
    except ClientDisconnect:
        return refusal(400, "The request broke off.", "Send it again.")
    except Exception as error:  # the reader of forms raises several kinds
        reason = error.detail if isinstance(error, HTTPException) else type(error).__name__
        return refusal(400, f"The request could not be read: {reason}", "curl -F image=@photo.jpg …/classify")
    if not named:
        return refusal(400, "There is no picture in the request.", "curl -F image=@photo.jpg …/classify")
    return JSONResponse([await run_in_threadpool(answer, name, data, int(top)) for name, data in named])


def answer(name, data, top):
    """The answer about one file, or what is wrong with it."""
    nothing = {"file": name, "tags": [], "unknown": None}
    if len(data) > MAX_MB << 20:
        return {**nothing, "error": f"The file is too large: up to {MAX_MB} MB are taken."}
    try:
        return {"file": name, **classifier.classify(io.BytesIO(data), top), "error": None}
    except Exception as error:  # Pillow raises nearly anything on what is no picture
        return {**nothing, "error": f"It cannot be read as a picture ({type(error).__name__})."}


async def not_there(request, error):
    """Unknown addresses and methods, in the shape of all errors."""
    return refusal(
        error.status_code, f"{error.detail}: {request.url.path}", "There are GET /health and POST /classify."
    )


app = Starlette(
    routes=[Route("/health", health), Route("/classify", classify, methods=["POST"])],
    exception_handlers={HTTPException: not_there},
)
