"""Features of pictures, cached on disk by (sha256, backbone, preprocessing version, view).

The cache is a folder of shards, each written whole: a run that is killed loses at most the pictures since
the last shard, and the next run computes only what is missing. Never keyed by position.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import save

from imgtag.core import storage
from imgtag.core.errors import BadPicture
from imgtag.data.images import open_picture, read_file, scale_down, to_input
from imgtag.training.backbones import Backbone, Preprocessing
from imgtag.training.extractor import Extractor

log = logging.getLogger(__name__)

T = TypeVar("T")

Features = dict[str, dict[str, np.ndarray]]  # by view and sha256, each float16 (D,)

VIEWS = ("plain", "mirrored")
_SHARD = 256
_SHARD_S = 5.0  # on a slow machine a shard is written before it is full


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be read during a run, and why."""

    path: str
    reason: str


def cached_features(folder: Path, row: Backbone, wanted: Sequence[str], view: str = "plain") -> dict[str, np.ndarray]:
    """Features (float16, (dimensions,)) of those wanted sha256 that are in the cache; damaged shards are
    passed over and computed again."""
    need = set(wanted)
    found: dict[str, np.ndarray] = {}
    for ids, features in _read_shards(folder, row, view, lambda file: np.asarray(file.get_tensor("features"))):
        if features.ndim != 2 or features.shape != (len(ids), row.dimensions or features.shape[1]):
            continue
        for id_, feature in zip(ids, features, strict=True):
            if id_ in need:
                found[id_] = feature
    return found


def cached_ids(folder: Path, row: Backbone, view: str = "plain") -> set[str]:
    """The sha256 of all pictures in the cache: for predictions, without reading the features themselves."""
    return {id_ for ids, _ in _read_shards(folder, row, view, lambda _: None) for id_ in ids}


def features_in_batches(
    row: Backbone,
    extractor: Extractor,
    pictures: Iterable[tuple[str, Path]],
    views: Sequence[str],
    unreadable: list[Unreadable],
) -> Generator[Features, None, None]:
    """Features of (sha256, path) pairs, batch after batch; pictures that cannot be read are added to `unreadable`.

    Decoding runs in threads beside the network; memory does not grow with the number of pictures.
    """
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for ids, batch in _batches(pool, row.preprocessing, extractor.batch, pictures, unreadable):
            yield {view: _features_of(extractor, batch, ids, view) for view in views}


def compute_features(
    folder: Path,
    row: Backbone,
    extractor: Extractor,
    pictures: Iterable[tuple[str, Path]],
    views: Sequence[str],
    on_batch: Callable[[Features], None],
    unreadable: list[Unreadable],
) -> None:
    """Compute and cache features, see `features_in_batches`.

    on_batch gets each batch's new features and may raise to stop: what is done is kept.
    """
    shards: Features = {view: {} for view in views}
    written = time.monotonic()
    try:
        with contextlib.closing(features_in_batches(row, extractor, pictures, views, unreadable)) as batches:
            for fresh in batches:
                for view, shard in shards.items():
                    shard.update(fresh[view])
                if len(shards[views[0]]) >= _SHARD or time.monotonic() - written >= _SHARD_S:
                    _write_shards(folder, row, shards)
                    written = time.monotonic()
                on_batch(fresh)
    finally:
        _write_shards(folder, row, shards)


def mirrored(batch: np.ndarray) -> np.ndarray:
    """The mirror images (left and right changed) of pictures (n, size, size, 3)."""
    return np.ascontiguousarray(batch[:, :, ::-1])


def network_input(source: bytes | Path, how: Preprocessing) -> np.ndarray:
    """One picture as uint8 (size, size, 3): the same path for training and for prediction."""
    picture, _ = open_picture(source, at_least=how.resize)
    return to_input(picture, how.resize, how.size)


def network_inputs(source: bytes | Path, hows: Sequence[Preprocessing]) -> list[np.ndarray]:
    """One picture for several networks, each as `network_input` gives it; decoded once where the scale is the same."""
    largest = max(how.resize for how in hows)
    picture, facts = open_picture(source, at_least=largest)
    scale = scale_down(facts, largest)
    return [
        to_input(picture, how.resize, how.size)
        if scale_down(facts, how.resize) == scale
        else network_input(source, how)
        for how in hows
    ]


# ----------------------------------------------------------------------------- private


def _batches(
    pool: ThreadPoolExecutor,
    how: Preprocessing,
    size: int,
    pictures: Iterable[tuple[str, Path]],
    unreadable: list[Unreadable],
) -> Iterator[tuple[list[str], np.ndarray]]:
    ahead: deque[tuple[str, Path, Future[np.ndarray]]] = deque()
    remaining = iter(pictures)
    ids: list[str] = []
    rows: list[np.ndarray] = []
    while True:
        while len(ahead) < 4 * size and (item := next(remaining, None)):
            ahead.append((*item, pool.submit(_unchanged_input, *item, how)))
        if not ahead:
            break
        id_, path, decoded = ahead.popleft()
        try:
            rows.append(decoded.result())
            ids.append(id_)
        except BadPicture as error:
            unreadable.append(Unreadable(str(path), str(error)))
        if len(rows) == size:
            yield ids, np.stack(rows)
            ids, rows = [], []
    if rows:
        yield ids, np.stack(rows)


def _unchanged_input(id_: str, path: Path, how: Preprocessing) -> np.ndarray:
    """The picture, if it still is the one with that sha256: other features must never be kept under its name."""
    data = read_file(path)
    if hashlib.sha256(data).hexdigest() != id_:
        raise BadPicture(
            "The file was changed after the training began.",
            "It holds another picture now.",
            "Train again to use it as it is now.",
        )
    return network_input(data, how)


def _features_of(extractor: Extractor, batch: np.ndarray, ids: Sequence[str], view: str) -> dict[str, np.ndarray]:
    seen = mirrored(batch) if view == "mirrored" else batch
    return dict(zip(ids, extractor.run(seen).astype(np.float16), strict=True))


def _write_shards(folder: Path, row: Backbone, shards: dict[str, dict[str, np.ndarray]]) -> None:
    """Write what has gathered, and empty the shards."""
    for view, features in shards.items():
        if features:
            data = save({"features": np.stack(list(features.values()))}, {"ids": json.dumps(list(features))})
            storage.atomic_write(_shards(folder, row, view) / f"{uuid.uuid4().hex}.safetensors", data)
            features.clear()


def _read_shards(folder: Path, row: Backbone, view: str, read: Callable[[Any], T]) -> Iterator[tuple[list[str], T]]:
    """The ids of every shard that is not damaged, with what `read` takes from its open file."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(_shards(folder, row, view).glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as file:
                found = list(json.loads((file.metadata() or {})["ids"])), read(file)
        except (SafetensorError, ValueError, KeyError, OSError) as error:
            log.warning("shard %s is damaged and left out: %s", path.name, error)
            continue
        yield found


def _shards(folder: Path, row: Backbone, view: str) -> Path:
    return folder / "features" / (row.cache_key if view == "plain" else f"{row.cache_key}-{view}")
