"""Several processes at one run: as many as asked for, sharing the work, and none left over when one falls."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from imgtag.data.projects import Project
from imgtag.training import jobs, parallel
from imgtag.training.backbones import at_size
from imgtag.training.extractor import load_extractor
from imgtag.training.jobs import resume_training, start_training, stop_training, wait_for
from imgtag.training.model import load_model
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run
from tests.prepared import ROW, toss_coins
from tests.trainers import until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are read from /proc")

TUNED = ("picture_size=32", "batch_size=8", "learning_rate=1e-4", "strength=0.1")


@pytest.fixture
def coins(ready: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    load_extractor(at_size(ROW, 32))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return toss_coins(project)


def leader(run: Run) -> int:
    (pid,) = [c.pid for c in jobs._children if str(run.path) in c.args and c.poll() is None]
    return pid


def processes_of(run: Run) -> dict[int, str]:
    """Rank by id of all living processes that work at a run; "" is the leader."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            if str(run.path).encode() not in (folder / "cmdline").read_bytes().split(b"\0"):
                continue
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ranks = [v.removeprefix(b"RANK=").decode() for v in variables if v.startswith(b"RANK=")]
        found[int(folder.name)] = ranks[0] if ranks else ""
    return found


def rounds(run: Run) -> list[int]:
    return [row["epoch"] for row in Run(run.path).metrics() if row["phase"] == "tuning"]


# ----------------------------------------------------------------------------- how many


def test_alone_nobody_is_waited_for() -> None:
    assert (parallel.rank(), parallel.world(), parallel.launched(), parallel.led()) == (0, 1, False, False)
    parallel.join()
    parallel.wait_for_all()
    parallel.leave()
    assert parallel.of_the_first("x") == "x"
    assert parallel.any_of(True) and not parallel.any_of(False)


def test_as_many_processes_as_asked_for_and_no_more_than_gpus() -> None:
    gpus = parallel.gpus_here()
    assert parallel.processes_for("auto") == max(1, gpus)
    assert parallel.processes_for("cpu") == 1
    assert parallel.processes_for("0") == 1
    assert parallel.processes_for("3") == (min(3, gpus) if gpus else 3)


@pytest.mark.parametrize(
    ("allowed", "expected"), [(None, 4), ("0", 1), ("2,3", 2), ("", 0), ("-1", 0), ("0,-1,2", 1), ("0,1,2,3,4,5", 4)]
)
def test_gpus_that_may_not_be_used_do_not_count(
    allowed: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "glob", lambda pattern: [f"/dev/nvidia{n}" for n in range(4)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert parallel.gpus_here() == expected


# ----------------------------------------------------------------------------- two at one run


@pytest.mark.slow
def test_two_processes_share_the_work_and_learn_what_one_would(coins: Project) -> None:
    common = (*TUNED, "layers=partly", "epochs=2", "augmentation=flip")
    two = wait_for(start_training(coins, make_recipe("custom", [*common, "devices=2"])))
    assert two.state == "finished", two.log_text()
    shards = list((coins.cache / "features").rglob("*.safetensors"))
    assert len(shards) == 2, "each of the two looked at its part of the pictures and no other"
    assert two.status["cached"] == 0
    one = wait_for(start_training(coins, make_recipe("custom", [*common, "devices=cpu"])))
    assert one.state == "finished", one.log_text()
    assert one.status["cached"] == 24, "and together they looked at all"
    assert rounds(two) == rounds(one) == [1, 2]
    for name in ("val_loss", "train_loss", "val_accuracy", "train_accuracy", "rate"):
        mine, other = ([row[name] for row in run.metrics() if row["phase"] == "tuning"] for run in (two, one))
        assert mine == pytest.approx(other, rel=0.01)
    # The figures at the end may differ a little more: the engine that is faster at the moment is chosen to check.
    learnt = [load_file(run.path / "model" / "model.safetensors") for run in (two, one)]
    assert learnt[0].keys() == learnt[1].keys()
    assert all(np.allclose(learnt[0][name], learnt[1][name], atol=1e-4) for name in learnt[0])
    assert load_model(two).classes == ("heads", "tails")
    assert processes_of(two) == {}
    assert "Warning" not in two.log_text() and "OMP_NUM_THREADS" not in two.log_text()


@pytest.mark.slow
def test_when_one_falls_all_start_again_from_the_last_round_and_none_is_left(coins: Project) -> None:
    recipe = make_recipe("custom", [*TUNED, "augmentation=flip", "epochs=5000", "patience=5000", "devices=2"])
    run = start_training(coins, recipe)
    until(lambda: len(rounds(run)) >= 2)
    before = processes_of(run)
    assert sorted(before.values()) == ["", "0", "1"]
    (second,) = [pid for pid, rank in before.items() if rank == "1"]
    os.kill(second, signal.SIGKILL)
    at = rounds(run)[-1]
    states = set()

    def goes_on() -> bool:
        states.add(Run(run.path).state)
        return rounds(run)[-1] > at + 1

    until(goes_on)
    assert states == {"running"}, "to the page it was alive all the time"
    found = rounds(run)
    assert found == sorted(found), "no round was learnt anew"
    again = processes_of(run)
    assert sorted(again.values()) == ["", "0", "1"]
    assert set(again) & set(before) == {leader(run)}
    os.kill(leader(run), signal.SIGKILL)  # the two must not work on behind its back
    until(lambda: not [pid for pid in processes_of(run) if pid in again], 10)
    until(lambda: Run(run.path).state == "interrupted", 10)
    at = rounds(run)[-1]
    resume_training(run)
    until(lambda: rounds(run)[-1] > at)
    stop_training(run)  # the best so far is kept
    done = wait_for(run)
    assert (done.state, done.has_model) == ("stopped", True), done.log_text()
    assert rounds(run) == sorted(rounds(run))
    until(lambda: not list(run.path.glob("*.ckpt")), 10)  # they go just after the last word
    until(lambda: not processes_of(run), 10)


@pytest.mark.slow
def test_what_is_wrong_with_the_pictures_is_told_once_and_ends_all(coins: Project) -> None:
    for number, path in enumerate((coins.images / "tails").iterdir()):
        path.write_bytes(b"broken %d" % number)
    run = wait_for(start_training(coins, make_recipe("custom", [*TUNED, "devices=2"])))
    until(lambda: not processes_of(run), 30)
    assert run.state == "failed"
    assert "Fewer than two classes" in run.status["error"]["title"]
    again = Run(run.path)
    assert (again.state, again.status["error"]) == ("failed", run.status["error"]), "no later attempt said otherwise"
    assert again.log_text().count("Fewer than two classes") == 2, "once by each of the two"
