"""Real trainer processes: to the end, stopped, paused, killed, resumed, started twice, several in line, no space."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from imgtag.core import locks, storage
from imgtag.core.errors import Conflict, NotEnough
from imgtag.data.projects import Project, create_project
from imgtag.review.metrics import evaluate, read_predictions
from imgtag.training import jobs
from imgtag.training.backbones import at_size
from imgtag.training.extractor import load_extractor
from imgtag.training.jobs import (
    active_run,
    active_runs,
    continue_training,
    pause_training,
    refuse_while_at_work,
    resume_training,
    start_training,
    stop_training,
    wait_for,
)
from imgtag.training.model import load_model
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run, create_run, list_runs
from tests.drawing import picture, write_tree
from tests.prepared import ROW, link_backbones, many_pictures, toss_coins
from tests.trainers import until

MANY = 170  # pictures a class: more than the 256 of a shard, so that a kill leaves some of them cached


def workers(run: Run) -> list[int]:
    """Process ids of the living trainers of a run that were started here."""
    return [child.pid for child in jobs._children if str(run.path) in child.args and child.poll() is None]


def now(run: Run) -> Run:
    return Run(run.path)


def kill_hard(run: Run) -> None:
    (pid,) = workers(run)
    os.kill(pid, signal.SIGKILL)


def shards(project: Project) -> list[Path]:
    return list((project.cache / "features").rglob("*.safetensors"))


def test_training_goes_to_the_end_in_a_process_of_its_own(ready: Path, shapes: Project) -> None:
    run = start_training(shapes, make_recipe())
    until(lambda: workers(run))
    (pid,) = workers(run)
    assert os.getsid(pid) != os.getsid(0), "detached: it outlives the server"
    done = wait_for(run)
    assert done.state == "finished", done.log_text()
    assert done.status["val_accuracy"] == 1.0
    assert len(read_predictions(done)) == 24
    assert evaluate(done, "val").accuracy == 1.0
    assert load_model(done).classes == ("circle", "square")
    assert active_run(shapes) is None
    assert {"train", "val"} <= {p.split for p in read_predictions(done)}
    assert not (shapes.path / "runs" / done.id / "stop").exists()


def test_a_second_training_uses_what_was_seen_and_is_much_faster(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    began = time.monotonic()
    first = wait_for(start_training(project, make_recipe()))
    middle = time.monotonic()
    second = wait_for(start_training(project, make_recipe()))
    ended = time.monotonic()
    assert (first.state, second.state) == ("finished", "finished")
    assert first.status["cached"] == 0
    assert second.status["cached"] == 2 * MANY
    assert not [row for row in second.metrics() if row["phase"] == "looking"]
    assert ended - middle < middle - began
    assert second.status["val_accuracy"] == first.status["val_accuracy"]


def test_stop_while_looking_keeps_the_best_and_is_quick(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    run = start_training(project, make_recipe())
    until(lambda: now(run).status.get("phase") == "looking" and now(run).status.get("done", 0) >= 48)
    assert now(run).state == "running"
    stop_training(run)
    assert until(lambda: not now(run).active) < 10
    stopped = now(run)
    assert stopped.state == "stopped"
    assert stopped.has_model
    assert load_model(stopped).classes == ("box", "disc")
    assert 40 <= len(read_predictions(stopped)) < 2 * MANY
    assert stopped.status["val_accuracy"] > 0.8


def test_a_killed_trainer_is_seen_within_seconds_and_resumes_with_what_was_seen(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    run = start_training(project, make_recipe())
    until(lambda: shards(project))
    kill_hard(run)
    assert until(lambda: now(run).state == "interrupted") < 5
    assert active_run(project) is None
    assert not now(run).has_model
    before = len(now(run).metrics())
    resumed = resume_training(now(run))
    assert resumed.id == run.id
    done = wait_for(resumed)
    assert done.state == "finished", done.log_text()
    assert 256 <= done.status["cached"] < 2 * MANY
    assert len(read_predictions(done)) == 2 * MANY
    assert len(done.metrics()) > before
    assert [row["t"] for row in done.metrics()] == sorted(row["t"] for row in done.metrics())
    assert len(list_runs(project)) == 1


def test_a_trainer_killed_before_its_first_picture_is_seen_within_seconds(ready: Path, shapes: Project) -> None:
    run = start_training(shapes, make_recipe())
    until(lambda: locks.is_held(run.path / "lock"))
    time.sleep(0.2)
    kill_hard(run)
    assert until(lambda: now(run).state == "interrupted") < 5


def test_resuming_a_run_that_is_at_work_is_refused(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    run = start_training(project, make_recipe())
    with pytest.raises(Conflict):
        resume_training(run)
    assert now(run).active
    stop_training(run)
    wait_for(run)


def test_a_second_click_returns_the_run_that_is_at_work(ready: Path, shapes: Project) -> None:
    first = start_training(shapes, make_recipe())
    second = start_training(shapes, make_recipe())
    assert second.id == first.id
    until(lambda: workers(first))
    assert len(workers(first)) == 1
    assert len(list_runs(shapes)) == 1
    assert wait_for(first).state == "finished"
    assert active_run(shapes) is None


def test_stopping_a_run_that_waits_ends_it_while_the_other_goes_on(ready: Path, shapes: Project) -> None:
    with locks.locked(ready / ".training.lock"):  # somebody trains
        run = start_training(shapes, make_recipe())
        until(lambda: now(run).status.get("phase") == "waiting")
        stop_training(run)
        until(lambda: not now(run).active)
    assert now(run).state == "stopped"
    assert "nothing was learnt" in now(run).status["message"]


def test_one_class_is_refused_before_a_process_starts(ready: Path, project: Project) -> None:
    write_tree(project.images / "only", {f"{n}.png": picture("red", n) for n in range(12)})
    with pytest.raises(NotEnough):
        start_training(project, make_recipe())
    assert list_runs(project) == []


def test_a_failed_training_says_why_and_leaves_a_log(ready: Path, shapes: Project) -> None:
    for number, path in enumerate((shapes.images / "square").iterdir()):
        path.write_bytes(b"broken %d" % number)
    run = wait_for(start_training(shapes, make_recipe()))
    assert run.state == "failed"
    error = run.status["error"]
    assert "Fewer than two classes" in error["title"]
    assert "12 pictures could not be read" in error["explanation"]
    assert error["next_step"]
    assert "square-3.png" in run.log_text()
    assert not run.has_model


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the loaded libraries are read from /proc")
def test_the_trainer_loads_no_torch_once_the_backbone_is_there(ready: Path, shapes: Project) -> None:
    run = start_training(shapes, make_recipe())
    until(lambda: workers(run))
    (pid,) = workers(run)
    libraries: set[str] = set()
    while now(run).active:
        try:
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        except OSError:
            break
        libraries |= {line.rpartition("/")[2] for line in lines if ".so" in line}
    assert any("openblas" in name or "multiarray" in name for name in libraries)
    if "OpenVINO" in wait_for(run).status["engine"]:
        assert not [name for name in libraries if name.startswith("libtorch")]


# ----------------------------------------------------------------------------- the line


def test_trainings_of_two_projects_work_one_after_another_in_the_order_of_their_start(
    ready: Path, shapes: Project
) -> None:
    other = create_project("others")
    many_pictures(other, 20)
    asked = ((other, "0.1"), (shapes, "0.1"), (other, "0.2"), (shapes, "0.2"))
    with locks.locked(ready / ".training.lock"):  # somebody else is at work
        runs = [start_training(project, make_recipe("quick", [f"strength={s}"])) for project, s in asked]
        until(lambda: [now(run).state for run in runs] == ["waiting"] * 4)
        assert active_run(shapes).id == runs[1].id  # type: ignore[union-attr]
        assert [run.id for run in active_runs(other)] == [runs[0].id, runs[2].id]
        until(lambda: "3 other trainings" in now(runs[3]).status["message"])
        assert len(list((ready / ".queue").iterdir())) == 4
        kill_hard(runs[2])
        until(lambda: now(runs[2]).state == "interrupted")
        until(lambda: "2 other trainings" in now(runs[3]).status["message"])
        assert len(list((ready / ".queue").iterdir())) == 3, "nobody waits for the dead"
    first, second, last = (wait_for(runs[n]) for n in (0, 1, 3))
    assert [run.state for run in (first, second, last)] == ["finished"] * 3
    for earlier, later in ((first, second), (second, last)):
        # `seconds` does not count the waiting, so this is when the later one began its work.
        began = later.status["updated"] - later.status["seconds"]
        assert began > earlier.status["updated"] - 0.3, "they worked at the same time"
    until(lambda: list((ready / ".queue").iterdir()) == [])


# ----------------------------------------------------------------------------- fine-tuning

LITTLE = ("picture_size=32", "augmentation=flip", "batch_size=8", "learning_rate=1e-4", "strength=0.1", "devices=cpu")
NOISE = ("litlogger", "Warning", "detach", "GPU available", "TPU", "it/s", "tune_network")


@pytest.fixture
def coins(ready: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    load_extractor(at_size(ROW, 32))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # pictures of 32 pixels are too small to be shared out
    return toss_coins(project)


def tuning(project: Project, *changes: str) -> Run:
    return start_training(project, make_recipe("custom", [*LITTLE, *changes]))


def rounds(run: Run) -> list[dict[str, Any]]:
    return [row for row in now(run).metrics() if row["phase"] == "tuning"]


def left_over(run: Run) -> set[str]:
    """Files of an unfinished fine-tuning. They go just after the last word, so the trainer is given a moment."""
    names = {"resume.ckpt", "best.ckpt", "checking", "stop", "pause"}
    with contextlib.suppress(AssertionError):
        until(lambda: not any((run.path / name).exists() for name in names), 5)
    return {path.name for path in run.path.iterdir()} & names


def test_a_paused_training_lets_others_work_goes_on_and_keeps_the_best_when_stopped(
    coins: Project, numbers: Project
) -> None:
    run = tuning(coins, "epochs=5000", "patience=5000")
    until(lambda: len(rounds(run)) >= 2, 60)
    assert active_run(coins).state == "running"  # type: ignore[union-attr]
    pause_training(run)
    assert until(lambda: now(run).state == "paused") < 2
    paused, began = now(run), time.monotonic()
    assert paused.status["message"] == "Paused" and 0 < paused.status["done"] < paused.status["total"]
    at = len(rounds(run))
    other = wait_for(start_training(numbers, make_recipe("quick", ["strength=0.2"])))
    assert other.state == "finished"
    assert now(run).state == "paused" and len(rounds(run)) == at, "it did nothing meanwhile"
    away = time.monotonic() - began
    continue_training(run)
    until(lambda: len(rounds(run)) > at + 1)
    assert now(run).state == "running"
    went_on = now(run)
    assert went_on.status["seconds"] - paused.status["seconds"] < time.monotonic() - began - away + 0.5
    assert all("pictures_per_second" not in row or row["pictures_per_second"] > 1 for row in went_on.metrics())
    pause_training(run)
    until(lambda: now(run).state == "paused")
    stop_training(run)
    assert until(lambda: not now(run).active) < 10
    stopped = now(run)
    assert stopped.state == "stopped", stopped.log_text()
    assert "Stopped by you" in stopped.status["message"]
    assert len(read_predictions(stopped)) == 24
    assert load_model(stopped).classes == ("heads", "tails")
    until(lambda: not locks.is_held(run.path / "lock"))
    assert not left_over(run) - {"stop", "pause"}


@pytest.mark.slow
def test_a_killed_fine_tuning_resumes_at_the_next_round_and_ends_as_if_nothing_had_happened(coins: Project) -> None:
    whole = wait_for(tuning(coins, "layers=partly", "epochs=6", "mixup=0.2"))
    assert whole.state == "finished", whole.log_text()
    run = tuning(coins, "layers=partly", "epochs=6", "mixup=0.2", "patience=6")
    until(lambda: len(rounds(run)) >= 2, 60)
    kill_hard(run)
    assert until(lambda: now(run).state == "interrupted") < 5
    last = rounds(run)[-1]["epoch"]
    assert last < 6, "it was too quick to be killed"
    assert (run.path / "resume.ckpt").is_file()
    resumed = resume_training(now(run))
    until(lambda: now(run).status.get("phase") == "tuning" and now(run).status.get("done"), 60)
    going = now(run).status
    assert going["done"] >= (last - 1) / 6 * going["total"] and going["eta_s"] is not None
    done = wait_for(resumed)
    assert done.state == "finished", done.log_text()
    epochs = [row["epoch"] for row in rounds(run)]
    assert epochs in ([1, 2, 3, 4, 5, 6], [*range(1, last + 1), *range(last, 7)]), "a round may be told twice, not more"
    told = {row["epoch"]: row["val_loss"] for row in rounds(run)}
    assert told == {row["epoch"]: row["val_loss"] for row in rounds(whole)}
    assert [row["t"] for row in done.metrics()] == sorted(row["t"] for row in done.metrics())
    learnt = [load_file(r.path / "model" / "model.safetensors") for r in (whole, done)]
    assert all(np.array_equal(learnt[0][name], learnt[1][name]) for name in learnt[0])
    until(lambda: not locks.is_held(run.path / "lock"))
    for each in (whole, done):
        assert not left_over(each)
        assert not [noise for noise in NOISE if noise in each.log_text()], each.log_text()
    seen = EventAccumulator(str(done.path / "tb"), size_guidance={"scalars": 0})
    seen.Reload()
    copied = [(e.step, e.value) for e in seen.Scalars("tuning/val_loss")]
    assert copied == [(row["epoch"], pytest.approx(row["val_loss"])) for row in rounds(run)]


@pytest.fixture
def small_disk(tmp_path: Path, ready: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 60 MB as the home folder; the converted networks are on another."""
    disk = tmp_path / "disk"
    disk.mkdir()
    asked = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(disk)], capture_output=True)
    if asked.returncode:
        pytest.skip("a small disk cannot be mounted here")
    monkeypatch.setenv("IMGTAG_HOME", str(disk / "home"))
    monkeypatch.setenv("IMGTAG_SPARE_DISK_MB", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    link_backbones(disk / "home")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_full_disk_ends_a_fine_tuning_in_words_and_it_resumes_when_there_is_space(small_disk: Path) -> None:
    project = create_project("coins")
    load_extractor(at_size(ROW, 32))
    for n, side in enumerate(("heads", "tails")):
        write_tree(project.images / side, {f"{i}.png": picture("grey", 100 * n + i) for i in range(12)})
    run = tuning(project, "epochs=400", "patience=400")
    until(lambda: len(rounds(run)) >= 2 and (run.path / "resume.ckpt").exists(), 60)
    filler = small_disk / "films"
    with filler.open("wb", buffering=0) as file:
        while now(run).active:  # all but a megabyte is taken, at any time
            with contextlib.suppress(OSError):
                file.write(b"\0" * max(0, shutil.disk_usage(small_disk).free - (1 << 20)))
    failed = now(run)
    assert failed.state == "failed", failed.log_text()
    assert failed.status["error"]["title"] == "The disk is full."
    assert "MB are needed" in failed.status["error"]["explanation"]
    last = rounds(run)[-1]["epoch"]
    filler.unlink()
    assert not list(run.path.glob(".*.part"))
    again = resume_training(now(run))
    until(lambda: now(run).status.get("phase") == "tuning" and rounds(run)[-1]["epoch"] > last + 1, 60)
    assert [row["epoch"] for row in rounds(run)][: last + 1] in ([*range(1, last + 2)], [*range(1, last + 1), last])
    stop_training(again)
    stopped = wait_for(again)
    assert stopped.state == "stopped" and stopped.has_model, stopped.log_text()


def test_a_project_at_work_may_not_be_moved_away(shapes: Project) -> None:
    refuse_while_at_work(shapes)
    run = create_run(shapes, make_recipe())
    with locks.locked(run.path / "lock"), pytest.raises(Conflict) as refused:
        refuse_while_at_work(shapes)
    assert "Stop it" in refused.value.next_step
    storage.write_json(run.path / "status.json", {"state": "finished"})
    refuse_while_at_work(shapes)
