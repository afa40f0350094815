"""The trainer process as it is started: its exit status, its last word, and what it leaves in the log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgtag.core import locks
from imgtag.core.settings import home
from imgtag.data.projects import Project
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run, create_run

ROOT = Path(__file__).resolve().parents[2]


def work(run: Run) -> subprocess.CompletedProcess[str]:
    """The process, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "imgtag.training.worker", os.path.relpath(run.path, ROOT)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_it_trains_and_leaves_nothing_behind(ready: Path, shapes: Project) -> None:
    run = create_run(shapes, make_recipe())
    ended = work(run)
    assert ended.returncode == 0, ended.stderr
    done = Run(run.path)
    assert done.state == "finished"
    assert not locks.is_held(run.path / "lock")
    assert list((home() / ".queue").iterdir()) == []
    assert list((run.path / "tb").iterdir())
    assert not {"stop", "pause", "checking", "best.ckpt", "resume.ckpt"} & {p.name for p in run.path.iterdir()}


def test_a_broken_run_folder_is_told_in_words_and_the_log_has_the_trace(ready: Path, shapes: Project) -> None:
    run = create_run(shapes, make_recipe())
    manifest = run.path / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",circle,", ",other,"))
    ended = work(run)
    assert ended.returncode == 1
    error = Run(run.path).status["error"]
    assert error["title"] == "The training failed unexpectedly."
    assert error["explanation"].startswith("KeyError: 'other'")
    assert "log" in error["next_step"]
    assert "Traceback" in ended.stderr
    assert list((home() / ".queue").iterdir()) == [], "others are not kept waiting"


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited with setrlimit")
def test_too_little_memory_is_told_as_such(ready: Path, shapes: Project) -> None:
    run = create_run(shapes, make_recipe())
    code = (
        "import resource, sys\n"
        "import numpy as np\n"
        "from imgtag.training import engine, worker\n"
        "def hungry(run, watch):  # a batch that does not fit\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "    np.ones(1 << 40)\n"
        "engine.train = hungry\n"
        "sys.exit(worker.main(sys.argv[1]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(run.path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    error = Run(run.path).status["error"]
    assert "memory" in error["title"]
    assert "smaller" in error["next_step"]
