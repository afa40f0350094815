"""Launcher: one server for the screens and our own routes. `python app.py`, or `python3 start.py` for newcomers.

With `--demo PROJECT` it is another server, which shows the demo of that project and has no other screen or route.

The screens' entry script is imgtag/ui/main.py, not this file: beside a folder named pages/ Streamlit would
otherwise run the pages without it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

from imgtag.core.errors import ImgtagError
from imgtag.data.projects import find_project
from imgtag.serving.api import ROUTES, allowed_hosts, clear_stale_uploads
from imgtag.ui.errors import show_unexpected
from imgtag.ui.send_at_once import send_at_once

ROOT = Path(__file__).resolve().parent


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Tidy up once, before the first visitor."""
    clear_stale_uploads()
    yield


def run_demo_of(name: str, host: str, port: int) -> None:
    """Show a demo until it is stopped; says why when it cannot be shown."""
    from imgtag.ui.demo_app import run_demo

    try:
        run_demo(find_project(name), host, port)
    except ImgtagError as error:
        sys.exit(str(error))


send_at_once()
app = st.App(ROOT / "imgtag" / "ui" / "main.py", routes=ROUTES, lifespan=lifespan, on_script_error=show_unexpected)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Start the app.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="8501, or the next free one for a demo")
    parser.add_argument(
        "--demo", metavar="PROJECT", help="show only the demo of a project, as set up on its page Share"
    )
    options = parser.parse_args()
    os.chdir(ROOT)  # where .streamlit/config.toml is
    if options.demo:
        run_demo_of(options.demo, options.host, options.port)
        sys.exit()
    # A page of another site whose name merely leads to this machine (DNS rebinding) gets no screen either.
    hosts = sorted(allowed_hosts() | {options.host})
    app.run(config={"server.address": options.host, "server.port": options.port or 8501, "server.allowedHosts": hosts})
