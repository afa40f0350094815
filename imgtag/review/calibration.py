"""Are the probabilities honest, and what does it cost to answer “unknown” sometimes? From a run's predictions.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgtag.review.metrics import Bin, Prediction, calibration_gap, reliability
from imgtag.training.trust import Refusal, fit_refusal


@dataclass(frozen=True)
class Calibration:
    """How sure answers were and how often they were right, in bins and as the expected calibration error (0 to 1)."""

    before: Sequence[Bin]
    after: Sequence[Bin]
    gap_before: float
    gap_after: float


@dataclass(frozen=True)
class Refused:
    """Which answers would be “unknown”: of the right ones and of the wrong ones."""

    right: Sequence[Prediction]
    of_right: int
    wrong: Sequence[Prediction]
    of_wrong: int


def calibration(predictions: Sequence[Prediction]) -> Calibration | None:
    """Before and after the temperature; None where a run of an earlier version did not write it down."""
    raw = [(p.raw_probability, p.right) for p in predictions if p.raw_probability is not None]
    if not raw or len(raw) < len(predictions):
        return None
    now = [(p.probability, p.right) for p in predictions]
    return Calibration(reliability(raw), reliability(now), calibration_gap(raw), calibration_gap(now))


def limits_for(validation: Sequence[Prediction], cost: float) -> Refusal | None:
    """The limits of “unknown” that refuse this share, 0 to 1, of the right validation answers; None for too few."""
    sure, familiarity = _numbers(validation)
    return fit_refusal(sure, familiarity, np.array([p.right for p in validation], bool), cost)


def refused(predictions: Sequence[Prediction], limits: Refusal) -> Refused:
    """What these limits would refuse."""
    sure, familiarity = _numbers(predictions)
    unknown = limits.refuses(sure, familiarity).tolist()
    pairs = list(zip(predictions, unknown, strict=True))
    return Refused(
        right=[p for p, no in pairs if no and p.right],
        of_right=sum(p.right for p in predictions),
        wrong=[p for p, no in pairs if no and not p.right],
        of_wrong=sum(not p.right for p in predictions),
    )


def _numbers(predictions: Sequence[Prediction]) -> tuple[np.ndarray, np.ndarray | None]:
    sure = np.array([p.probability for p in predictions])
    known = [p.familiarity for p in predictions if p.familiarity is not None]
    return sure, np.array(known) if known and len(known) == len(predictions) else None
