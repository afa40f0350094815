"""Pictures that are a part of another one: cut out with half of its sides or more, wherever.

Two steps, as in template matching: every window of a picture is compared with all other pictures by the lowest waves
of their fingerprints; what looks promising is cut out of the picture itself and its edges are compared with those of
the other one (normalised cross-correlation over small shifts; Lewis 1995). Measured: see `bench/duplicates.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import BadPicture, DiskFull, NoAccess
from imgtag.data.dataset import Picture
from imgtag.data.fingerprints import DECODED_AT, SIDE, Fingerprint, Pair
from imgtag.data.images import Decoded, grey_part, open_picture
from imgtag.data.projects import Project

MOST_PICTURES = 5000  # half a minute on two cores; the time grows with the square
_SCALES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
_FREQUENCIES = 12
_PROMISING, _SAME = 0.7, 0.62
_LEAST_EDGES = 2.0  # grey levels, root mean square: below, noise would be compared
_COMPARED_AT, _SHIFTS = 64, 8  # pixels
_MOST_COMPARED = 2000
_BLOCK = 512
_VERSION = 1


@dataclass(frozen=True)
class Window:
    """A part of a picture: its sides as a share of the picture's, and where it begins, 0 to 1."""

    scale: float
    top: float
    left: float


def known_crops(project: Project) -> list[Pair]:
    """What was found in the last search."""
    return _kept(project)[1]


def search_crops(
    project: Project,
    pictures: Sequence[Picture],
    found: Mapping[str, Fingerprint],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Pair]:
    """Search among these pictures, which have these fingerprints, as far as it was not done before; all pairs.

    More than `MOST_PICTURES` are not searched. on_progress(done, total) counts windows, and may raise to stop.
    """
    searched, pairs = _kept(project)
    new = found.keys() - searched
    if not new or len(found) > MOST_PICTURES:
        return pairs
    paths = {p.id: p.path for p in pictures}
    promising = _promising(found, new, on_progress)
    fresh = _confirmed(promising, paths)
    pairs = [p for p in pairs if p.first in found and p.second in found] + fresh
    kept = {"version": _VERSION, "searched": sorted(found), "pairs": [[p.first, p.second, p.likeness] for p in pairs]}
    with contextlib.suppress(DiskFull, NoAccess):  # only slower then
        storage.write_json(_path(project), kept, durable=False)
    return pairs


def is_part(whole: Decoded, part: Decoded, window: Window) -> float:
    """Likeness of a picture's edges to those of about this window of another one; 1 for the very same."""
    asked = _edges(grey_part(part, (0, 0, 1, 1), _COMPARED_AT))
    best = 0.0
    for scale in window.scale + np.array([-0.04, -0.02, 0, 0.02, 0.04]):
        side = min(float(scale), 1.0)
        top, left = (
            min(max(0.0, start + window.scale / 2 - side / 2), 1 - side) for start in (window.top, window.left)
        )
        there = _edges(grey_part(whole, (left, top, left + side, top + side), _COMPARED_AT))
        best = max(best, _likeness(there, asked))
    return best


# ----------------------------------------------------------------------------- private


def _promising(
    found: Mapping[str, Fingerprint], new: Set[str], on_progress: Callable[[int, int], None]
) -> list[tuple[str, str, Window, float]]:
    """(whole, part, window, likeness) with at least one new picture: the best window of each pair, likeliest first."""
    ids = list(found)
    tones = np.stack([f.tones for f in found.values()]).astype(np.float32)
    fresh = np.array([i in new for i in ids])
    whole = _waves(tones, Window(1, 0, 0))
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(ids), _BLOCK)]
    best: dict[tuple[int, int], tuple[float, Window]] = {}
    windows = _windows()
    for number, window in enumerate(windows):
        on_progress(number, len(windows))
        for block in blocks:
            likeness = _waves(tones[block], window) @ whole.T
            for row, column in np.argwhere(likeness >= _PROMISING).tolist():
                pair, value = (block.start + row, column), float(likeness[row, column])
                asked = pair[0] != column and (fresh[pair[0]] or fresh[column])
                if asked and value > best.get(pair, (0.0,))[0]:
                    best[pair] = (value, window)
    rows = [(ids[a], ids[b], window, value) for (a, b), (value, window) in best.items()]
    return sorted(rows, key=lambda r: -r[3])[:_MOST_COMPARED]


