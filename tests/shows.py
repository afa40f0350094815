"""Demos for tests: the real process, started as the page Share does, and ended afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx

from imgtag.serving.demo import usual_settings
from imgtag.serving.demo_process import Demo, start_demo, stop_demo
from imgtag.serving.door import hash_pin
from imgtag.serving.guard import HEADER
from imgtag.training.runs import Run

PIN = "246810"
OWN = {HEADER: "1"}
PATIENCE_S = 90.0


def until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


@contextlib.contextmanager
def on_show(run: Run, **changes: object) -> Iterator[Demo]:
    """A demo that is ready, with the PIN above unless other settings are given."""
    settings = replace(usual_settings(run), **{"pin": hash_pin(PIN), **changes})  # type: ignore[arg-type]
    start_demo(run.project, settings)
    try:
        until(lambda: Demo(run.project).state != "starting")
        demo = Demo(run.project)
        assert demo.state == "ready", demo.trouble
        yield demo
    finally:
        stop_demo(run.project)
        until(lambda: not Demo(run.project).active)


def visitor(demo: Demo, pin: str = "", host: str = "127.0.0.1") -> httpx.Client:
    """Somebody who has opened its address, and come in if a PIN is given."""
    client = httpx.Client(base_url=f"http://{host}:{demo.port}", headers=OWN, timeout=60)
    if pin:
        client.post("/demo/enter", json={"pin": pin}).raise_for_status()
    return client
