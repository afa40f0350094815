"""The first half of every training: each picture goes once through the frozen networks.

What they see (features) is cached; a picture that was looked at before is not looked at again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from imgtag.training import head
from imgtag.training.backbones import Backbone
from imgtag.training.extractor import load_extractor
from imgtag.training.features import VIEWS, Features, Unreadable, cached_features, compute_features
from imgtag.training.logistic import Span, fit
from imgtag.training.progress import Watch
from imgtag.training.runs import ManifestRow, Run, files_of
from imgtag.training.weights import availability, download_weights

log = logging.getLogger(__name__)

_FIRST_LOOK_AT = 24
_LOOK_AGAIN_FACTOR = 1.25
_FIRST_LOOK_ROWS = 1000
_FIRST_LOOK_PASSES = 8
_FIRST_LOOK_VAL = 10  # a share of fewer pictures jumps too much to mean anything


@dataclass(frozen=True)
class Rows:
    """Pictures of one split as one network sees them.

    views: one array of features, float16 (N, D), for each view; labels: (N,) positions in the class list.
    """

    views: tuple[np.ndarray, ...]
    labels: np.ndarray
    manifest: Sequence[ManifestRow]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def learnt_features(self) -> np.ndarray:
        """All views below each other, float16 (N * views, D)."""
        return self.views[0] if len(self.views) == 1 else np.concatenate(self.views)

    @property
    def learnt_labels(self) -> np.ndarray:
        """The labels of `learnt_features`."""
        return np.tile(self.labels, len(self.views))

    def probabilities(self, fitted: head.Head) -> np.ndarray:
        """What a head says, float32 (N, K): the mean over the views."""
        return np.asarray(sum(fitted.probabilities(v) for v in self.views) / np.float32(len(self.views)))


@dataclass
class Looked:
    """What came of looking: the features by backbone name, the pictures that could not be read, how many were known."""

    features: dict[str, Features] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    cached: int = 0
    stopped: bool = False


def views_of(run: Run) -> tuple[str, ...]:
    """The views that a run learns from."""
    return VIEWS if run.recipe.mirror else VIEWS[:1]


def look_at_pictures(run: Run, rows: Sequence[Backbone], watch: Watch, share: tuple[int, int] = (0, 1)) -> Looked:
    """Features of all pictures of the run for every network. Stopping keeps what there is.

    share: this process's number and how many share the work; each looks at its part of the pictures.
    """
    looked = Looked()
    manifest = run.manifest()
    for number, row in enumerate(rows):
        name = f"looking {number}" if number else "looking"
        seen = {v: cached_features(run.project.cache, row, [m.sha256 for m in manifest], v) for v in views_of(run)}
        known = [m for m in manifest if all(m.sha256 in seen[v] for v in seen)]
        looked.features[row.name] = seen
        if not number:
            looked.cached = len(known)
        if not looked.stopped and len(known) < len(manifest):
            _look(run, row, manifest, seen, looked, watch, name, share)
    for item in looked.unreadable:
        log.warning("left out: %s: %s", item.path, item.reason)
    return looked


def rows_of(
    run: Run, manifest: Sequence[ManifestRow], seen: Features, split: str, views: Sequence[str], most: int = 0
) -> Rows:
    """The pictures of a split that were seen in all views; `most` takes an even selection of so many."""
    position = {name: i for i, name in enumerate(run.classes)}
    chosen = [m for m in manifest if m.split == split and all(m.sha256 in seen[v] for v in views)]
    if most:
        chosen = chosen[:: max(1, -(-len(chosen) // most))]
    width = next((len(f) for f in next(iter(seen.values())).values()), 0)
    stacked = []
    for view in views:
        features = np.empty((len(chosen), width), dtype=np.float16)
        for i, m in enumerate(chosen):
            features[i] = seen[view][m.sha256]
        stacked.append(features)
    return Rows(tuple(stacked), np.array([position[m.label] for m in chosen], dtype=np.int64), chosen)


def _look(
    run: Run,
    row: Backbone,
    manifest: Sequence[ManifestRow],
    seen: Features,
    looked: Looked,
    watch: Watch,
    phase: str,
    share: tuple[int, int],
) -> None:
    if availability(row) == "download":

        def on_bytes(done: int, total: int) -> None:
            megabytes = f"{done / 1e6:,.0f}" + (f" of {total / 1e6:,.0f}" if total else "")
            watch.phase("downloading", f"Downloading the weights of {row.title}, {megabytes} MB", total, done)

        watch.phase("downloading", f"Downloading the weights of {row.title}")
        try:
            download_weights(row, on_bytes, watch.check_stop)
        except head.Stopped:
            looked.stopped = True
            return
    watch.phase("preparing", "Loading the pretrained network (the first time takes some seconds)")
    extractor = load_extractor(row, gpu_allowed=run.recipe.devices != "cpu")
    watch.facts.update(engine=extractor.engine, reason=extractor.reason)
    log.info("%s on %s: %s", row.title, extractor.engine, extractor.reason)
    # In random order, so that the curve drawn on the way stands for all classes and splits.
    order = np.random.default_rng(run.recipe.seed).permutation(len(manifest))[share[0] :: share[1]]
    groups: dict[tuple[str, ...], list[ManifestRow]] = {}
    for i in order:
        missing = tuple(view for view in seen if manifest[i].sha256 not in seen[view])
        if missing:
            groups.setdefault(missing, []).append(manifest[i])
    total, done = len(order), len(order) - sum(map(len, groups.values()))
    curve = _FirstLooks(run, manifest, watch) if phase == "looking" else None

    def say() -> None:
        watch.phase(phase, f"Looking at picture {done} of {total} with {row.title}", total, done)

    def on_batch(fresh: Features) -> None:
        nonlocal done
        for view, features in fresh.items():
            seen[view].update(features)
        done += len(next(iter(fresh.values())))
        say()
        if curve:
            curve.maybe(seen)
        watch.check_stop()

    say()
    known_bad = {u.path for u in looked.unreadable}
    bad: list[Unreadable] = []
    try:
        watch.check_stop()
        for views, pictures in groups.items():
            todo = zip([m.sha256 for m in pictures], files_of(run, pictures), strict=True)
            compute_features(run.project.cache, row, extractor, todo, views, on_batch, bad)
    except head.Stopped:
        looked.stopped = True
    looked.unreadable += [b for b in bad if b.path not in known_bad]


class _FirstLooks:
    """Points of the curve while pictures are still being looked at: a rough head on those seen so far."""

    def __init__(self, run: Run, manifest: Sequence[ManifestRow], watch: Watch) -> None:
        self.run, self.manifest, self.watch = run, manifest, watch
        self.next_at = float(_FIRST_LOOK_AT)

    def maybe(self, seen: Features) -> None:
        count = len(seen["plain"])
        if count < self.next_at or self.watch.silent:
            return
        self.next_at = count * _LOOK_AGAIN_FACTOR
        plain = {"plain": seen["plain"]}
        train = rows_of(self.run, self.manifest, plain, "train", ("plain",), most=_FIRST_LOOK_ROWS)
        val = rows_of(self.run, self.manifest, plain, "val", ("plain",), most=_FIRST_LOOK_ROWS)
        if len(np.unique(train.labels)) < 2 or len(val) < _FIRST_LOOK_VAL:
            return
        scaler = head.Scaler.of(train.views[0])
        span = Span.of(scaler.apply(train.views[0]), len(self.run.classes) * _FIRST_LOOK_PASSES)
        rough = fit(span, train.labels, len(self.run.classes), strength=0.1, passes=_FIRST_LOOK_PASSES)
        fitted = scaler.fold_into((span.out(rough.weight), rough.bias))
        self.watch.measured("looking", pictures=count, **head.values(train=train, val=val, fitted=fitted))
