"""One training, two windows: both show it, either can stop it, and a killed trainer can be resumed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imgtag.data.projects import Project
from imgtag.training.runs import list_runs
from tests.browser.conftest import Server
from tests.drawing import picture, write_tree
from tests.trainers import until

pytestmark = pytest.mark.browser


def trainer_of(run_folder: Path) -> int:
    """The process id of the trainer at work on a run."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"imgtag.training.worker" in words and os.fsencode(run_folder) in words:
                return int(process.name)
    raise AssertionError("no trainer is at work on this run")


def halt_while_looking(project: Project) -> int:
    """Hold the trainer still as soon as it looks at pictures, as a very slow machine would; returns its process id."""

    def looks() -> bool:
        runs = [run for run in list_runs(project) if run.state == "running"]
        return any(str(run.status.get("message", "")).startswith("Looking at picture") for run in runs)

    until(looks, seconds=120)
    (run,) = list_runs(project)
    trainer = trainer_of(run.path)
    os.kill(trainer, signal.SIGSTOP)
    return trainer


def test_stop_in_one_window_and_kill_and_resume_show_in_the_other(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    write_tree(shapes.images / "circle", {f"more-{n}.png": picture("green", n) for n in range(400)})
    address = f"{server.address}/train?project=toys"
    page.goto(address)
    other = page.context.new_page()
    other.goto(address)
    expect(other.get_by_role("button", name="Train", exact=True)).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    trainer = halt_while_looking(shapes)
    stop = other.get_by_role("button", name="Stop and keep the best so far")
    expect(stop).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Looking at picture")).to_be_visible(timeout=60_000)
    os.kill(trainer, signal.SIGKILL)
    for window in (page, other):
        expect(window.get_by_text("The training was interrupted.")).to_be_visible(timeout=30_000)
    expect(stop).to_have_count(0)  # the button of before would stop what is not yet begun again
    page.get_by_role("button", name="Go on where it stopped").click()
    trainer = halt_while_looking(shapes)
    stop.click(timeout=60_000)
    (run,) = list_runs(shapes)
    until(lambda: (run.path / "stop").exists(), seconds=30)
    os.kill(trainer, signal.SIGCONT)
    outcome = page.get_by_text("Stopped; the best so far was kept.").or_(page.get_by_text("Stopped before two classes"))
    expect(outcome.first).to_be_visible(timeout=60_000)
    other.close()
