"""L-BFGS for smooth convex functions of float32 arrays.

scipy's L-BFGS-B handles bounds we do not have; at 20,000 to 200,000 parameters its own bookkeeping took as
long as the function it minimises (bench/head.py compares both). This is the two-loop recursion
of Nocedal & Wright, Numerical Optimization (2006), algorithm 7.4, with a backtracking line search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]

_MEMORY = 10
_SUFFICIENT_DECREASE = 1e-4
_MOST_HALVINGS = 20


def minimise(
    objective: Objective,
    start: np.ndarray,
    *,
    passes: int,
    tolerance: float = 1e-6,
    after: Callable[[np.ndarray], None] = lambda point: None,
) -> np.ndarray:
    """The point (float32, shape of `start`) where the objective is lowest.

    objective(point) returns its value and its gradient. `after` is called with the point of every step.
    Ends after `passes` steps, or when a step improves the value by less than `tolerance` times the
    value or 1, whichever is larger (scipy's ftol).
    """
    point: np.ndarray = start.astype(np.float32)
    value, gradient = objective(point)
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=_MEMORY)
    for _ in range(passes):
        direction = -_inverse_hessian_times(gradient, pairs)
        slope = float(direction @ gradient)
        if slope > -1e-12:
            break
        step = 1.0 if pairs else min(1.0, 1.0 / float(np.linalg.norm(gradient)))
        for _ in range(_MOST_HALVINGS):
            candidate: np.ndarray = point + np.float32(step) * direction
            new_value, new_gradient = objective(candidate)
            if new_value <= value + _SUFFICIENT_DECREASE * step * slope:
                break
            step /= 2
        else:
            break  # float32 can resolve no further descent
        moved, turned = candidate - point, new_gradient - gradient
        curvature = float(moved @ turned)
        if curvature > 1e-10 * float(turned @ turned):
            pairs.append((moved, turned, curvature))
        improvement = value - new_value
        point, value, gradient = candidate, new_value, new_gradient
        after(point)
        if improvement < tolerance * max(abs(value), 1.0):
            break
    return point


def _inverse_hessian_times(gradient: np.ndarray, pairs: deque[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    result = gradient.copy()
    weights = []
    for moved, turned, curvature in reversed(pairs):
        weight = np.float32(float(moved @ result) / curvature)
        result -= weight * turned
        weights.append(weight)
    if pairs:
        _, turned, curvature = pairs[-1]
        result *= np.float32(curvature / float(turned @ turned))
    for (moved, turned, curvature), weight in zip(pairs, reversed(weights), strict=True):
        result += (weight - np.float32(float(turned @ result) / curvature)) * moved
    return result
