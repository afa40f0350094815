"""The quick recipe: look at every picture once with a frozen backbone, then fit the head on what was seen."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgtag.core.errors import NotEnough
from imgtag.data.splits import SPLITS
from imgtag.training import head
from imgtag.training.backbones import Backbone, backbone
from imgtag.training.extractor import load_extractor
from imgtag.training.features import Unreadable, cached_features, compute_features
from imgtag.training.model import save_model, save_predictions
from imgtag.training.progress import Watch
from imgtag.training.runs import ManifestRow, Run

log = logging.getLogger(__name__)

_FIRST_LOOK_AT = 24
_LOOK_AGAIN_FACTOR = 1.25
_FIRST_LOOK_ROWS = 3000
_FIRST_LOOK_VAL = 10  # a share of fewer pictures jumps too much to mean anything
_STRENGTH_IF_STOPPED = 0.03


@dataclass(frozen=True)
class Rows:
    """Pictures of one split: features float16 (N, D), labels (N,) as positions in the class list."""

    features: np.ndarray
    labels: np.ndarray
    manifest: Sequence[ManifestRow]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Best:
    """The parameters with the lowest loss on the validation pictures so far (epoch 0: nothing learnt yet)."""

    parameters: head.Parameters
    epoch: int = 0
    loss: float = math.inf


def train_quick(run: Run, watch: Watch) -> None:
    """Train the run from its manifest to a saved model. Stopping keeps the best so far.

    Raises NotEnough when fewer than two classes have a readable training picture.
    """
    row = backbone(run.recipe.backbone)
    watch.phase("preparing", "Getting ready")
    manifest = run.manifest()
    seen = cached_features(run.project.cache, row, [m.sha256 for m in manifest])
    cached = len(seen)
    unreadable, stopped = _look_at_pictures(run, row, manifest, seen, watch)
    rows = {split: _rows(run, manifest, seen, split) for split in SPLITS}
    classes = len(run.classes)
    if len(np.unique(rows["train"].labels)) < 2:
        if stopped:
            watch.finish("stopped", message="Stopped before two classes had been seen: nothing was learnt.")
            return
        raise NotEnough(
            "Fewer than two classes have readable training pictures.",
            f"{len(unreadable)} pictures could not be read.",
            "Look at the list of unreadable pictures, replace them and train again.",
        )
    scaler = head.Scaler.of(rows["train"].features)
    strength, stopped = _strength(run, rows["train"], classes, watch, stopped)
    best, stopped = _fit(run, scaler, rows, strength, watch, stopped)
    watch.phase("checking", "Checking what was learnt")
    fitted = scaler.fold_into(best.parameters.weight, best.parameters.bias)
    probabilities = {split: fitted.probabilities(part.features) for split, part in rows.items() if len(part)}
    save_predictions(run, {s: (rows[s].manifest, p) for s, p in probabilities.items()})
    save_model(run, row, fitted)
    results = {
        f"{split}_{name}": round(measure(chances, rows[split].labels), 5)
        for split, chances in probabilities.items()
        for name, measure in (("accuracy", head.accuracy), ("loss", head.mean_loss))
    }
    watch.finish(
        "stopped" if stopped else "finished",
        message=_closing_words(run, best, strength, checked=bool(rows["val"]), stopped=stopped),
        pictures={split: len(part) for split, part in rows.items()},
        unreadable=[[u.path, u.reason] for u in unreadable],
        cached=cached,
        best_epoch=best.epoch,
        strength=strength,
        **results,
    )


# ----------------------------------------------------------------------------- looking


def _look_at_pictures(
    run: Run, row: Backbone, manifest: Sequence[ManifestRow], seen: dict[str, np.ndarray], watch: Watch
) -> tuple[list[Unreadable], bool]:
    """Fill `seen` with the features that are missing; True when it was stopped on the way."""
    missing = [m for m in manifest if m.sha256 not in seen]
    if not missing:
        return [], False
    watch.phase("preparing", "Loading the pretrained network (the first time takes some seconds)")
    extractor = load_extractor(row)
    watch.facts.update(engine=extractor.engine, reason=extractor.reason)
    log.info("%s: %s", extractor.engine, extractor.reason)
    # In random order, so that the curve drawn on the way stands for all classes and splits.
    order = np.random.default_rng(run.recipe.seed).permutation(len(missing))
    pictures = [(missing[i].sha256, run.project.path / missing[i].path) for i in order]
    total, done = len(manifest), len(seen)
    curve = _FirstLooks(run, manifest, watch)

    def on_batch(fresh: dict[str, np.ndarray]) -> None:
        nonlocal done
        seen.update(fresh)
        done += len(fresh)
        watch.phase("looking", f"Looking at picture {done} of {total}", total, done)
        curve.maybe(seen)
        watch.check_stop()

    watch.phase("looking", f"Looking at picture {done} of {total}", total, done)
    unreadable: list[Unreadable] = []
    stopped = False
    try:
        watch.check_stop()
        compute_features(run.project.cache, row, extractor, pictures, on_batch, unreadable)
    except head.Stopped:
        stopped = True
    for item in unreadable:
        log.warning("left out: %s: %s", item.path, item.reason)
    return unreadable, stopped


class _FirstLooks:
    """Points of the curve while pictures are still being looked at: a rough head on those seen so far."""

    def __init__(self, run: Run, manifest: Sequence[ManifestRow], watch: Watch) -> None:
        self.run, self.manifest, self.watch = run, manifest, watch
        self.next_at = float(_FIRST_LOOK_AT)

    def maybe(self, seen: dict[str, np.ndarray]) -> None:
        if len(seen) < self.next_at:
            return
        self.next_at = len(seen) * _LOOK_AGAIN_FACTOR
        train = _rows(self.run, self.manifest, seen, "train", most=_FIRST_LOOK_ROWS)
        val = _rows(self.run, self.manifest, seen, "val", most=_FIRST_LOOK_ROWS)
        if len(np.unique(train.labels)) < 2 or len(val) < _FIRST_LOOK_VAL:
            return
        scaler = head.Scaler.of(train.features)
        scaled = scaler.apply(train.features)
        rough = head.fit(scaled, train.labels, len(self.run.classes), strength=0.1, passes=8)
        values = _values(scaler.fold_into(rough.weight, rough.bias), train, val)
        self.watch.measured("looking", pictures=len(seen), **values)


# ----------------------------------------------------------------------------- fitting


def _strength(run: Run, train: Rows, classes: int, watch: Watch, stopped: bool) -> tuple[float, bool]:
    if run.recipe.strength is not None:
        return run.recipe.strength, stopped
    if stopped:
        return _STRENGTH_IF_STOPPED, True
    fits = 0

    def check() -> None:
        nonlocal fits
        fits += 1
        watch.phase(
            "choosing", "Finding the best setting (regularisation)", head.CHOICE_FITS, min(fits, head.CHOICE_FITS)
        )
        watch.check_stop()

    # Identical pictures share a sha256, so grouping by it keeps copies on one side.
    groups = np.unique([m.sha256 for m in train.manifest], return_inverse=True)[1]
    try:
        return head.choose_strength(train.features, train.labels, groups, classes, run.recipe.seed, check), False
    except head.Stopped:
        return _STRENGTH_IF_STOPPED, True


def _fit(
    run: Run, scaler: head.Scaler, rows: dict[str, Rows], strength: float, watch: Watch, stopped: bool
) -> tuple[Best, bool]:
    """L-BFGS with a point of the curve after every step; keeps the step with the lowest validation loss."""
    train, val = rows["train"], rows["val"]
    epochs, classes = run.recipe.epochs, len(run.classes)
    width = train.features.shape[1]
    best = Best(head.Parameters(np.zeros((classes, width), np.float32), np.zeros(classes, np.float32)))

    def on_pass(epoch: int, parameters: head.Parameters) -> None:
        watch.phase("fitting", f"Learning, round {epoch}", epochs, epoch)
        values = _values(scaler.fold_into(parameters.weight, parameters.bias), train, val)
        watch.measured("fitting", epoch=epoch, **values)
        loss = values["val_loss" if len(val) else "train_loss"]
        if loss < best.loss:
            best.parameters, best.epoch, best.loss = parameters, epoch, loss
        if not stopped:
            watch.check_stop()

    try:
        head.fit(scaler.apply(train.features), train.labels, classes, strength=strength, passes=epochs, on_pass=on_pass)
    except head.Stopped:
        return best, True
    return best, stopped


def _values(fitted: head.Head, train: Rows, val: Rows) -> dict[str, float]:
    values = {}
    for name, part in (("train", train), ("val", val)):
        if len(part):
            chances = fitted.probabilities(part.features)
            values[f"{name}_loss"] = head.mean_loss(chances, part.labels)
            values[f"{name}_accuracy"] = head.accuracy(chances, part.labels)
    return values


def _rows(run: Run, manifest: Sequence[ManifestRow], seen: dict[str, np.ndarray], split: str, most: int = 0) -> Rows:
    position = {name: i for i, name in enumerate(run.classes)}
    chosen = [m for m in manifest if m.split == split and m.sha256 in seen]
    if most:
        chosen = chosen[:: max(1, -(-len(chosen) // most))]
    width = backbone(run.recipe.backbone).dimensions
    features = np.empty((len(chosen), width), dtype=np.float16)
    for i, m in enumerate(chosen):
        features[i] = seen[m.sha256]
    labels = np.array([position[m.label] for m in chosen], dtype=np.int64)
    return Rows(features, labels, chosen)


def _closing_words(run: Run, best: Best, strength: float, *, checked: bool, stopped: bool) -> str:
    if stopped:
        return f"Stopped by you; the best state so far (round {best.epoch}) was kept."
    measure = "validation pictures" if checked else "training pictures (there are none to validate)"
    how = "chosen by cross-validation on the training pictures" if run.recipe.strength is None else "as you set it"
    return (
        f"Kept round {best.epoch}, where the loss on {measure} was lowest; generalisation strength {strength:g}, {how}."
    )
