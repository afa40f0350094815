"""The HTTP interface as a table, and its OpenAPI description made from it.

A route is described where it is written: the first line of its handler's docstring says what it does, the rest what is
worth knowing. So a new route is one line in a table, and cannot be forgotten here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from imgtag import __version__

Handler = Callable[[Request], Awaitable[Response]]

JSON = "application/json"
_IN_PATH = {
    "name": "The project's folder name, as /api/projects lists it.",
    "id": "A picture's sha256.",
    "pile": "A number of the page Classify.",
    "number": "The picture's place, from 0.",
    "run": "A training, by its id.",
    "form": "bundle, onnx, openvino, torchscript or docker.",
}
_ERRORS = {
    "400": "The request cannot be understood.",
    "403": "It comes from a page of another site.",
    "404": "What the address names is not there.",
    "413": "It is too large, or holds too many files.",
    "415": "It is no multipart form.",
    "503": "Too many pictures wait already; the header Retry-After says in how many seconds to try again.",
}
_ALWAYS = ("403", "404")
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {key: {"type": "string"} for key in ("title", "explanation", "next_step")},
            "required": ["title", "explanation", "next_step"],
        }
    },
    "required": ["error"],
}


@dataclass(frozen=True)
class Endpoint:
    """One route. Its handler's docstring describes it.

    query: parameters and what they mean, each optional. sends: "files" (a form with pictures) or "file" (a body).
    headers: those it needs. answers: the kind of what comes back; example: JSON of it. errors: statuses besides those
    that every route may answer. of_app: made for the app's own pages; scripts have little use for it.
    """

    path: str
    handler: Handler
    method: str = "GET"
    answers: str = JSON
    query: Mapping[str, str] = field(default_factory=dict)
    sends: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None
    errors: Sequence[str] = ()
    of_app: bool = False

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (inspect.getdoc(self.handler) or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def details(self) -> str:
        """What else is worth knowing; may be empty."""
        return (inspect.getdoc(self.handler) or "").partition("\n\n")[2]


def openapi(endpoints: Sequence[Endpoint], server: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of the interface, as it is called at `server`, such as http://127.0.0.1:8501."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, server)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imgtag",
            "version": __version__,
            "description": "Classify pictures with the models that were trained in the app. It answers on this "
            "computer only, unless it was started otherwise, and asks for no password.",
        },
        "servers": [{"url": server}],
        "tags": [{"name": "For scripts"}, {"name": "For the app's own pages"}],
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
    }


def _operation(endpoint: Endpoint, server: str) -> dict[str, Any]:
    in_path = re.findall(r"{(\w+)}", endpoint.path)
    content: dict[str, Any] = {"schema": {}} if endpoint.answers == JSON else {"schema": {"type": "string"}}
    if endpoint.example is not None:
        content["example"] = endpoint.example
    error = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    codes = sorted({*_ALWAYS, *endpoint.errors})
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path.removeprefix('/api')}").strip("_"),
        "summary": endpoint.summary,
        "tags": ["For the app's own pages" if endpoint.of_app else "For scripts"],
        "parameters": [
            *(_parameter(name, "path", _IN_PATH.get(name, ""), required=True) for name in in_path),
            *(_parameter(name, "query", text) for name, text in endpoint.query.items()),
            *(_parameter(name, "header", text, required=True) for name, text in endpoint.headers.items()),
        ],
        "responses": {
            "200": {"description": "The answer.", "content": {endpoint.answers: content}},
            **{code: {"description": _ERRORS[code], "content": error} for code in codes},
        },
        "x-codeSamples": [
            {"lang": "curl", "source": _curl(endpoint, server)},
            {"lang": "Python", "source": _python(endpoint, server)},
        ],
    }
    if endpoint.details:
        operation["description"] = endpoint.details
    if endpoint.sends:
        operation["requestBody"] = {"required": True, "content": _body(endpoint.sends)}
    return operation


def _parameter(name: str, where: str, text: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "description": text, "schema": {"type": "string"}}


def _body(sends: str) -> dict[str, Any]:
    if sends == "file":
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    return {"multipart/form-data": {"schema": {"type": "object", "properties": {"image": files}}}}


def _address(endpoint: Endpoint, server: str) -> str:
    return server + endpoint.path.replace("{name}", "boats").replace("{", "").replace("}", "")


def _curl(endpoint: Endpoint, server: str) -> str:
    headers = [f'-H "{name}: 1"' for name in endpoint.headers]
    sent = {"files": ["-F image=@photo.jpg"], "file": ["-T photo.jpg"]}.get(endpoint.sends, [])
    kept = [] if endpoint.answers in (JSON, "text/html") or endpoint.sends else ["-O"]
    return " ".join(["curl", *headers, *sent, *kept, _address(endpoint, server)])


def _python(endpoint: Endpoint, server: str) -> str:
    picture = 'open("photo.jpg", "rb")'
    given = [
        *{"files": [f'files={{"image": {picture}}}'], "file": [f"content={picture}"]}.get(endpoint.sends, []),
        *(f'headers={{"{name}": "1"}}' for name in endpoint.headers),
    ]
    shown = "answer.json()" if endpoint.answers == JSON else "len(answer.content)"
    lines = [
        "import httpx\n",
        f'url = "{_address(endpoint, server)}"',
        f"answer = httpx.{endpoint.method.lower()}({', '.join(['url', *given, 'timeout=60'])})",
        f"print({shown})",
    ]
    return "\n".join(lines)
