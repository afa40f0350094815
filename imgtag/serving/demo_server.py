"""The inside of a demo's server: what it shows, and the few routes of its page. `guard` lets nothing else through.

Nothing that visitors send is kept. The examples are held in memory from the start, re-encoded and small: the server
never reads a file because of what a visitor asks for.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from imgtag.core.errors import BadPicture, BadPin, ImgtagError, TooManyTries
from imgtag.core.settings import limit
from imgtag.core.words import percent
from imgtag.data.dataset import look
from imgtag.data.images import open_picture, thumbnail
from imgtag.serving.demo import DemoSettings, facts_in_words, read_settings, unseen
from imgtag.serving.demo_process import Demo
from imgtag.serving.door import PASS_S, Door
from imgtag.serving.network import configured_login
from imgtag.serving.predictor import Answer, kept_predictor
from imgtag.training.runs import Run, find_run

_AT_ONCE, _WAITING = 4, 32  # pictures looked at, and sent, at the same time
_SMALL_PX = 224
_TOP = 5


@dataclass(frozen=True)
class Example:
    """A prepared picture as the page shows it. id: part of its sha256; pictures are JPEG bytes."""

    id: str
    truth: str
    answer: dict[str, object]
    small: bytes
    large: bytes


@dataclass
class Show:
    """All that the demo shows; made once when its server starts."""

    demo: Demo
    settings: DemoSettings
    run: Run
    door: Door = field(default_factory=Door)
    examples: tuple[Example, ...] = ()
    facts: str = ""
    ready: bool = False
    looking: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))
    waiting: int = 0

    @property
    def cookie(self) -> str:
        """The cookie that holds a visitor's pass. Cookies do not know ports: two demos must not share one."""
        return f"imgtag_demo_{self.demo.port}"

    @property
    def asks(self) -> str:
        """What is asked at the door: "login" (OIDC), "pin", or nothing."""
        return "login" if configured_login() else "pin" if self.settings.pin else ""

    def admits(self, cookies: dict[str, str]) -> bool:
        """Whether who sent these cookies may see the demo."""
        return not self.asks or self.door.admits(cookies.get(self.cookie))

    def prepare(self) -> None:
        """Load the model, and look at the examples. Raises ImgtagError when the model cannot be used."""
        predictor = kept_predictor(self.run)
        paths = {p.id: p.path for p in look(self.run.project).pictures}
        truths = {p.sha256: p.label for p in unseen(self.run)}
        found = []
        for id_ in self.settings.examples:
            if id_ not in paths or id_ not in truths:  # removed, or chosen for another training
                continue
            try:
                picture, _ = open_picture(paths[id_], at_least=limit("large_view_px"))
            except BadPicture:
                continue
            answer = _in_words(predictor.classify([("", paths[id_])], top=_TOP)[0])
            images = thumbnail(picture, _SMALL_PX), thumbnail(picture, limit("large_view_px"))
            found.append(Example(id_[:24], self.run.display_name(truths[id_]), answer, *images))
        self.examples, self.facts = tuple(found), facts_in_words(self.run)
        self.ready = True


def open_show(demo: Demo) -> Show:
    """What the settings of the demo say, not yet prepared. Raises NotFound."""
    project = demo.project
    settings = read_settings(project)
    run = find_run(project, settings.run if settings else "")
    return Show(demo, settings or DemoSettings(run.id, project.title), run)


def _in_words(answer: Answer) -> dict[str, object]:
    bars = [{"name": t.display, "share": round(t.probability, 5), "shown": _shown(t.probability)} for t in answer.tags]
    return {"bars": bars, "unknown": bool(answer.unknown)}


def _shown(share: float) -> str:
    return percent(share) if share >= 0.0005 else "< 0.1 %"


# ----------------------------------------------------------------------------- routes


