"""Starting, stopping and resuming trainers. No torch here: pages import this module.

The trainer is a process of its own, in its own session: a reload, a closed browser or a restarted server do
not touch it (measured for threads, multiprocessing and Popen; only a detached Popen survives them all).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from imgtag.core import locks, storage
from imgtag.core.errors import Conflict
from imgtag.data.projects import Project
from imgtag.training.recipes import Recipe
from imgtag.training.runs import Run, create_run, list_runs

_children: list[subprocess.Popen[bytes]] = []


def start_training(project: Project, recipe: Recipe) -> Run:
    """Freeze the pictures and start a trainer. A second click returns the run that is at work already."""
    with locks.locked(project.cache / ".start.lock"):
        running = active_run(project)
        if running:
            return running
        run = create_run(project, recipe)
        _launch(run)
    return run


def active_run(project: Project) -> Run | None:
    """The run of a project that a trainer is working on, if any."""
    return next((run for run in list_runs(project) if run.active), None)


def stop_training(run: Run) -> None:
    """Ask the trainer to stop; it keeps the best so far."""
    storage.atomic_write(run.path / "stop", b"")


def resume_training(run: Run) -> Run:
    """Go on with an interrupted run: pictures that were looked at already are not looked at again."""
    with locks.locked(run.project.cache / ".start.lock"):
        if active_run(run.project):
            raise Conflict("A training is running already.", "", "Wait until it has finished.")
        storage.remove_file(run.path / "stop")
        storage.write_json(run.path / "status.json", {"state": "starting", "updated": time.time()})
        _launch(run)
    return Run(run.path)


def wait_for(run: Run, poll_s: float = 0.1) -> Run:
    """Block until no trainer works on the run any more."""
    while (now := Run(run.path)).active:
        time.sleep(poll_s)
    return now


def _launch(run: Run) -> None:
    _children[:] = [child for child in _children if child.poll() is None]  # leaves no zombies
    # On POSIX a session of its own; on Windows flags that the module has only there.
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    with storage.open_log(run.path / "log.txt") as output:
        child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "imgtag.training.worker", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=root,
            start_new_session=True,
            creationflags=flags,
        )
    _children.append(child)
