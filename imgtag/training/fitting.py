"""The second half of quick training: the head that tells the classes apart by what the networks saw."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgtag.training import head, logistic
from imgtag.training.looking import Rows
from imgtag.training.progress import Watch
from imgtag.training.recipes import Recipe

log = logging.getLogger(__name__)

_STRENGTH_IF_STOPPED = 0.03


@dataclass(frozen=True)
class Fitted:
    """A head, the standardisation that its layers were fitted with, and how it came about.

    layers: over standardised features. epoch: the round that was kept (0: nothing learnt yet).
    """

    scaler: head.Scaler
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    epoch: int
    strength: float | None
    stopped: bool

    @property
    def head(self) -> head.Head:
        """The head over raw features."""
        return self.scaler.fold_into(*self.layers)


def fit_exactly(
    recipe: Recipe, train: Rows, val: Rows, classes: int, watch: Watch, *, number: int = 0, stopped: bool = False
) -> Fitted:
    """The linear head of lowest loss; of its rounds, the one that did best on the validation pictures is kept.

    `number` tells several networks of a run apart in the curves. Stopping keeps the best so far.
    """
    features, labels = train.learnt_features, train.learnt_labels
    scaler = head.Scaler.of(features)
    strength, stopped = _strength(recipe, train, classes, watch, _phase("choosing", number), stopped)
    span = logistic.Span.of(scaler.apply(features), classes * logistic.USUAL_PASSES)
    # The rounds are judged in the span's coordinates, which costs less than to leave them each time.
    learnt = replace(train, views=tuple(np.split(span.rows, len(train.views))))
    others = replace(val, views=tuple(span.into(scaler.apply(view)) for view in val.views))
    best = _Best(head.Parameters(np.zeros((classes, span.rows.shape[1]), np.float32), np.zeros(classes, np.float32)))
    rounds, patience = recipe.head_rounds
    phase, usual = _phase("fitting", number), min(rounds, logistic.USUAL_PASSES)

    def on_pass(epoch: int, at: head.Parameters) -> None:
        watch.phase(phase, f"Learning, round {epoch}", usual, min(epoch, usual))
        values = head.values(fitted=head.Head(((at.weight, at.bias),)), train=learnt, val=others)
        watch.measured(phase, epoch=epoch, **values)
        loss = values["val_loss" if len(val) else "train_loss"]
        if loss < best.loss:
            best.at, best.epoch, best.loss = at, epoch, loss
        if not stopped:
            watch.check_stop()
        if epoch - best.epoch >= patience:
            raise head.Stopped

    try:
        _fit(recipe, span, labels, classes, strength, rounds, on_pass)
    except head.Stopped:
        stopped = stopped or watch.stop_asked()
    layer = (span.out(best.at.weight), best.at.bias)
    return Fitted(scaler, (layer,), best.epoch, strength, stopped)


def refit(recipe: Recipe, train: Rows, val: Rows, classes: int, found: Fitted, watch: Watch, number: int) -> Fitted:
    """The head that `found` is, learnt from the validation pictures as well: same strength, as many rounds.

    Nothing is left to choose by, so nothing is chosen. A stop keeps `found`.
    """
    phase = _phase("refitting", number)
    features = np.concatenate([train.learnt_features, val.learnt_features])
    labels = np.concatenate([train.learnt_labels, val.learnt_labels])
    scaler = head.Scaler.of(features)
    span = logistic.Span.of(scaler.apply(features), classes * found.epoch)

    def on_pass(epoch: int, _at: head.Parameters) -> None:
        watch.phase(phase, "Learning from the validation pictures too", found.epoch, epoch)
        watch.check_stop()

    try:
        at = _fit(recipe, span, labels, classes, found.strength or 0.0, found.epoch, on_pass)
    except head.Stopped:
        return replace(found, stopped=True)
    return Fitted(scaler, ((span.out(at.weight), at.bias),), found.epoch, found.strength, False)


def _fit(
    recipe: Recipe,
    span: logistic.Span,
    labels: np.ndarray,
    classes: int,
    strength: float,
    rounds: int,
    on_pass: Callable[[int, head.Parameters], None],
) -> head.Parameters:
    return logistic.fit(
        span,
        labels,
        classes,
        strength=strength,
        passes=rounds,
        row_weights=class_weights(labels, classes) if recipe.balance != "none" else None,
        smoothing=recipe.label_smoothing,
        on_pass=on_pass,
    )


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """A weight for each row, float32 with mean 1, so that every class counts the same."""
    counts = np.bincount(labels, minlength=classes)
    weights = 1.0 / counts[labels]
    return np.asarray(weights / weights.mean(), dtype=np.float32)


@dataclass
class _Best:
    at: head.Parameters
    epoch: int = 0
    loss: float = math.inf


def _phase(name: str, number: int) -> str:
    return f"{name} {number}" if number else name


def _strength(recipe: Recipe, train: Rows, classes: int, watch: Watch, phase: str, stopped: bool) -> tuple[float, bool]:
    if recipe.strength is not None:
        return recipe.strength, stopped
    if stopped:
        return _STRENGTH_IF_STOPPED, True
    fits = 0

    def check() -> None:
        nonlocal fits
        fits += 1
        most = logistic.CHOICE_FITS
        watch.phase(phase, "Finding the best setting (regularisation)", most, min(fits, most))
        watch.check_stop()

    # Identical pictures share a sha256, so grouping by it keeps copies on one side.
    groups = np.unique([m.sha256 for m in train.manifest], return_inverse=True)[1]
    try:
        # The plain views alone: mirrored ones cost twice the time and choose the same.
        return logistic.choose_strength(train.views[0], train.labels, groups, classes, recipe.seed, check), False
    except head.Stopped:
        return _STRENGTH_IF_STOPPED, True


def mixed(parts: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """The weighted mean of probabilities, each float32 (N, K); shares sum to 1."""
    return np.asarray(sum(np.float32(share) * part for part, share in zip(parts, shares, strict=True)))
