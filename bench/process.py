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
    """seconds: wall clock from start to exit; output: what it printed."""

    seconds: float
    output: str


def run_module(arguments: Sequence[str], home: Path) -> Finished:
    """`python -m ARGUMENTS` from the repository's root, with its projects in `home`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IMGTAG_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise Failed("\n".join((done.stderr or done.stdout).splitlines()[-12:]))
    return Finished(seconds, done.stdout)
