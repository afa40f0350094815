"""Run one program of the comparison and time it from start to exit, the same way for all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Failed(Exception):
    """The program ended with an error; the text says which."""


@dataclass(frozen=True)
class Finished:
    """seconds: wall clock from start to exit; output: what it printed.

    cpu_seconds: time on all cores together, its children's too; None on Windows. On a machine with other work the
    wall clock says little; cpu_seconds / cores is what it takes at least on an idle one.
    """

    seconds: float
    output: str
    cpu_seconds: float | None = None


def run_module(arguments: Sequence[str], home: Path) -> Finished:
    """`python -m ARGUMENTS` from the repository's root, with its projects in `home`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IMGTAG_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    began, before = time.perf_counter(), _cpu_seconds()
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise Failed("\n".join((done.stderr or done.stdout).splitlines()[-12:]))
    after = _cpu_seconds()
    return Finished(seconds, done.stdout, None if before is None or after is None else after - before)


def _cpu_seconds() -> float | None:
    """What all children that have ended spent so far."""
    if sys.platform == "win32":
        return None
    import resource

    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
