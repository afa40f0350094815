"""Our L-BFGS, in the span of the pictures and without it, against scipy's L-BFGS-B and scikit-learn, side by side.

    python bench/head.py

Random features of the size of real ones; the median of three fits each, and the loss that was reached.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from imgtag.training import head
from imgtag.training.lbfgs import minimise
from imgtag.training.logistic import Span

SIZES = ((500, 10), (1100, 102), (5000, 102))
WIDTH, STRENGTH, PASSES = 2064, 0.01, 60


def main() -> None:
    print(f"{'rows x classes':18}{'ours in the span':>18}{'ours':>18}{'scipy L-BFGS-B':>18}{'scikit-learn':>18}")
    for rows, classes in SIZES:
        random = np.random.default_rng(0)
        labels = np.arange(rows) % classes
        centres = random.normal(size=(classes, WIDTH))
        features = (random.normal(size=(rows, WIDTH)) + 0.3 * centres[labels]).astype(np.float32)
        cells = [timed(way, features, labels, classes) for way in (within, ours, scipys, sklearns)]
        print(
            f"{f'{rows} x {classes}':18}" + "".join(f"{f'{s:.2f} s ({loss:.4f})':>18}" for s, loss in cells), flush=True
        )


def timed(way: Callable[..., float], features: np.ndarray, labels: np.ndarray, classes: int) -> tuple[float, float]:
    seconds, loss = [], 0.0
    for _ in range(3):
        began = time.perf_counter()
        loss = way(features, labels, classes)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), loss


def objective_of(
    features: np.ndarray, labels: np.ndarray, classes: int
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """The same function for all: mean cross-entropy + STRENGTH / 2 * sum(weight²), without a bias."""
    target = np.eye(classes, dtype=np.float32)[labels]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(classes, features.shape[1]).astype(np.float32)
        chances = head.softmax(features @ weight.T)
        slope = ((chances - target) / len(labels)).T @ features + np.float32(STRENGTH) * weight
        return head.mean_loss(chances, labels) + 0.5 * STRENGTH * float((weight**2).sum()), slope.ravel()

    return objective


def ours(features: np.ndarray, labels: np.ndarray, classes: int) -> float:
    objective = objective_of(features, labels, classes)
    start = np.zeros(classes * features.shape[1], np.float32)
    return objective(minimise(objective, start, passes=PASSES, tolerance=1e-6))[0]


def within(features: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """The same loss in fewer coordinates, where there are fewer pictures than features."""
    return ours(Span.of(features).rows, labels, classes)


def scipys(features: np.ndarray, labels: np.ndarray, classes: int) -> float:
    objective = objective_of(features, labels, classes)
    found = minimize(
        lambda flat: (lambda value, slope: (value, slope.astype(np.float64)))(*objective(flat)),
        np.zeros(classes * WIDTH),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": PASSES, "ftol": 1e-6},
    )
    return float(found.fun)


def sklearns(features: np.ndarray, labels: np.ndarray, classes: int) -> float:
    model = LogisticRegression(C=1 / (STRENGTH * len(labels)), max_iter=PASSES, fit_intercept=False, tol=1e-4)
    model.fit(features, labels)
    return objective_of(features, labels, classes)(model.coef_.ravel())[0]


if __name__ == "__main__":
    main()
