"""The server of a demo: its one page, its routes, and a thread that ends it when somebody says so."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from imgtag.core.errors import ImgtagError
from imgtag.data.projects import Project
from imgtag.serving.api import allowed_hosts
from imgtag.serving.demo import require_door
from imgtag.serving.demo_process import Demo, should_end, shown
from imgtag.serving.demo_server import Show, make_routes, open_show
from imgtag.serving.guard import OnlyTheDemo
from imgtag.serving.network import HERE, ROOT, configured_login, free_port
from imgtag.ui.errors import show_unexpected

log = logging.getLogger(__name__)

_LOOK_S, _PATIENCE_S = 0.25, 3.0
_current: list[Show] = []


def current_show() -> Show:
    """What this process shows."""
    return _current[0]


def run_demo(project: Project, host: str, port: int = 0) -> None:
    """Show the demo of a project until it is stopped. port 0: the next free one. Raises ImgtagError."""
    network, login = host != HERE, configured_login()
    port = port or free_port(host, login)
    with shown(project, port, network=network) as demo:
        show = open_show(demo)
        require_door(show.settings, network=network)
        _current[:] = [show]
        app = st.App(
            ROOT / "imgtag" / "ui" / "demo.py",
            routes=make_routes(show),
            middleware=[Middleware(OnlyTheDemo, network=network, login=login)],
            lifespan=_lifespan,
            on_script_error=show_unexpected,
        )
        app.run(
            config={
                "server.address": host,
                "server.port": port,
                # In a network the machine has many names: OnlyTheDemo knows them, and looks at every request.
                "server.allowedHosts": ["*"] if network or login else sorted(allowed_hosts()),
                "server.maxUploadSize": 1,  # MB; the page has its own way for pictures
                "server.maxMessageSize": 2,  # MB
                "server.disconnectedSessionTTL": 30,
            }
        )


@asynccontextmanager
async def _lifespan(app: st.App) -> AsyncIterator[None]:
    show = current_show()
    for work in (_prepare, _watch):
        threading.Thread(target=work, args=(show,), daemon=True).start()
    yield


def _prepare(show: Show) -> None:
    """Load the model while the page is there already; without one there is nothing to show."""
    demo = show.demo
    try:
        show.prepare()
    except Exception as error:
        log.exception("the demo cannot be shown")
        known = error.as_dict() if isinstance(error, ImgtagError) else {"title": f"{type(error).__name__}."}
        demo.tell("failed", error=known)
        _end()
        return
    facts = Demo(demo.project).facts
    demo.tell("ready", port=facts["port"], network=facts["network"])


def _watch(show: Show) -> None:
    while not should_end(show.demo):
        time.sleep(_LOOK_S)
    _end()


def _end() -> None:
    """As Ctrl+C would; a connection that does not want to end is not waited for."""
    signal.raise_signal(signal.SIGINT)
    time.sleep(_PATIENCE_S)
    os._exit(0)
