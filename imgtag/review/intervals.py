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
