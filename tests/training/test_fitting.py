"""From features to the head that is kept: the best round, patience, a stop, weights for rare classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imgtag.core import storage
from imgtag.training import head
from imgtag.training.fitting import Fitted, class_weights, fit_exactly, mixed, refit
from imgtag.training.looking import Rows
from imgtag.training.progress import Watch
from imgtag.training.recipes import Recipe
from imgtag.training.runs import ManifestRow


def rows(seed: int, counts: tuple[int, ...] = (20, 20), apart: float = 1.0, views: int = 1) -> Rows:
    """Two clouds in 6 dimensions; further views are the first with a little noise."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = apart * np.eye(len(counts), 6)
    first = centres[labels] + random.normal(size=(len(labels), 6))
    seen = [first, *(first + 0.1 * random.normal(size=first.shape) for _ in range(views - 1))]
    manifest = [ManifestRow(f"{n}.png", f"{seed}-{n}", str(label), "train") for n, label in enumerate(labels)]
    return Rows(tuple(v.astype(np.float16) for v in seen), labels, manifest)


def fit(folder: Path, train: Rows, val: Rows, *, stopped: bool = False, **recipe: object) -> Fitted:
    settings = {"strength": 0.01, **recipe}
    return fit_exactly(Recipe(**settings), train, val, 2, Watch(folder), stopped=stopped)  # type: ignore[arg-type]


def curve(folder: Path) -> list[dict[str, float]]:
    return storage.read_json_lines(folder / "metrics.jsonl")


EMPTY = rows(0, (0, 0))


def test_the_round_of_the_lowest_validation_loss_is_kept(tmp_path: Path) -> None:
    """Much noise and hardly any penalty: the later rounds learn the noise."""
    train, val = rows(1, apart=0.5), rows(2, apart=0.5)
    found = fit(tmp_path, train, val, strength=1e-6)
    losses = [line["val_loss"] for line in curve(tmp_path)]
    assert found.epoch == int(np.argmin(losses)) + 1 < len(losses)
    assert head.mean_loss(val.probabilities(found.head), val.labels) == pytest.approx(min(losses), abs=1e-5)
    assert (found.strength, found.stopped) == (1e-6, False)


def test_patience_ends_it_that_many_rounds_after_the_best(tmp_path: Path) -> None:
    found = fit(tmp_path, rows(1, apart=0.5), rows(2, apart=0.5), strength=1e-6, patience=3)
    assert len(curve(tmp_path)) == found.epoch + 3
    assert not found.stopped


def test_the_rounds_of_a_network_are_not_those_of_its_first_head(tmp_path: Path) -> None:
    """Eight rounds are many for a network and far too few for a head."""
    fit(tmp_path, rows(1), rows(2), strength=1e-3)
    whole = len(curve(tmp_path))
    storage.remove_file(tmp_path / "metrics.jsonl")
    fit(tmp_path, rows(1), rows(2), strength=1e-3, layers="partly", epochs=3, patience=1)
    assert len(curve(tmp_path)) == whole > 3


def test_a_refit_learns_from_the_validation_pictures_with_the_same_settings(tmp_path: Path) -> None:
    train, val, test = rows(1, (6, 6), apart=0.7), rows(2, (200, 200), apart=0.7), rows(3, (500, 500), apart=0.7)
    found = fit(tmp_path, train, val)
    again = refit(Recipe(), train, val, 2, found, Watch(tmp_path), 0)
    assert (again.epoch, again.strength, again.stopped) == (found.epoch, found.strength, False)
    losses = [head.mean_loss(test.probabilities(one.head), test.labels) for one in (found, again)]
    assert losses[1] < losses[0] - 0.02


def test_a_refit_that_is_stopped_leaves_the_head_as_it_was(tmp_path: Path) -> None:
    found = fit(tmp_path, rows(1), rows(2))
    (tmp_path / "stop").touch()
    again = refit(Recipe(), rows(1), rows(2), 2, found, Watch(tmp_path), 0)
    assert again.stopped and again.layers is found.layers


def test_without_validation_pictures_the_training_loss_decides(tmp_path: Path) -> None:
    found = fit(tmp_path, rows(1), EMPTY)
    losses = [line["train_loss"] for line in curve(tmp_path)]
    assert found.epoch == int(np.argmin(losses)) + 1
    assert "val_loss" not in curve(tmp_path)[0]


def test_a_stop_keeps_the_best_round_so_far(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    found = fit(tmp_path, rows(1), rows(2))
    assert (found.epoch, found.stopped, len(curve(tmp_path))) == (1, True, 1)
    assert np.abs(found.layers[0][0]).max() > 0


def test_after_a_stop_the_other_networks_still_get_a_whole_head(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    found = fit(tmp_path, rows(1), rows(2), stopped=True, strength=None)
    assert found.stopped and found.epoch > 1
    assert {line["phase"] for line in curve(tmp_path)} == {"fitting"}, "no search for the strength"


def test_several_networks_have_curves_of_their_own(tmp_path: Path) -> None:
    fit_exactly(Recipe(strength=0.1), rows(1), rows(2), 2, Watch(tmp_path), number=1)
    assert {line["phase"] for line in curve(tmp_path)} == {"fitting 1"}


def test_all_views_are_learnt(tmp_path: Path) -> None:
    """The same head as from all views written below each other."""
    two = rows(1, views=2)
    below = Rows((two.learnt_features,), two.learnt_labels, [*two.manifest, *two.manifest])
    first, second = fit(tmp_path / "a", two, EMPTY), fit(tmp_path / "b", below, EMPTY)
    assert np.array_equal(first.head.layers[0][0], second.head.layers[0][0])
    assert len(two.learnt_labels) == 2 * len(two) == 80


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_a_balanced_head_believes_in_the_rare_class(tmp_path: Path, balance: str) -> None:
    """Features that tell nothing: 40 against 4 pictures are believed 10 to 1, balanced 1 to 1."""
    train = Rows((np.zeros((44, 6), np.float16),), np.repeat([0, 1], [40, 4]), rows(1, (40, 4)).manifest)
    usual = fit(tmp_path / "a", train, EMPTY).head.probabilities(np.zeros((1, 6), np.float16))
    balanced = fit(tmp_path / "b", train, EMPTY, balance=balance).head.probabilities(np.zeros((1, 6), np.float16))
    assert usual[0] == pytest.approx([10 / 11, 1 / 11], abs=0.02)
    assert balanced[0] == pytest.approx([0.5, 0.5], abs=0.02)


def test_weights_of_rows_make_all_classes_count_the_same() -> None:
    weights = class_weights(np.array([0, 0, 0, 2]), 3)
    assert weights.dtype == np.float32
    assert weights == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    assert weights.mean() == pytest.approx(1)


def test_answers_are_mixed_by_their_shares() -> None:
    parts = [np.array([[1.0, 0.0]], np.float32), np.array([[0.2, 0.8]], np.float32)]
    found = mixed(parts, [0.75, 0.25])
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[0.8, 0.2]]))
    with pytest.raises(ValueError, match="shorter"):
        mixed(parts, [1.0])
