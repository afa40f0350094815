"""Reliability by hand, and what “unknown” costs and catches."""

from __future__ import annotations

import pytest

from imgtag.review.calibration import calibration, limits_for, refused
from imgtag.review.metrics import Bin, Prediction


def said(probability: float, raw: float | None, right: bool, familiarity: float | None = None) -> Prediction:
    return Prediction("x", "x", "val", "a", "a" if right else "b", probability, 0.1, 0.5, {}, raw, familiarity)


def test_bins_and_gaps_by_hand() -> None:
    found = calibration(
        [said(0.75, 0.98, True), said(0.75, 0.98, True), said(0.75, 0.98, True), said(0.75, 0.98, False)]
    )
    assert found
    assert list(found.before) == [Bin(pytest.approx(0.98), 3, 4)]
    assert list(found.after) == [Bin(0.75, 3, 4)]
    assert found.gap_before == pytest.approx(0.23)
    assert found.gap_after == 0


def test_a_run_of_an_earlier_version_has_no_before() -> None:
    assert calibration([said(0.9, None, True)]) is None
    assert calibration([said(0.9, 0.9, True), said(0.9, None, True)]) is None


def test_unsure_or_unfamiliar_answers_are_refused_at_the_price_that_was_chosen() -> None:
    right = [said(0.5 + n / 250, 0.9, True, 0.3 + n / 250) for n in range(100)]
    wrong = [said(0.4, 0.4, False, 0.6), said(0.99, 0.99, False, -0.2), said(0.99, 0.99, False, 0.7)]
    limits = limits_for([*right, *wrong], 0.1)
    assert limits
    found = refused([*right, *wrong], limits)
    assert found.of_right == 100
    assert 9 <= len(found.right) <= 10
    assert (len(found.wrong), found.of_wrong) == (2, 3)


def test_without_familiarity_the_probability_alone_decides() -> None:
    limits = limits_for([said(0.5 + n / 250, 0.9, True) for n in range(100)], 0.1)
    assert limits
    assert limits.familiarity is None
    assert [len(refused([said(p, p, True)], limits).right) for p in (0.51, 0.9)] == [1, 0]
