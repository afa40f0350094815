"""How far a figure from some pictures can be trusted for others."""

from __future__ import annotations

import math


def wilson_interval(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of a share, 0 to 1 (Wilson 1927); sensible also for few pictures and 100 %."""
    if not n:
        return 0.0, 1.0
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_interval(gained: int, lost: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of the difference of two shares of the same n, -1 to 1 (Agresti & Min 2005).

    gained, lost: those of the n that only the second, or only the first one has.
    """
    gained_more, lost_more, more = gained + 0.5, lost + 0.5, n + 2
    difference = (gained_more - lost_more) / more
    half = z * math.sqrt(gained_more + lost_more - (gained_more - lost_more) ** 2 / more) / more
    return max(-1.0, difference - half), min(1.0, difference + half)


def mcnemar(gained: int, lost: int) -> float:
    """Probability that a difference at least this large comes about by chance, 0 to 1 (McNemar 1947, exact)."""
    of = gained + lost
    tail = sum(math.comb(of, k) for k in range(min(gained, lost) + 1))
    return min(1.0, float(2 * tail / 2**of))
