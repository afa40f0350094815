"""The part that is trained: a regularised multinomial logistic regression on frozen features.

minimise  mean cross-entropy + strength / 2 * sum(weight²)   on standardised features, by L-BFGS
(training/lbfgs.py). One L-BFGS step looks at every training picture once: an epoch.
numpy only, so that pages and the command line can fit and apply a head without loading torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from imgtag.training.lbfgs import minimise

STRENGTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
_FOLDS = 3
CHOICE_FITS = _FOLDS * len(STRENGTHS)
_CHOICE_ROWS = 3000  # more rows than this do not change which strength wins


@dataclass(frozen=True)
class Head:
    """A linear layer over raw (not standardised) features.

    weight: float32 (K, D); bias: float32 (K,). K classes in the order of the run's class list.
    """

    weight: np.ndarray
    bias: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (N, K), rows sum to 1, of features (N, D)."""
        return softmax(features.astype(np.float32) @ self.weight.T + self.bias)


@dataclass(frozen=True)
class Scaler:
    """Mean and spread of each feature over the training pictures; both float32 (D,)."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Scaler:
        """Measure features (N, D); a feature that never changes gets spread 1."""
        features = features.astype(np.float32)
        spread = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(spread > 1e-6, spread, 1.0).astype(np.float32))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Standardised features, float32 (N, D)."""
        return np.asarray((features.astype(np.float32) - self.mean) / self.spread)

    def fold_into(self, weight: np.ndarray, bias: np.ndarray) -> Head:
        """The same linear layer, taking raw features."""
        raw = (weight / self.spread).astype(np.float32)
        return Head(raw, (bias - raw @ self.mean).astype(np.float32))


@dataclass(frozen=True)
class Parameters:
    """Weights on standardised features: what L-BFGS moves. weight (K, D), bias (K,), float32."""

    weight: np.ndarray
    bias: np.ndarray


class Stopped(Exception):
    """Raised by a callback to end fitting; what it found so far is the callback's to keep."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise softmax of (N, K), safe for large values."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def mean_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy in nats of probabilities (N, K) for labels (N,); 0 is perfect."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, 1e-12)).mean())


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest probability is at the label, 0 to 1."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def fit(
    scaled: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    strength: float,
    passes: int = 100,
    start: Parameters | None = None,
    on_pass: Callable[[int, Parameters], None] | None = None,
) -> Parameters:
    """Fit on standardised features (N, D), labels (N,) in 0..classes-1.

    strength: weight of the penalty, over 0; larger is smoother. on_pass(number, parameters) is called
    after every L-BFGS step and may raise Stopped.
    """
    rows, width = scaled.shape
    target = np.zeros((rows, classes), dtype=np.float32)
    target[np.arange(rows), labels] = 1.0

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        at = _unflatten(flat, classes, width)
        chances = softmax(scaled @ at.weight.T + at.bias)
        residual = (chances - target) / np.float32(rows)
        slope = residual.T @ scaled + np.float32(strength) * at.weight
        value = mean_loss(chances, labels) + 0.5 * strength * float((at.weight**2).sum())
        return value, np.concatenate([slope.ravel(), residual.sum(axis=0)])

    done = 0

    def after(flat: np.ndarray) -> None:
        nonlocal done
        done += 1
        if on_pass:
            on_pass(done, _unflatten(flat, classes, width))

    if start is None:
        begin = np.zeros(classes * (width + 1), dtype=np.float32)
    else:
        begin = np.concatenate([start.weight.ravel(), start.bias])
    return _unflatten(minimise(objective, begin, passes=passes, after=after), classes, width)


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
    keep = np.random.default_rng(seed).permutation(len(labels))[:_CHOICE_ROWS]
    features, labels, groups = features[keep], labels[keep], groups[keep]
    losses = np.zeros(len(STRENGTHS))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for train, held_out in folds.split(features, labels, groups):
        scaler = Scaler.of(features[train])
        scaled, others = scaler.apply(features[train]), scaler.apply(features[held_out])
        start: Parameters | None = None
        for i, strength in enumerate(STRENGTHS):  # from smooth to sharp, each starting where the last ended
            check()
            start = fit(scaled, labels[train], classes, strength=strength, passes=40, start=start)
            chances = softmax(others @ start.weight.T + start.bias)
            losses[i] += mean_loss(chances, labels[held_out]) * len(held_out)
            if i and losses[i] > 1.5 * losses[: i + 1].min():
                losses[i + 1 :] = np.inf
                break
    return STRENGTHS[int(losses.argmin())]


def _unflatten(flat: np.ndarray, classes: int, width: int) -> Parameters:
    return Parameters(flat[: classes * width].reshape(classes, width), flat[classes * width :])
