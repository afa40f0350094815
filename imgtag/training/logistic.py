"""Fitting a linear head: regularised multinomial logistic regression, exactly and fast.

The loss is convex, so L-BFGS finds the one best head. With fewer pictures than features (the usual case) the best
weights lie in the span of the pictures (the representer theorem; Schölkopf, Herbrich & Smola 2001), so only that
span is searched: exact, and cheaper by the ratio of the two numbers. Rounding the valley by a Cholesky factor of
the Hessian's bound (Böhning 1992) was tried as well: as many steps, each dearer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imgtag.training.head import Parameters, Scaler, mean_loss, softmax
from imgtag.training.lbfgs import minimise

STRENGTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
_FOLDS = 3
CHOICE_FITS = _FOLDS * len(STRENGTHS)
CHOICE_PASSES = 12  # of a usual fit among them: each begins where the last one ended
USUAL_PASSES = 45  # of a fit from nothing
CHOICE_ROWS = 3000  # more rows than this do not change which strength wins
_CHOICE_TOLERANCE = 1e-4  # of the loss: far below the differences between strengths
_JITTER = 1e-9  # relative; pictures that are alike make the factor singular


@dataclass(frozen=True)
class Span:
    """Standardised features in coordinates of their own span: along the rows of factor⁻¹ @ wide.

    rows: float32 (N, R) with R = min(N, D). wide: the features, float64 (N, D), and factor: float64 (N, N), the
    Cholesky factor of their inner products; both None where R = D and nothing was changed.
    """

    rows: np.ndarray
    wide: np.ndarray | None = None
    factor: np.ndarray | None = None

    @classmethod
    def of(cls, scaled: np.ndarray, columns: float = math.inf) -> Span:
        """The span of standardised features (N, D).

        columns: how many columns they will be multiplied with (classes times passes); for a few, the change of
        coordinates would cost more than it saves.
        """
        count, width = scaled.shape
        if count >= width or 2 * columns * (width - count) < count * width:
            return cls(scaled)
        wide = scaled.astype(np.float64)  # standardised rows sum to zero: in float32 the factor would not exist
        inner = wide @ wide.T
        inner.flat[:: count + 1] += _JITTER * max(1.0, float(np.trace(inner)) / count)
        factor = np.linalg.cholesky(inner)
        return cls(factor.astype(np.float32), wide, factor)

    def into(self, features: np.ndarray) -> np.ndarray:
        """Other standardised features (M, D) in these coordinates, (M, R)."""
        if self.wide is None or self.factor is None:
            return features
        return np.linalg.solve(self.factor, self.wide @ features.T).T.astype(np.float32)

    def out(self, weight: np.ndarray) -> np.ndarray:
        """Weights (K, R) on these coordinates as weights (K, D) on standardised features."""
        if self.wide is None or self.factor is None:
            return weight
        return np.asarray(np.linalg.solve(self.factor.T, weight.T).T @ self.wide, dtype=np.float32)


def fit(
    span: Span,
    labels: np.ndarray,
    classes: int,
    *,
    strength: float,
    passes: int = 100,
    start: Parameters | None = None,
    row_weights: np.ndarray | None = None,
    smoothing: float = 0.0,
    tolerance: float = 1e-6,
    on_pass: Callable[[int, Parameters], None] | None = None,
) -> Parameters:
    """The head, in the span's coordinates (K, R), of labels (N,) in 0..classes-1.

    strength: weight of the penalty, over 0; larger is smoother. row_weights: float32 (N,) with mean 1.
    on_pass(number, parameters) is called after every L-BFGS step and may raise Stopped.
    """
    count, width = span.rows.shape
    target = np.full((count, classes), smoothing / classes, dtype=np.float32)
    target[np.arange(count), labels] += np.float32(1 - smoothing)
    share = np.full((count, 1), 1 / count, np.float32)
    if row_weights is not None:
        share = (row_weights / count).astype(np.float32)[:, None]
    penalty = np.float32(strength)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        at = _unflatten(flat, classes, width)
        chances = softmax(span.rows @ at.weight.T + at.bias)
        residual = (chances - target) * share
        loss = -float((share * target * np.log(np.maximum(chances, 1e-12))).sum())
        value = loss + 0.5 * strength * float((at.weight**2).sum())
        slope = residual.T @ span.rows + penalty * at.weight
        return value, np.concatenate([slope.ravel(), residual.sum(axis=0)])

    done = 0

    def after(flat: np.ndarray) -> None:
        nonlocal done
        done += 1
        if on_pass:
            on_pass(done, _unflatten(flat, classes, width))

    begin = np.zeros(classes * (width + 1), dtype=np.float32)
    if start is not None:
        begin = np.concatenate([start.weight.ravel(), start.bias])
    return _unflatten(minimise(objective, begin, passes=passes, tolerance=tolerance, after=after), classes, width)


def choose_strength(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> float:
    """The strength with the lowest loss in grouped, stratified 3-fold cross-validation.

    features (N, D) raw, labels (N,), groups (N,): rows of one group never stand on both sides. With
    fewer than 3 pictures in every class there is nothing to compare and a middle value is taken.
    `check` is called between fits and may raise Stopped.
    """
    if np.bincount(labels, minlength=classes).max() < _FOLDS:
        return 0.1
    keep = np.random.default_rng(seed).permutation(len(labels))[:CHOICE_ROWS]
    features, labels, groups = features[keep], labels[keep], groups[keep]
    losses = np.zeros(len(STRENGTHS))
    fold = grouped_folds(labels, groups, _FOLDS, seed)
    for number in range(_FOLDS):
        train, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        scaler = Scaler.of(features[train])
        span = Span.of(scaler.apply(features[train]), classes * len(STRENGTHS) * CHOICE_PASSES)
        others = span.into(scaler.apply(features[held_out]))
        start: Parameters | None = None
        for i, strength in enumerate(STRENGTHS):  # from smooth to sharp, each starting where the last ended
            check()
            start = fit(
                span, labels[train], classes, strength=strength, passes=40, start=start, tolerance=_CHOICE_TOLERANCE
            )
            chances = softmax(others @ start.weight.T + start.bias)
            losses[i] += mean_loss(chances, labels[held_out]) * len(held_out)
            if i and losses[i] > 1.5 * losses[: i + 1].min():
                losses[i + 1 :] = np.inf
                break
    return STRENGTHS[int(losses.argmin())]


def grouped_folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """The fold (0..folds-1) of every row: rows of one group together, every class spread evenly.

    labels, groups: (N,). Written here because importing scikit-learn takes longer than most trainings.
    """
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(members)
    random = np.random.default_rng(seed)
    of_group = np.zeros(len(first), dtype=np.int64)
    filled = np.zeros((labels.max() + 1, folds))
    for group in random.permutation(len(first)):
        label = labels[first[group]]
        # The fold that has least of this class; among equals, the one that has least of all.
        of_group[group] = min(range(folds), key=lambda f: (filled[label, f], filled[:, f].sum()))
        filled[label, of_group[group]] += sizes[group]
    return np.asarray(of_group[members])


def _unflatten(flat: np.ndarray, classes: int, width: int) -> Parameters:
    return Parameters(flat[: classes * width].reshape(classes, width), flat[classes * width :])
