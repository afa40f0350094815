"""L-BFGS finds what scipy finds, in float32, with every step going down."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize

from imgtag.training.lbfgs import minimise


def quadratic(seed: int = 0, size: int = 12) -> tuple:
    random = np.random.default_rng(seed)
    root = random.normal(size=(size, size))
    matrix = root @ root.T + np.eye(size)
    target = random.normal(size=size)

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        gap = point.astype(np.float64) - target
        return float(0.5 * gap @ matrix @ gap) + 1.0, (matrix @ gap).astype(np.float32)

    return objective, target


def soft_logistic(seed: int = 3) -> tuple:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(60, 5))
    signs = np.where(rows[:, 0] + 0.5 * random.normal(size=60) > 0, 1.0, -1.0)

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        at = point.astype(np.float64)
        margins = signs * (rows @ at)
        value = np.logaddexp(0, -margins).mean() + 0.05 * at @ at
        slope = -(signs / (1 + np.exp(margins))) @ rows / len(rows) + 0.1 * at
        return float(value), slope

    return objective, rows.shape[1]


def test_the_minimum_of_a_bowl_is_found() -> None:
    objective, target = quadratic()
    found = minimise(objective, np.zeros(12, np.float32), passes=200, tolerance=1e-9)
    assert found.dtype == np.float32
    assert np.abs(found - target).max() < 2e-3


def test_it_agrees_with_scipy_on_a_logistic_problem() -> None:
    objective, width = soft_logistic()
    theirs = scipy_minimize(lambda x: objective(x), np.zeros(width), jac=True, method="L-BFGS-B", tol=1e-12)
    ours = minimise(
        lambda x: (objective(x)[0], objective(x)[1].astype(np.float32)),
        np.zeros(width, np.float32),
        passes=200,
        tolerance=1e-9,
    )
    assert theirs.success
    assert objective(ours)[0] == pytest.approx(theirs.fun, abs=1e-6)
    assert np.abs(ours - theirs.x).max() < 5e-3


def test_every_step_goes_down_and_is_reported_once() -> None:
    objective, _ = quadratic(seed=1)
    points: list[np.ndarray] = []
    last = minimise(objective, np.zeros(12, np.float32), passes=25, after=lambda p: points.append(p.copy()))
    values = [objective(np.zeros(12, np.float32))[0], *(objective(p)[0] for p in points)]
    assert len(points) > 3
    assert all(later < earlier for earlier, later in pairwise(values))
    assert np.array_equal(points[-1], last)


def test_it_ends_after_the_asked_number_of_steps() -> None:
    objective, _ = quadratic()
    seen: list[np.ndarray] = []
    minimise(objective, np.zeros(12, np.float32), passes=3, tolerance=0.0, after=seen.append)
    assert len(seen) == 3


def test_at_the_minimum_it_does_not_move() -> None:
    objective, target = quadratic()
    begin = target.astype(np.float32)
    seen: list[np.ndarray] = []
    found = minimise(objective, begin, passes=50, after=seen.append)
    assert np.abs(found - begin).max() < 1e-4
    assert len(seen) <= 2


def test_the_starting_point_is_left_alone() -> None:
    objective, _ = quadratic()
    begin = np.ones(12, np.float32)
    minimise(objective, begin, passes=10)
    assert np.array_equal(begin, np.ones(12, np.float32))
