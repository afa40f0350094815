"""Fine-tuning of the real network on toy pictures: the same twice, resumed to the bit, plain words when it breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imgtag.core.errors import DiskFull, ImgtagError
from imgtag.data.projects import Project
from imgtag.training.backbones import at_size, backbone
from imgtag.training.fitting import Fitted
from imgtag.training.head import Scaler
from imgtag.training.looking import Rows
from imgtag.training.networks import build, depth_groups
from imgtag.training.progress import Watch
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run, create_run
from imgtag.training.tuning.trainer import Learnt, learn_head, tune_network
from imgtag.training.weights import pretrained_weights
from tests.prepared import toss_coins

ROW = at_size(backbone("efficientnet_lite0"), 32)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Pictures of 32 pixels are too small to be shared out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def coins(project: Project) -> Project:
    return toss_coins(project)


def a_run(project: Project, *changes: str) -> Run:
    common = ["layers=partly", "picture_size=32", "epochs=2", "batch_size=8", "learning_rate=1e-4", "devices=cpu"]
    return create_run(project, make_recipe("custom", [*common, *changes]))


def rows(run: Run, split: str) -> Rows:
    chosen = [m for m in run.manifest() if m.split == split]
    labels = np.array([run.classes.index(m.label) for m in chosen], dtype=np.int64)
    noise = np.random.default_rng(len(split)).standard_normal((len(chosen), ROW.dimensions))
    return Rows((noise.astype(np.float16),), labels, chosen)


def blank_head(classes: int = 2) -> Fitted:
    """A head that knows nothing yet."""
    scaler = Scaler(np.zeros(ROW.dimensions, np.float32), np.full(ROW.dimensions, 0.3, np.float32))
    layer = np.zeros((classes, ROW.dimensions), np.float32), np.zeros(classes, np.float32)
    return Fitted(scaler, (layer,), 1, 0.1, False)


def tune(run: Run, watch: Watch | None = None) -> Learnt:
    return tune_network(run, watch or Watch(run.path), ROW, rows(run, "train"), rows(run, "val"), blank_head())


def rounds(run: Run) -> list[dict[str, Any]]:
    return [row for row in run.metrics() if row["phase"] == "tuning"]


def same(a: Learnt, b: Learnt) -> bool:
    """Whether head and network are the same to the last bit."""
    assert a.weights is not None and b.weights is not None
    heads = zip(a.fitted.layers[0], b.fitted.layers[0], strict=True)
    return all(np.array_equal(x, y) for x, y in heads) and all(
        np.array_equal(value, b.weights[name]) for name, value in a.weights.items()
    )


class Falls(Watch):
    """A trainer that falls after so many batches, as if the power were cut."""

    def __init__(self, folder: Path, batches: int) -> None:
        super().__init__(folder)
        self.left = batches

    def check_stop(self) -> None:
        self.left -= 1
        if not self.left:
            raise RuntimeError("the power was cut")


# ----------------------------------------------------------------------------- the same again


def test_the_same_seed_gives_the_same_network_with_all_that_is_random(coins: Project) -> None:
    random = ("augmentation=crop,flip,colour", "mixup=0.3", "dropout=0.3", "balance=sampling")
    runs = [a_run(coins, *random), a_run(coins, *random), a_run(coins, *random, "seed=1")]
    first, again, other = map(tune, runs)
    assert same(first, again)
    assert not same(first, other)
    curves = [[(row["train_loss"], row["val_loss"]) for row in rounds(run)] for run in runs]
    assert curves[0] == curves[1] != curves[2]
    assert len(curves[0]) == 2


def test_a_run_that_fell_goes_on_from_its_last_round_and_ends_the_same(coins: Project) -> None:
    random = ("epochs=3", "augmentation=crop", "mixup=0.3", "dropout=0.3")
    whole, fallen = a_run(coins, *random), a_run(coins, *random)
    expected = tune(whole)
    batches = -(-len(rows(fallen, "train")) // 8)
    checks = -(-len(rows(fallen, "val")) // 16)
    with pytest.raises(RuntimeError, match="power"):
        tune(fallen, Falls(fallen.path, 2 * batches + checks + 1))  # inside the second round, after its first step
    assert [row["epoch"] for row in rounds(fallen)] == [1]
    assert (fallen.path / "resume.ckpt").is_file()
    resumed = tune(fallen)
    assert [row["epoch"] for row in rounds(fallen)] == [1, 2, 3]
    assert [row["val_loss"] for row in rounds(fallen)] == [row["val_loss"] for row in rounds(whole)]
    assert [row["rate"] for row in rounds(fallen)] == [row["rate"] for row in rounds(whole)]
    assert same(resumed, expected)
    assert resumed.fitted.epoch == expected.fitted.epoch
    again = tune(fallen)  # all rounds are done: the result is read from the checkpoint
    assert same(again, expected)
    assert again.fitted.epoch == expected.fitted.epoch
    assert len(rounds(fallen)) == 3


# ----------------------------------------------------------------------------- what changes


@pytest.mark.parametrize("layers", ["frozen", "partly", "all"])
def test_only_the_chosen_layers_of_the_real_network_change(coins: Project, layers: str) -> None:
    learnt = tune(a_run(coins, f"layers={layers}", "augmentation=flip", "epochs=1"))
    assert np.abs(learnt.fitted.layers[0][0]).max() > 0
    if layers == "frozen":
        assert learnt.weights is None
        return
    before = pretrained_weights(ROW)
    assert learnt.weights is not None
    moved = {n for n, value in learnt.weights.items() if not np.array_equal(value, before[n].numpy())}
    groups = depth_groups(build(ROW, None))
    first = 0 if layers == "all" else (len(groups) + 1) // 2
    names = [[name.removeprefix("net.") for name in group] for group in groups]
    assert not moved & {name for group in names[:first] for name in group}
    assert all(moved & set(group) for group in names[first:])
    assert not {name for name in moved if "running" in name}, "the normalisation stays as it was measured"


def test_the_best_round_is_kept_and_not_the_last(coins: Project) -> None:
    run = a_run(coins, "epochs=4", "patience=4", "learning_rate=1e-3", "schedule=constant")
    learnt = tune(run)
    found = [row["val_loss"] for row in rounds(run)]
    assert learnt.fitted.epoch == 1 + int(np.argmin(found))


def test_a_stop_keeps_the_best_so_far_of_what_it_cut_short(coins: Project) -> None:
    run = a_run(coins, "epochs=50", "patience=50")

    class StopsLater(Watch):
        def measured(self, phase: str, **values: float | int | str | None) -> None:
            super().measured(phase, **values)
            if phase == "tuning" and values["epoch"] == 2:
                (self.folder / "stop").touch()

    learnt = tune(run, StopsLater(run.path))
    assert learnt.fitted.stopped
    found = [row["val_loss"] for row in rounds(run)]
    assert len(found) == 3, "what the third round learnt in its one step is checked too"
    assert learnt.fitted.epoch == 1 + int(np.argmin(found))
    assert learnt.weights is not None


def test_without_validation_pictures_the_training_loss_decides(coins: Project) -> None:
    run = a_run(coins)
    nothing = Rows((np.zeros((0, ROW.dimensions), np.float16),), np.zeros(0, np.int64), [])
    learnt = tune_network(run, Watch(run.path), ROW, rows(run, "train"), nothing, blank_head())
    assert [set(row) & {"train_loss", "val_loss"} for row in rounds(run)] == [{"train_loss"}] * 2
    assert learnt.fitted.epoch in (1, 2)


# ----------------------------------------------------------------------------- when it cannot be


def test_a_loss_that_is_no_number_is_told_in_plain_words(coins: Project) -> None:
    run = a_run(coins, "layers=all", "optimizer=sgd", "learning_rate=10", "epochs=3")
    huge = np.full((2, ROW.dimensions), 3e38, np.float32), np.zeros(2, np.float32)
    run_away = replace(blank_head(), layers=(huge,))
    with pytest.raises(ImgtagError) as refused:
        tune_network(run, Watch(run.path), ROW, rows(run, "train"), rows(run, "val"), run_away)
    assert "no number" in refused.value.title
    assert "step size" in refused.value.explanation
    assert not list(run.path.glob("*.ckpt")), "there is nothing to go on from"
    for line in (run.path / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_full_disk_says_so_and_the_last_round_stays(coins: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(coins, "epochs=3")

    class Fills(Watch):
        def measured(self, phase: str, **values: float | int | str | None) -> None:
            super().measured(phase, **values)
            if phase == "tuning" and values["epoch"] == 2:
                monkeypatch.setenv("IMGTAG_SPARE_DISK_MB", str(10**9))  # as if others had filled the disk

    with pytest.raises(DiskFull) as full:
        tune(run, Fills(run.path))
    assert "MB are needed" in full.value.explanation
    assert not list(run.path.glob(".*.part"))
    monkeypatch.delenv("IMGTAG_SPARE_DISK_MB")
    learnt = tune(run)
    assert [row["epoch"] for row in rounds(run)] == [1, 2, 2, 3]
    assert same(learnt, tune(a_run(coins, "epochs=3")))


def test_a_budget_too_small_for_one_round_leaves_the_network_alone(coins: Project) -> None:
    run = a_run(coins, "minutes=0.1")
    watch = Watch(run.path)
    watch.began -= 5.999  # the looking took nearly all of it
    learnt = tune(run, watch)
    assert (learnt.weights, learnt.fitted.epoch) == (None, 0)
    assert "did not allow" in learnt.note
    assert rounds(run) == []


def test_the_learning_ends_when_the_budget_is_spent(coins: Project) -> None:
    run = a_run(coins, "minutes=5", "epochs=50", "patience=50")

    class Slow(Watch):
        def measured(self, phase: str, **values: float | int | str | None) -> None:
            super().measured(phase, **values)
            if phase == "tuning":
                self.began -= 120  # a round seems to take two minutes

    learnt = tune(run, Slow(run.path))
    assert len(rounds(run)) == 4, "the third one ends it, and what it learnt of a fourth is checked"
    assert not learnt.fitted.stopped


# ----------------------------------------------------------------------------- the step size


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_finder_draws_its_curve_and_chooses_from_it(coins: Project, batch_size: int) -> None:
    run = a_run(coins, "layers=frozen", "augmentation=flip", "find_rate=yes", "epochs=1", f"batch_size={batch_size}")
    watch = Watch(run.path)
    tune(run, watch)
    curve = [(row["rate"], row["loss"]) for row in run.metrics() if row["phase"] == "finding"]
    rates = [rate for rate, _ in curve]
    assert len(curve) >= 20 and rates == sorted(rates)
    plan = json.loads((run.path / "plan tuning.json").read_text())
    assert plan["rate"] == watch.facts["found_rate"]
    assert min(rates) <= plan["rate"] <= max(rates)
    assert rounds(run)
    left = {path.name for path in run.path.iterdir() if path.suffix == ".ckpt" or path.is_dir()}
    assert left <= {"best.ckpt", "resume.ckpt", "tb"}
    resumed = Watch(run.path)
    tune(run, resumed)
    assert resumed.facts["found_rate"] == plan["rate"], "a resumed run knows what was found"


# ----------------------------------------------------------------------------- heads


def told_apart(run: Run, split: str) -> Rows:
    """Features that say the class in their first column."""
    plain = rows(run, split)
    views = plain.views[0].copy()
    views[:, 0] = 4.0 * plain.labels - 2
    return replace(plain, views=(views,))


@pytest.mark.parametrize(
    "changes", [("hidden=16", "dropout=0.2"), ("optimizer=sgd",), ("hidden=16,8", "balance=weights")]
)
def test_a_head_is_learnt_step_by_step(coins: Project, changes: Sequence[str]) -> None:
    run = a_run(coins, "layers=frozen", "epochs=30", "patience=30", "learning_rate=auto", *changes)
    train = told_apart(run, "train")
    learnt = learn_head(run, Watch(run.path), train, told_apart(run, "val"))
    assert learnt.weights is None
    assert len(learnt.fitted.layers) == len(run.recipe.hidden) + 1
    chances = train.probabilities(learnt.fitted.head)
    assert (chances.argmax(1) == train.labels).mean() == 1
    assert [row["epoch"] for row in run.metrics() if row["phase"] == "learning"][-1] <= 30
    assert not list(run.path.glob("*.ckpt"))


def test_a_head_that_is_learnt_again_leaves_the_checkpoints_of_a_resumed_tuning(coins: Project) -> None:
    run = a_run(coins, "layers=all", "hidden=8", "epochs=2")
    (run.path / "best.ckpt").write_bytes(b"the best round of tuning")
    learn_head(run, Watch(run.path), rows(run, "train"), rows(run, "val"))
    assert (run.path / "best.ckpt").read_bytes() == b"the best round of tuning"
