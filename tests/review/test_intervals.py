"""Intervals against published values."""

from __future__ import annotations

import pytest

from imgtag.review.intervals import wilson_interval


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
