"""Two trainings side by side, picture by picture: what the second one fixed, and what it got newly wrong."""

from __future__ import annotations

from dataclasses import dataclass

from imgtag.review.intervals import mcnemar, paired_interval
from imgtag.review.metrics import Prediction, read_predictions
from imgtag.training.runs import Run


@dataclass(frozen=True)
class Comparison:
    """What two runs said about the pictures that neither has learnt from, judged by the labels of the second.

    relabelled: how many of these have another label by now. fixed, newly_wrong: the second run's predictions. gain:
    difference of the accuracies on these pictures, with its 95 % interval; chance: the probability that pure chance
    makes such a difference (McNemar).
    """

    pictures: int
    relabelled: int
    right_before: int
    right_after: int
    fixed: tuple[Prediction, ...]
    newly_wrong: tuple[Prediction, ...]
    gain: float
    interval: tuple[float, float]
    chance: float


def compare_runs(before: Run, after: Run, split: str) -> Comparison | None:
    """Compare on the pictures that stand in this split ("val" or "test") of both; None where there are none."""
    old = {p.sha256: p for p in read_predictions(before) if p.split == split}
    pairs = [(old[p.sha256], p) for p in read_predictions(after) if p.split == split and p.sha256 in old]
    if not pairs:
        return None
    was_right = {new.sha256: then.predicted == new.label for then, new in pairs}
    fixed = [new for _, new in pairs if new.right and not was_right[new.sha256]]
    newly_wrong = [new for _, new in pairs if not new.right and was_right[new.sha256]]
    return Comparison(
        pictures=len(pairs),
        relabelled=sum(then.label != new.label for then, new in pairs),
        right_before=sum(was_right.values()),
        right_after=sum(new.right for _, new in pairs),
        fixed=tuple(sorted(fixed, key=lambda p: -p.probability)),
        newly_wrong=tuple(sorted(newly_wrong, key=lambda p: -p.probability)),
        gain=(len(fixed) - len(newly_wrong)) / len(pairs),
        interval=paired_interval(len(fixed), len(newly_wrong), len(pairs)),
        chance=mcnemar(len(fixed), len(newly_wrong)),
    )
