"""Are there enough pictures? How the accuracy grows with their number, from cached features and without a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imgtag.data.dataset import Picture
from imgtag.data.splits import shot_numbers
from imgtag.training.assistant import fitted_head
from imgtag.training.logistic import choose_strength, grouped_folds

SHARES = (0.25, 0.5, 0.75, 1.0)
_FOLDS = 5
_MOST = 5000


@dataclass(frozen=True)
class Point:
    """Learnt from so many pictures (mean over the folds): the mean accuracy on the others, its lowest and highest."""

    pictures: int
    accuracy: float
    lowest: float
    highest: float


def learning_curve(
    pictures: Sequence[Picture],
    features: Mapping[str, np.ndarray],
    shots: Sequence[Sequence[str]] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    seed: int = 0,
) -> list[Point]:
    """Accuracy of heads that learnt a quarter, half, three quarters and all of the pictures outside of each fold.

    features: float16 (D,) by id. shots: pictures of the same shot, which stand on one side. The same fold is asked at
    every share, and every larger share holds the smaller one. Of more than 5,000 pictures, as many drawn by lot. Empty
    where two classes cannot be learnt.
    """
    known = [p for p in pictures if p.id in features]
    if len(known) > _MOST:
        known = [known[i] for i in np.random.default_rng(seed).permutation(len(known))[:_MOST]]
    classes = sorted({p.label for p in known})
    if len(classes) < 2 or len(known) < 4 * _FOLDS:
        return []
    rows = np.stack([features[p.id] for p in known]).astype(np.float32)
    labels = np.array([classes.index(p.label) for p in known])
    groups = np.array(shot_numbers(known, shots))
    strength = choose_strength(rows, labels, groups, len(classes), seed)
    fold = grouped_folds(labels, groups, _FOLDS, seed)
    found = np.zeros((len(SHARES), _FOLDS, 2))
    for number in range(_FOLDS):
        held_out = np.flatnonzero(fold == number)
        others = _mixed(np.flatnonzero(fold != number), labels, seed + number)
        for at, share in enumerate(SHARES):
            on_progress(number * len(SHARES) + at, _FOLDS * len(SHARES))
            taught = others[: max(len(classes), round(share * len(others)))]
            answers = fitted_head(rows[taught], labels[taught], len(classes), strength).probabilities(rows[held_out])
            found[at, number] = len(taught), (answers.argmax(axis=1) == labels[held_out]).mean()
    return [
        Point(round(part[:, 0].mean()), float(part[:, 1].mean()), float(part[:, 1].min()), float(part[:, 1].max()))
        for part in found
    ]


def gain_of_the_last_doubling(curve: Sequence[Point]) -> float:
    """By how much the accuracy grew, -1 to 1, from half of the pictures to all."""
    return curve[-1].accuracy - curve[SHARES.index(0.5)].accuracy


def _mixed(rows: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """The rows in an order of which every beginning holds the classes in equal shares, as far as there are some."""
    random = np.random.default_rng(seed)
    rows = random.permutation(rows)
    place = np.zeros(len(rows))
    for label in np.unique(labels[rows]):
        of_class = np.flatnonzero(labels[rows] == label)
        place[of_class] = (np.arange(len(of_class)) + random.random()) / len(of_class)
    return rows[np.argsort(place, kind="stable")]
