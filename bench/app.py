"""The app on a home of its own, with a page of Chromium in front of it, for measurements that act as a person would."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PATIENCE_S = 60.0
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


@contextlib.contextmanager
def app_in_browser(home: Path) -> Iterator[Page]:
    """A page that shows the app's first screen; the app and the browser end with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "IMGTAG_HOME": str(home)}
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], env=environment)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        _wait_for(port)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(1000 * PATIENCE_S)
            page.goto(f"http://127.0.0.1:{port}")
            yield page
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The app did not start.")
