"""The part that is trained: a regularised multinomial logistic regression on frozen features.

minimise  mean cross-entropy + strength / 2 * sum(weight²)   on standardised features, by L-BFGS
(training/lbfgs.py). One L-BFGS step looks at every training picture once: an epoch.
numpy only, so that pages and the command line can fit and apply a head without loading torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

_FEW = 4  # rows that are multiplied without BLAS
_CHUNK = 4096  # rows that are made float32 at a time
_LEAST_SPREAD = 0.005  # of the usual spread; on five real sets the least was 0.009 of it


@dataclass(frozen=True)
class Head:
    """Layers over raw (not standardised) features, with max(0, x) between them; usually a single one.

    Each layer is a weight, float32 (outputs, inputs), and a bias, float32 (outputs,). The last layer has K outputs:
    the classes in the order of the run's class list.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def inputs(self) -> int:
        """D, the number of features it reads."""
        return int(self.layers[0][0].shape[1])

    @property
    def classes(self) -> int:
        """K, the number of classes it tells apart."""
        return int(self.layers[-1][0].shape[0])

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (N, K), rows sum to 1, of features (N, D)."""
        parts = [self._probabilities(features[i : i + _CHUNK]) for i in range(0, len(features), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, self.classes), np.float32)

    def _probabilities(self, features: np.ndarray) -> np.ndarray:
        x = features.astype(np.float32)
        for i, (weight, bias) in enumerate(self.layers):
            x = products(np.maximum(x, 0) if i else x, weight) + bias
        return softmax(x)


@dataclass(frozen=True)
class Scaler:
    """Mean and spread of each feature over the training pictures; both float32 (D,)."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Scaler:
        """Measure features (N, D).

        A feature that hardly ever changes gets the usual spread: its own is rounding noise, which dividing by it
        would blow up as soon as a new picture, or a fine-tuned network, moves the feature.
        """
        total = np.zeros(features.shape[1])
        squares = np.zeros(features.shape[1])
        for i in range(0, len(features), _CHUNK):
            part = features[i : i + _CHUNK].astype(np.float64)
            total += part.sum(axis=0)
            squares += (part**2).sum(axis=0)
        mean = total / len(features)
        spread = np.sqrt(np.maximum(squares / len(features) - mean**2, 0.0))
        # Not the mean: a few features are huge in some networks, many are dead in others.
        usual = float(np.quantile(spread, 0.9, method="higher"))
        changes = spread > max(_LEAST_SPREAD * usual, 1e-6)
        return cls(mean.astype(np.float32), np.where(changes, spread, usual or 1.0).astype(np.float32))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Standardised features, float32 (N, D); needs memory for the result only."""
        scaled = features.astype(np.float32)
        scaled -= self.mean
        scaled /= self.spread
        return scaled

    def fold_into(self, *layers: tuple[np.ndarray, np.ndarray]) -> Head:
        """A head with these layers over standardised features, as one that takes raw features."""
        (weight, bias), *others = layers
        raw = (weight / self.spread).astype(np.float32)
        return Head(((raw, (bias - raw @ self.mean).astype(np.float32)), *others))


@dataclass(frozen=True)
class Parameters:
    """Weights on standardised features: what L-BFGS moves. weight (K, D), bias (K,), float32."""

    weight: np.ndarray
    bias: np.ndarray


class Stopped(Exception):
    """Raised by a callback to end fitting; what it found so far is the callback's to keep."""


def products(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The product of each row (N, D) with each of the others (K, D): (N, K).

    OpenBLAS lets its threads wait busily for some 20 ms after every call, which takes the cores from the network that
    looks at the next picture: for a few rows it is left alone.
    """
    return np.asarray(np.einsum("nd,kd->nk", rows, others) if len(rows) <= _FEW else rows @ others.T)


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


class Asked(Protocol):
    """Pictures with labels (N,) that a head can be asked about."""

    @property
    def labels(self) -> np.ndarray:
        """Positions in the class list, (N,)."""

    def __len__(self) -> int: ...
    def probabilities(self, fitted: Head) -> np.ndarray:
        """Float32 (N, K)."""


def values(*, fitted: Head, **parts: Asked) -> dict[str, float]:
    """<part>_loss and <part>_accuracy of a head on each part of the pictures that is not empty."""
    found = {}
    for name, part in parts.items():
        if len(part):
            chances = part.probabilities(fitted)
            found[f"{name}_loss"] = mean_loss(chances, part.labels)
            found[f"{name}_accuracy"] = accuracy(chances, part.labels)
    return found