def _confirmed(promising: Sequence[tuple[str, str, Window, float]], paths: Mapping[str, Path]) -> list[Pair]:
    """The pairs among these that are the same to the pixel, or nearly so."""
    pairs: dict[tuple[str, str], float] = {}
    for whole, rows in groupby(sorted(promising, key=lambda r: r[0]), key=lambda r: r[0]):
        large = _opened(paths[whole])
        for _, part, window, _ in rows:
            small = _opened(paths[part]) if large else None
            likeness = is_part(large, small, window) if large and small else 0.0
            if likeness >= _SAME:
                pair = (min(whole, part), max(whole, part))
                pairs[pair] = max(pairs.get(pair, 0.0), likeness)
    listed = [Pair(first, second, min(likeness, 1.0)) for (first, second), likeness in pairs.items()]
    return sorted(listed, key=lambda p: (-p.likeness, p.first, p.second))


def _opened(path: Path) -> Decoded | None:
    try:
        return open_picture(path, at_least=DECODED_AT)[0]
    except BadPicture:
        return None


@cache
def _windows() -> tuple[Window, ...]:
    """Windows so close that every cut-out has one that is off by a pixel of the fingerprint at most."""
    found = []
    for scale in _SCALES:
        starts = np.linspace(0, 1 - scale, int(np.ceil((1 - scale) * SIDE / 2)) + 1)
        found += [Window(scale, float(top), float(left)) for top in starts for left in starts]
    return tuple(found)


def _waves(tones: np.ndarray, window: Window) -> np.ndarray:
    """Unit vectors (N, 144) of a window of tones, float32 (N, 32, 32): see `duplicates`."""
    down, across = (_transform(window.scale, start) for start in (window.top, window.left))
    frequency = np.arange(_FREQUENCIES, dtype=np.float32)
    waves = (down @ tones @ across.T * np.hypot(frequency[:, None], frequency)).reshape(len(tones), -1)
    return np.asarray(waves / np.maximum(np.linalg.norm(waves, axis=1, keepdims=True), 1e-3), np.float32)


@cache
def _transform(scale: float, start: float) -> np.ndarray:
    """(12, 32): from a row of tones to the lowest waves of a part of it, stretched to the whole row."""
    from scipy.fft import dct

    at = np.clip(start * SIDE + (np.arange(SIDE) + 0.5) * scale - 0.5, 0, SIDE - 1)
    below = np.minimum(at.astype(int), SIDE - 2)
    stretch = np.zeros((SIDE, SIDE))
    stretch[np.arange(SIDE), below] = 1 - (at - below)
    stretch[np.arange(SIDE), below + 1] = at - below
    return np.asarray(dct(stretch, axis=0, norm="ortho")[:_FREQUENCIES], np.float32)


def _edges(grey: np.ndarray) -> np.ndarray:
    """Differences to the pixel below and to the right, float32 (2, side - 1, side - 1)."""
    return np.stack([np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1]])


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """The largest normalised cross-correlation of edges over shifts of up to eight pixels."""
    from scipy.fft import fft2, ifft2

    lengths = [float((e**2).sum()) for e in (first, second)]
    if min(lengths) < first.size * _LEAST_EDGES**2 / 2:
        return 0.0
    shifted = np.real(ifft2((fft2(first) * np.conj(fft2(second))).sum(axis=0)))
    near = np.r_[0 : _SHIFTS + 1, -_SHIFTS:0]
    return float(shifted[np.ix_(near, near)].max() / np.sqrt(lengths[0] * lengths[1]))


def _kept(project: Project) -> tuple[set[str], list[Pair]]:
    kept = storage.read_json(_path(project))
    try:
        if kept["version"] == _VERSION:
            return set(kept["searched"]), [Pair(str(a), str(b), float(value)) for a, b, value in kept["pairs"]]
    except (KeyError, TypeError, ValueError):
        pass
    return set(), []


def _path(project: Project) -> Path:
    return project.cache / "crops.json"
