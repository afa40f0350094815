"""Does it help to look several times? A run's held-out pictures asked plainly and with test-time augmentation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from imgtag.data.dataset import look
from imgtag.review.intervals import mcnemar
from imgtag.serving.predictor import load_predictor
from imgtag.serving.views import Way
from imgtag.training.runs import Run

WAYS: tuple[Way, ...] = ("plain", "fixed", "random")
_BATCH = 32


@dataclass(frozen=True)
class Asked:
    """One way of asking. right: how many of n; by_class: (right, n) by class; fixed, newly_wrong: against the plain
    way; chance: that pure chance makes such a difference (McNemar); seconds: for all pictures."""

    way: Way
    right: int
    n: int
    by_class: dict[str, tuple[int, int]]
    fixed: int
    newly_wrong: int
    chance: float
    seconds: float


def compare_ways(
    run: Run, split: str, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Asked]:
    """Ask about all pictures of a split ("val" or "test") that are still there, in every way; empty where none is.

    on_progress(done, total) may raise to stop. Raises BadModel.
    """
    there = look(run.project).by_id
    rows = [row for row in run.manifest() if row.split == split and row.sha256 in there]
    if not rows:
        return []
    predictor = load_predictor(run)
    found: list[Asked] = []
    plain: list[bool] = []
    for number, way in enumerate(WAYS):
        began = time.monotonic()
        right = []
        for start in range(0, len(rows), _BATCH):
            on_progress(number * len(rows) + start, len(WAYS) * len(rows))
            part = rows[start : start + _BATCH]
            answers = predictor.classify([(r.path, there[r.sha256].path) for r in part], top=1, way=way)
            right += [bool(a.tags) and a.tags[0].label == r.label for a, r in zip(answers, part, strict=True)]
        seconds = time.monotonic() - began
        plain = plain or right
        fixed = sum(now and not before for now, before in zip(right, plain, strict=True))
        wrong = sum(before and not now for now, before in zip(right, plain, strict=True))
        by_class = {
            name: (
                sum(r for r, row in zip(right, rows, strict=True) if row.label == name),
                sum(row.label == name for row in rows),
            )
            for name in run.classes
        }
        found.append(Asked(way, sum(right), len(rows), by_class, fixed, wrong, mcnemar(fixed, wrong), seconds))
    return found
