"""Intervals against published values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from imgtag.review.intervals import mcnemar, paired_interval, wilson_interval


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (Wilson without continuity correction)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_has_the_published_values(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=6e-5)


def test_wilsons_interval_is_mirrored_and_never_leaves_nought_to_one() -> None:
    for n in (1, 5, 40):
        for right in range(n + 1):
            low, high = wilson_interval(right, n)
            assert 0 <= low <= right / n + 1e-12
            assert right / n - 1e-12 <= high <= 1
            assert wilson_interval(n - right, n) == pytest.approx((1 - high, 1 - low))
    assert wilson_interval(6, 6)[0] < 0.7, "six of six is no proof of perfection"
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_mcnemar_agrees_with_the_binomial_test() -> None:
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(8, 1) == pytest.approx(0.0390625)  # 2 * (1 + 9) / 2**9
    assert mcnemar(1, 8) == mcnemar(8, 1)
    for gained, lost in ((59, 6), (12, 7), (150, 86), (3, 0)):
        assert mcnemar(gained, lost) == pytest.approx(binomtest(lost, gained + lost, 0.5).pvalue)


def test_the_interval_of_a_paired_difference_covers_the_truth_as_often_as_it_says() -> None:
    """Simulated: of 100 pictures, each is gained with 12 % and lost with 5 %; the true difference is 7 points."""
    rng = np.random.default_rng(0)
    draws = rng.multinomial(100, [0.12, 0.05, 0.83], size=4000)
    inside = [low <= 0.07 <= high for low, high in (paired_interval(int(g), int(s), 100) for g, s, _ in draws)]
    assert 0.93 < np.mean(inside) < 0.98
    assert paired_interval(0, 0, 10)[0] < 0 < paired_interval(0, 0, 10)[1]
    assert paired_interval(5, 2, 50) == pytest.approx(tuple(-v for v in reversed(paired_interval(2, 5, 50))))