def make_routes(show: Show) -> list[Route]:
    """The routes of the page. All but the door answer only to visitors who are in."""

    def inside(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def guarded(request: Request) -> Response:
            return handler(request) if show.admits(request.cookies) else _refusal("Come in through the door.", 401)

        return guarded

    async def enter(request: Request) -> Response:
        """The PIN, or the ticket that the page gives to those who logged in, for a pass."""
        sent = await _small_json(request)
        address = request.client.host if request.client else ""
        pin = (read_settings(show.demo.project) or show.settings).pin  # it may have been changed meanwhile
        try:
            if show.door.admits(str(sent.get("ticket", "")), "ticket"):
                granted = show.door.make_pass(PASS_S)
            elif show.asks == "pin" and pin:
                granted = await run_in_threadpool(show.door.enter, str(sent.get("pin", "")), pin, address)
            else:
                return _refusal("There is no PIN here.", 403)
        except TooManyTries as error:
            headers = {"Retry-After": str(error.wait_s)}
            return JSONResponse({"error": error.title, "wait": error.wait_s}, 429, headers)
        except BadPin as error:
            return _refusal(f"{error.title} {error.next_step}", 403)
        answer = JSONResponse({})
        answer.set_cookie(
            show.cookie, granted, max_age=int(PASS_S), path="/", httponly=True, samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )  # fmt: skip
        return answer

    def told(request: Request) -> Response:
        examples = [{"id": e.id, "truth": e.truth, "answer": e.answer} for e in show.examples]
        about = {"title": show.settings.title, "sentence": show.settings.sentence, "facts": show.facts}
        return _private(JSONResponse({"ready": show.ready, **about, "examples": examples}))

    def example(request: Request) -> Response:
        found = next((e for e in show.examples if e.id == request.path_params["id"]), None)
        if found is None:
            return _refusal("There is no such picture.", 404)
        large = request.query_params.get("size") == "large"
        return _private(Response(found.large if large else found.small, media_type="image/jpeg"), seconds=3600)

    async def classify(request: Request) -> Response:
        if not show.admits(request.cookies):
            return _refusal("Come in through the door.", 401)
        if show.waiting >= _WAITING:
            return _refusal("Many people are asking just now. Try again in a moment.", 503)
        show.waiting += 1
        try:
            data = await _body(request)
            return _private(await run_in_threadpool(_answer, show, data))
        except ImgtagError as error:
            return _refusal(error.title, 400)
        except ClientDisconnect:
            return _refusal("The picture did not arrive.", 400)
        finally:
            show.waiting -= 1

    return [
        Route("/demo/enter", enter, methods=["POST"]),
        Route("/demo/show", inside(told)),
        Route("/demo/example/{id}", inside(example)),
        Route("/demo/classify", classify, methods=["POST"]),
        # Without this, Streamlit would answer with its page.
        Route("/demo/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


def _unknown(request: Request) -> Response:
    return _refusal("There is nothing here but the demo.", 404)


def _answer(show: Show, data: bytes) -> Response:
    """The answer for a visitor's picture. Raises BadPicture."""
    with show.looking:
        picture, _ = open_picture(data, at_least=limit("large_view_px"))
        answer = kept_predictor(show.run).classify([("", data)], top=_TOP)[0]
        if answer.error:
            raise BadPicture(answer.error)
        # The browser may not know the format (HEIC), so it gets the picture as it was understood.
        seen = base64.b64encode(thumbnail(picture, limit("large_view_px"))).decode()
    return JSONResponse({"picture": f"data:image/jpeg;base64,{seen}", "answer": _in_words(answer)})


async def _body(request: Request) -> bytes:
    """The bytes of a picture. Raises BadPicture as soon as they are too many."""
    most = limit("max_picture_mb") << 20
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise BadPicture(f"The file is too large: a picture may have up to {most >> 20} MB.")
    return bytes(data)


async def _small_json(request: Request) -> dict[str, object]:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > 1000:
            return {}
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _private(response: Response, seconds: int = 0) -> Response:
    response.headers["Cache-Control"] = f"private, max-age={seconds}" if seconds else "no-store"
    return response


def _refusal(words: str, status: int) -> Response:
    return _private(JSONResponse({"error": words}, status))
