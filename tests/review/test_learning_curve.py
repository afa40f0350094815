"""The learning curve: rises where pictures are missing, is flat where they suffice, asks only what was not learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imgtag.data.dataset import Picture
from imgtag.review.learning_curve import Point, gain_of_the_last_doubling, learning_curve


def cloud(each: int, noise: float, dimensions: int = 60) -> tuple[list[Picture], dict[str, np.ndarray]]:
    """Pictures of three classes, whose features lie around one point for each class."""
    rng = np.random.default_rng(0)
    middles = rng.normal(0, 1, (3, dimensions))
    pictures = [Picture(f"{k}-{n}", Path("x.png"), "abc"[k], 1) for k in range(3) for n in range(each)]
    features = {p.id: (middles[int(p.id[0])] + rng.normal(0, noise, dimensions)).astype(np.float16) for p in pictures}
    return pictures, features


def test_it_rises_where_pictures_are_missing_and_is_flat_where_they_suffice() -> None:
    hard = learning_curve(*cloud(60, 4.0))
    easy = learning_curve(*cloud(60, 0.3))
    assert [p.pictures for p in hard] == [36, 72, 108, 144]
    assert gain_of_the_last_doubling(hard) > 0.02
    assert hard[-1].accuracy > hard[0].accuracy + 0.05
    assert all(p == Point(p.pictures, 1.0, 1.0, 1.0) for p in easy)
    assert all(p.lowest <= p.accuracy <= p.highest for p in hard)


def test_labels_drawn_by_lot_cannot_be_learnt_however_many() -> None:
    pictures, features = cloud(60, 1.0)
    lots = np.random.default_rng(1).choice(["a", "b", "c"], len(pictures))
    curve = learning_curve([Picture(p.id, p.path, str(c), 1) for p, c in zip(pictures, lots, strict=True)], features)
    assert max(p.accuracy for p in curve) < 0.5


def test_twins_stand_on_one_side() -> None:
    """Every picture is there twice with a label by lot: whoever learns one twin knows the other."""
    pictures, features = cloud(20, 1.0)
    lots = dict(zip((p.id for p in pictures), np.random.default_rng(2).choice(["a", "b"], len(pictures)), strict=True))
    twice = [Picture(f"{p.id}{t}", p.path, str(lots[p.id]), 1) for p in pictures for t in ("", "+")]
    seen = {p.id: features[p.id.rstrip("+")] for p in twice}
    assert learning_curve(twice, seen)[-1].accuracy > 0.7
    assert learning_curve(twice, seen, [[p.id, f"{p.id}+"] for p in pictures])[-1].accuracy < 0.7


def test_progress_is_told_and_too_few_pictures_have_no_curve() -> None:
    pictures, features = cloud(20, 1.0)
    steps: list[tuple[int, int]] = []
    learning_curve(pictures, features, on_progress=lambda done, of: steps.append((done, of)))
    assert steps == [(n, 20) for n in range(20)]
    assert learning_curve(pictures[:15], features) == []
    assert learning_curve(pictures[:20], features) == [], "one class"


def test_classes_that_are_one_burst_each_are_held_out_in_pieces() -> None:
    pictures, features = cloud(30, 0.3)
    bursts = [[p.id for p in pictures if p.label == label] for label in "abc"]
    assert learning_curve(pictures, features, bursts)[-1].accuracy > 0.9
