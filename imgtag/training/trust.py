"""How far a model's answers can be trusted: honest probabilities, and an answer for what it does not know.

Temperature scaling (Guo et al. 2017, On calibration of modern neural networks): one number, fitted on the validation
pictures, makes all answers more or less sure; which class is the likeliest does not change. Familiarity (Sun et al.
2022, Out-of-distribution detection with deep nearest neighbors): a picture that is unlike all training pictures shows
something else. Measured by `bench.strangers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imgtag.training.head import Scaler, mean_loss, products
from imgtag.training.lbfgs import minimise

USUAL_COST = 0.05  # share of the right answers that are refused, unless the user chooses another one
_FEWEST = 20  # validation pictures, below which nothing is fitted
_PRIOR = 0.5  # spread of log temperature: a few sure answers must not make it extreme
_HOTTEST = 3.0
_REFERENCES = 2000
NEIGHBOURS = 5
_CHUNK = 2048


@dataclass(frozen=True)
class Refusal:
    """An answer is “unknown” if its probability or the picture's familiarity is lower; cost: the share of right
    validation answers that this refuses."""

    probability: float
    familiarity: float | None
    cost: float

    def refuses(self, probabilities: np.ndarray, familiarity: np.ndarray | None) -> np.ndarray:
        """Which answers are unknown, bool (N,), by the probability of the likeliest class (N,) and familiarity (N,)."""
        refused = probabilities < self.probability
        if familiarity is not None and self.familiarity is not None:
            refused = refused | (familiarity < self.familiarity)
        return np.asarray(refused)


@dataclass(frozen=True)
class Familiar:
    """What the training pictures look like. scaler: of the network's features; references: unit vectors float16
    (R, D) of at most 2,000 training pictures."""

    scaler: Scaler
    references: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, seed: int = 0) -> Familiar:
        """Remember training pictures by their features, float16 (N, D); of many, some drawn by lot."""
        scaler = Scaler.of(features)
        if len(features) > _REFERENCES:
            features = features[np.random.default_rng(seed).permutation(len(features))[:_REFERENCES]]
        return cls(scaler, _unit(scaler.apply(features)).astype(np.float16))

    @cached_property
    def _known(self) -> np.ndarray:
        return self.references.astype(np.float32)  # once: for a single picture it takes longer than all the rest

    def measure(self, features: np.ndarray) -> np.ndarray:
        """Familiarity of pictures, float32 (N,), -1 to 1: the mean cosine to the five training pictures most alike."""
        known = self._known
        few = min(NEIGHBOURS, len(known))
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(features), _CHUNK):
            likeness = products(_unit(self.scaler.apply(features[start : start + _CHUNK])), known)
            found.append(np.partition(likeness, -few, axis=1)[:, -few:].mean(axis=1))
        return np.concatenate(found).astype(np.float32)


@dataclass(frozen=True)
class Trust:
    """What is known about the answers of a model. member: the place of the member whose features `familiar` holds."""

    temperature: float = 1.0
    refusal: Refusal | None = None
    familiar: Familiar | None = None
    member: int = 0


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities float32 (N, K) at another temperature: above 1 less sure, below 1 surer; rows sum to 1."""
    if temperature == 1.0:
        return probabilities
    logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature at which held-out answers (N, K) surprise least; 1.0 for fewer than twenty pictures."""
    if len(labels) < _FEWEST:
        return 1.0

    logits = np.log(np.maximum(probabilities, 1e-12))
    own = logits[np.arange(len(labels)), labels]

    def loss(log_temperature: np.ndarray) -> tuple[float, np.ndarray]:
        temperature = float(np.exp(log_temperature[0]))
        answers = tempered(probabilities, temperature)
        prior = (float(log_temperature[0]) / _PRIOR) ** 2 / (2 * len(labels))
        slope = (own - (answers * logits).sum(axis=1)).mean() / temperature
        slope += float(log_temperature[0]) / _PRIOR**2 / len(labels)
        return mean_loss(answers, labels) + prior, np.array([slope], np.float32)

    edge = float(np.log(_HOTTEST))
    found = minimise(loss, np.zeros(1, np.float32), passes=50, tolerance=1e-7)
    return float(np.exp(np.clip(found[0], -edge, edge)))


def fit_refusal(
    probabilities: np.ndarray, familiarity: np.ndarray | None, right: np.ndarray, cost: float = USUAL_COST
) -> Refusal | None:
    """The strictest limits that refuse no more than this share of the right answers; None for too few pictures.

    probabilities, familiarity, right: of the validation pictures, (N,). Both limits stand at the same quantile of the
    right answers, the highest one at which they together refuse no more than that.
    """
    if right.sum() < _FEWEST:
        return None
    sure = probabilities[right]
    alike = familiarity[right] if familiarity is not None else None
    best = Refusal(0.0, None if alike is None else -1.0, 0.0)
    for quantile in np.linspace(0, cost, 101):
        there = Refusal(
            float(np.quantile(sure, quantile, method="lower")),
            None if alike is None else float(np.quantile(alike, quantile, method="lower")),
            cost,
        )
        if there.refuses(sure, alike).mean() <= cost:
            best = there
    return best


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))
