"""What a picture looks like in a thousand bytes, and how sharp, bright and large it is.

Taken once, while a picture is decoded anyway, and kept in cache/fingerprints by sha256. They find duplicates
(data/duplicates.py) and pictures that teach little (data/health.py) without any network.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import BadPicture, DiskFull, NoAccess
from imgtag.data.dataset import Picture
from imgtag.data.images import Decoded, Facts, greys, open_picture
from imgtag.data.projects import Project

log = logging.getLogger(__name__)

SIDE = 32
DECODED_AT = 256
_SHARD = 512
_SHARPNESS_TILES = 4
_FLATTEST = 0.02  # of the brightness range: below it, noise would count as detail


@dataclass(frozen=True)
class Measures:
    """How good a picture is. Brightness is 0 (black) to 1 (white).

    sharpness: finest detail over contrast, in the sharpest part of the picture scaled to 256 pixels; photographs
    have 0.32 to 3, those out of focus less. dark, light: brightness that 1 % and 95 % of the pixels exceed.
    contrast: standard deviation of the brightness. width, height: pixels of the file.
    """

    width: float
    height: float
    sharpness: float
    dark: float
    light: float
    contrast: float


@dataclass(frozen=True)
class Fingerprint:
    """tones: brightness of the picture squeezed into a square, uint8 (32, 32)."""

    tones: np.ndarray
    measures: Measures


@dataclass(frozen=True)
class Pair:
    """Two pictures by id that are nearly the same; likeness up to 1."""

    first: str
    second: str
    likeness: float


def take_fingerprint(picture: Decoded, facts: Facts) -> Fingerprint:
    """The fingerprint of a decoded picture of at least 256 pixels, or all it has."""
    grey, tones = greys(picture, DECODED_AT, SIDE)
    brightness = grey.astype(np.float32) / 255
    light, dark = (float(v) for v in np.percentile(brightness, (5, 99)))
    contrast = float(brightness.std())
    return Fingerprint(tones, Measures(facts.width, facts.height, _sharpness(brightness), dark, light, contrast))


def fingerprints(
    project: Project, pictures: Sequence[Picture], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Fingerprint]:
    """The fingerprints of these pictures by id; those that cannot be read are left out.

    What is not in the cache is taken now. on_progress(done, total) counts these, and may raise to stop.
    """
    wanted = {p.id for p in pictures}
    found = {id_: f for id_, f in _kept(project) if id_ in wanted}
    missing = [p for p in pictures if p.id not in found]
    done = 0
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(missing), _SHARD):
            some = missing[start : start + _SHARD]
            fresh: dict[str, Fingerprint] = {}
            for picture, taken in zip(some, pool.map(_of_file, some), strict=True):
                done += 1
                on_progress(done, len(missing))
                if taken:
                    fresh[picture.id] = taken
            keep_fingerprints(project, fresh)
            found |= fresh
    return found


def keep_fingerprints(project: Project, fresh: Mapping[str, Fingerprint]) -> None:
    """Add fingerprints to the cache. A full disk costs only the time to take them again."""
    if not fresh:
        return
    from safetensors.numpy import save

    columns = {
        "tones": np.stack([f.tones for f in fresh.values()]),
        "measures": np.array([astuple(f.measures) for f in fresh.values()]),
    }
    path = _folder(project) / f"{uuid.uuid4().hex}.safetensors"
    try:
        storage.atomic_write(path, save(columns, {"ids": json.dumps(list(fresh))}), durable=False)
    except (DiskFull, NoAccess) as error:
        log.warning("fingerprints are not kept: %s", error)


# ----------------------------------------------------------------------------- private


def _of_file(picture: Picture) -> Fingerprint | None:
    try:
        return take_fingerprint(*open_picture(picture.path, at_least=DECODED_AT))
    except BadPicture:
        return None


def _kept(project: Project) -> Iterator[tuple[str, Fingerprint]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    for path in sorted(_folder(project).glob("*.safetensors")):
        try:
            data = path.read_bytes()
            columns, ids = load(data), _ids(data)
            rows = zip(ids, columns["tones"], columns["measures"].tolist(), strict=True)
            yield from [(id_, Fingerprint(tones, Measures(*row))) for id_, tones, row in rows]
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            log.warning("%s is damaged and left out: %s", path.name, error)


def _ids(data: bytes) -> list[str]:
    """The ids in the header of safetensors bytes: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    return list(json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["ids"]))


def _folder(project: Project) -> Path:
    return project.cache / "fingerprints"


def _sharpness(brightness: np.ndarray) -> float:
    """Spread of the Laplacian over spread of the brightness, in the tile where that is largest.

    The variance of the Laplacian (Pech-Pacheco et al. 2000) alone calls every soft or even subject out of focus, and
    the whole picture every portrait whose background is meant to be.
    """
    if min(brightness.shape) < 3 * _SHARPNESS_TILES:
        return 1.0  # too small to tell
    inner = brightness[1:-1, 1:-1]
    detail = 4 * inner - brightness[:-2, 1:-1] - brightness[2:, 1:-1] - brightness[1:-1, :-2] - brightness[1:-1, 2:]
    return max(
        float(fine.std()) / max(float(tile.std()), _FLATTEST)
        for fine, tile in zip(_tiles(detail), _tiles(inner), strict=True)
    )


def _tiles(values: np.ndarray) -> list[np.ndarray]:
    rows = np.array_split(values, _SHARPNESS_TILES, axis=0)
    return [tile for row in rows for tile in np.array_split(row, _SHARPNESS_TILES, axis=1)]
