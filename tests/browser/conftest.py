"""A real server and a real Chromium. The server runs in a process of its own, as users start it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip

expect.set_options(timeout=20_000)  # a machine may have other work, too


def pill(page: Page, name: str) -> Locator:
    """One of the choices that stand side by side: a part of a page, or an order."""
    return page.locator("[data-testid=stButtonGroup]").get_by_text(name, exact=True)


@dataclass
class Server:
    """The app on a port of its own; can be killed and started again on the same data."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "IMGTAG_HOME": str(self.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{self.address}/api/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the app did not start within 30 seconds")

    def kill(self) -> None:
        """As a power cut would: SIGKILL, to the server only."""
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Server(home, port)
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: .ci/run installs it")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


# What unfolds takes half a second; on a busy machine a click in that time may meet what was there before.
_AT_ONCE = """const animate = Element.prototype.animate;
Element.prototype.animate = function (frames, how) { return animate.call(this, frames, { ...how, duration: 1 }); };"""


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    foreign: list[str] = []
    context.add_init_script(_AT_ONCE)
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.on(
        "request",
        lambda r: foreign.append(r.url) if not r.url.startswith((server.address, "data:", "blob:", "ws:")) else None,
    )
    yield opened
    context.close()
    assert not foreign, f"the app made the browser call other servers: {foreign}"
