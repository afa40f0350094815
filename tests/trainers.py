"""Real processes in tests: wait for something, and leave none behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def end_processes_of(home: Path) -> None:
    """End what works on this home folder: trainers, lookers and measurements outlive the server that started them."""
    mark = f"IMGTAG_HOME={home}\0".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has gone, or is none of ours
            process = int(environment.parent.name)
            if process != os.getpid() and mark in environment.read_bytes():
                os.kill(process, signal.SIGKILL)


def until(what: Callable[[], object], seconds: float = 90.0) -> float:
    """Wait until something is so; returns how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - began
