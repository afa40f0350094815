"""Launcher: one server for the screens and our own routes. `python app.py`, or `python3 start.py` for newcomers.

The screens' entry script is imgtag/ui/main.py, not this file: beside a folder named pages/ Streamlit would
otherwise run the pages without it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

from imgtag.serving.api import ROUTES, allowed_hosts, clear_stale_uploads
from imgtag.ui.errors import show_unexpected

ROOT = Path(__file__).resolve().parent


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Tidy up once, before the first visitor."""
    clear_stale_uploads()
    yield


app = st.App(ROOT / "imgtag" / "ui" / "main.py", routes=ROUTES, lifespan=lifespan, on_script_error=show_unexpected)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Start the app.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    options = parser.parse_args()
    os.chdir(ROOT)  # where .streamlit/config.toml is
    # A page of another site whose name merely leads to this machine (DNS rebinding) gets no screen either.
    hosts = sorted(allowed_hosts() | {options.host})
    app.run(config={"server.address": options.host, "server.port": options.port, "server.allowedHosts": hosts})
