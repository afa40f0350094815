"""Lets the page of a demo through and nothing else, and only under the names of this machine.

Streamlit has more routes than the page needs, such as one for uploads that knows no PIN, and answers every unknown
address with its page. Here, what is not on the list does not exist.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from imgtag.serving.api import allowed_hosts
from imgtag.serving.network import Login, is_address, own_names

HEADER = "x-imgtag-demo"
_PAGE = frozenset({"/", "/favicon.png", "/_stcore/health", "/_stcore/host-config", "/_stcore/stream"})
_PARTS = ("/static/", "/media/", "/demo/")  # its scripts, its icon, our routes
_LOGIN = frozenset({"/auth/login", "/auth/logout", "/oauth2callback"})
_MORE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),  # no other page may show this one inside itself
    (b"referrer-policy", b"no-referrer"),
)


class OnlyTheDemo:
    """The outermost layer of the demo's server. network: it may be called by any of this machine's addresses."""

    def __init__(self, app: ASGIApp, *, network: bool, login: Login | None) -> None:
        self.app, self.network, self.login = app, network, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self.app(scope, receive, _with_headers(send))
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers, path = Headers(scope=scope), scope["path"]
        if not self._called_by_name(headers):
            return PlainTextResponse("This name does not lead here.", 403)
        if not (path in _PAGE or path.startswith(_PARTS) or (self.login and path in _LOGIN)):
            return PlainTextResponse("There is nothing here but the demo.", 404)
        if path.startswith("/demo/") and not _from_its_page(scope["method"], headers):
            return PlainTextResponse("This request comes from another site.", 403)
        return None

    def _called_by_name(self, headers: Headers) -> bool:
        """Whether the name in the request is one of ours; a foreign name can be made to lead here (DNS rebinding)."""
        try:
            host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        except ValueError:  # such as an unclosed bracket
            return False
        if host in allowed_hosts() or (self.login and host == self.login.host):
            return True
        return self.network and (is_address(host) or host in own_names())


def _from_its_page(method: str, headers: Headers) -> bool:
    """Whether no page of another origin asks. What is sent needs a header that such pages cannot add."""
    origin = headers.get("origin")
    try:
        same = origin is None or urlsplit(origin).netloc == headers.get("host", "")
    except ValueError:
        return False
    foreign = headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
    return same and not foreign and (method in ("GET", "HEAD") or headers.get(HEADER) == "1")


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_MORE_HEADERS]
        await send(message)

    return sending
