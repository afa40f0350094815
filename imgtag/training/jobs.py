"""Starting, pausing, stopping and resuming trainers. No torch here: pages import this module.

The trainer is a process of its own, in its own session: a reload, a closed browser or a restarted server do
not touch it (measured for threads, multiprocessing and Popen; only a detached Popen survives them all).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from imgtag.core import locks, storage
from imgtag.core.errors import Conflict
from imgtag.core.settings import home
from imgtag.data.importing import require_no_import
from imgtag.data.projects import Project
from imgtag.training.ahead import LOCK
from imgtag.training.recipes import Recipe
from imgtag.training.runs import Run, create_run, list_runs

_ONE_CLICK_S = 3.0
_children: list[subprocess.Popen[bytes]] = []
_measurement: list[subprocess.Popen[bytes]] = []
_looked: dict[Path, float] = {}


def start_training(project: Project, recipe: Recipe) -> Run:
    """Freeze the pictures and start a trainer; while another works on this machine it waits in line.

    A second click on the same button returns the run of the first.
    """
    with locks.locked(project.cache / ".start.lock"):
        for run in active_runs(project):
            if run.recipe == recipe and time.time() - run.created < _ONE_CLICK_S:
                return run
        run = create_run(project, recipe)
        _launch(run)
    return run


def active_runs(project: Project) -> list[Run]:
    """The runs that a trainer is working on or that wait for their turn, the first to finish first."""
    return [run for run in reversed(list_runs(project)) if run.active]


def active_run(project: Project) -> Run | None:
    """The run that a trainer is working on, or else the first that waits, if any."""
    runs = active_runs(project)
    return min(runs, key=lambda run: run.state in ("waiting", "paused"), default=None)


def refuse_while_at_work(project: Project) -> None:
    """Raise Conflict while a training or an import is at work on the project: its folder must stay where it is."""
    if active_runs(project):
        raise Conflict(
            "A training is at work in this project.",
            "What it has learnt so far would be lost.",
            "Stop it on the Train page, or wait until it has ended.",
        )
    require_no_import(project, "They would be lost.")


def stop_training(run: Run) -> None:
    """Ask the trainer to stop; it keeps the best so far."""
    storage.atomic_write(run.path / "stop", b"")


def pause_training(run: Run) -> None:
    """Ask the trainer to wait where it is; others may use the machine meanwhile."""
    storage.atomic_write(run.path / "pause", b"")


def continue_training(run: Run) -> None:
    """Let a paused trainer go on."""
    storage.remove_file(run.path / "pause")


def resume_training(run: Run) -> Run:
    """Go on with an interrupted run: from its last round, and without looking again at pictures it has seen."""
    with locks.locked(run.project.cache / ".start.lock"):
        if Run(run.path).active:
            raise Conflict("This training is running already.", "", "Wait until it has finished.")
        for wish in ("stop", "pause"):
            storage.remove_file(run.path / wish)
        storage.write_json(run.path / "status.json", {"state": "starting", "updated": time.time()})
        _launch(run)
    return Run(run.path)


def look_ahead(project: Project) -> None:
    """Look in the background at the pictures that no training has seen yet; once at a time."""
    last = _looked.get(project.path, 0.0)
    if time.monotonic() - last > _ONE_CLICK_S and not locks.is_held(project.cache / LOCK):
        _looked[project.path] = time.monotonic()
        _sweep()
        _children.append(
            _start([sys.executable, "-m", "imgtag.training.looker", str(project.path)], subprocess.DEVNULL)
        )


def measure(recipe: Recipe) -> None:
    """Measure in the background what a prediction of the training time needs; once at a time."""
    if not measuring():
        _measurement[:] = [
            _start([sys.executable, "-m", "imgtag.training.measure", json.dumps(recipe.as_dict())], subprocess.DEVNULL)
        ]


def measuring() -> bool:
    """Whether such a measurement is going on."""
    alive = bool(_measurement) and _measurement[0].poll() is None
    return alive or locks.is_held(home() / ".cache" / ".measuring.lock")


def wait_for(run: Run, poll_s: float = 0.1) -> Run:
    """Block until no trainer works on the run any more."""
    while (now := Run(run.path)).active:
        time.sleep(poll_s)
    return now


def _launch(run: Run) -> None:
    _sweep()
    with storage.open_log(run.path / "log.txt") as output:
        _children.append(_start([sys.executable, "-m", "imgtag.training.worker", str(run.path)], output))


def _sweep() -> None:
    """Leave no zombies."""
    _children[:] = [child for child in _children if child.poll() is None]


def _start(arguments: list[str], output: IO[bytes] | int) -> subprocess.Popen[bytes]:
    # On POSIX a session of its own; on Windows flags that the module has only there.
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)
    root = Path(__file__).resolve().parents[2]
    environment = {
        "PYTHONWARNINGS": "ignore",  # users read the log; what libraries advise is for programmers
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=root,
        start_new_session=True,
        creationflags=flags,
    )
