"""Pictures that show the same shot: saved again, resized, brightened, cut a little at the rim, mirrored, bursts.

Two fingerprints are compared by their cosine transform. Weighting each frequency by its size evens out what all
photographs have in common (their spectrum falls as 1/f; Field 1987), so that a boat on a calm sea is not like every
other boat on a calm sea. Measured on the tutorials' sets: see `bench/duplicates.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import DiskFull, NoAccess
from imgtag.data.crops import known_crops, search_crops
from imgtag.data.dataset import Picture
from imgtag.data.fingerprints import SIDE, Fingerprint, Pair, fingerprints
from imgtag.data.projects import Project

ALIKE, _MOST_ALIKE = 0.6, 0.97
_SPREADS = 5.0  # standard deviations
_FEW = 50  # pictures that say nothing about what is usual
_SAMPLE = 1000
_ALIKE_BESIDES = 0.45  # without waves straight up or across: a horizon alone makes no two seas the same
_DRIFT = 0.02
_VERSION = 1  # of the comparison: what another one found is forgotten
_FREQUENCIES = 24
_MOST_PAIRS = 20  # of a picture with others
_BLOCK = 512  # rows compared at a time: memory stays flat
_EMPTY = 0.5  # of a grey level: a blank picture is like nothing


def find_duplicates(
    project: Project,
    pictures: Sequence[Picture],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    thoroughly: bool = False,
) -> list[Pair]:
    """The pairs among these pictures; what was compared is remembered. Pictures that cannot be read are like nothing.

    thoroughly: search also those that are cut out of another one; else only what was found before is among the pairs.
    on_progress: see `fingerprints` and `search_crops`, one after the other.
    """
    found = fingerprints(project, pictures, on_progress)
    if thoroughly and usual_limit(found) == ALIKE:  # digits, say, are all cut from the same cloth
        search_crops(project, pictures, found, on_progress)
    compared, pairs, alike = _compared(project)
    if not found.keys() - compared:
        return _of_these(found, pairs, known_crops(project))
    now = usual_limit(found)
    if abs(now - alike) > _DRIFT:  # the pictures are of another kind by now: all are compared again
        compared, pairs, alike = set(), [], now
    new = near_duplicates(found, found.keys() - compared, alike)
    pairs = [p for p in pairs if p.first in found and p.second in found] + new
    pairs.sort(key=lambda p: (-p.likeness, p.first, p.second))
    kept = {"version": _VERSION, "compared": list(found), "alike": alike}
    kept["pairs"] = [[p.first, p.second, p.likeness] for p in pairs]
    with contextlib.suppress(DiskFull, NoAccess):  # only slower then
        storage.write_json(_path(project), kept, durable=False)
    return _of_these(found, pairs, known_crops(project))


def _of_these(found: Mapping[str, Fingerprint], *lists: list[Pair]) -> list[Pair]:
    """The pairs of both lists whose pictures are there; each pair once, as it comes first."""
    pairs = {frozenset((p.first, p.second)): p for pairs in reversed(lists) for p in pairs}
    there = [p for p in pairs.values() if p.first in found and p.second in found]
    return sorted(there, key=lambda p: (-p.likeness, p.first, p.second))


def same_shots(project: Project, pictures: Sequence[Picture]) -> list[list[str]]:
    """Groups of ids of these pictures that show the same shot."""
    return joined((p.first, p.second) for p in find_duplicates(project, pictures))


def usual_limit(found: Mapping[str, Fingerprint]) -> float:
    """The likeness from which two of these pictures are the same shot: far beyond what is usual among them.

    Photographs of different things are hardly alike, so 0.6 will do; digits or pictures of one fixed camera are all
    rather alike, and only the very same stands out.
    """
    if len(found) < _FEW:
        return ALIKE
    step = -(-len(found) // _SAMPLE)
    some = _descriptors(np.stack([found[i].tones for i in sorted(found)[::step]]))
    pairs = (some @ some.T)[np.triu_indices(len(some), 1)]
    # From the lower half alone: bursts, which this is to find, would widen the upper one.
    low, middle = np.percentile(pairs, (15.87, 50))
    return float(np.clip(middle + _SPREADS * (middle - low), ALIKE, _MOST_ALIKE))


def near_duplicates(
    found: Mapping[str, Fingerprint], among: Set[str] | None = None, alike: float = ALIKE
) -> list[Pair]:
    """Pairs of pictures with at least this likeness, most alike first; for each picture its 20 nearest.

    among: only pairs with at least one of these ids; None means all. Takes about a second for 10,000 pictures.
    """
    ids = list(found)
    rows = [position for position, id_ in enumerate(ids) if among is None or id_ in among]
    if not rows:
        return []
    every = _descriptors(np.stack([f.tones for f in found.values()]))
    mirror = _mirrored()
    pairs: dict[tuple[int, int], float] = {}
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        for asked in (every[block], every[block] * mirror):
            likeness = asked @ every.T
            likeness[np.arange(len(block)), block] = -1  # not with itself
            # In a burst of a thousand all are like all: the nearest of each hold it together.
            nearest = np.argpartition(-likeness, min(_MOST_PAIRS, len(ids)) - 1, axis=1)[:, :_MOST_PAIRS]
            at, column = np.nonzero(np.take_along_axis(likeness, nearest, axis=1) >= alike)
            other = nearest[at, column]
            real = _besides(asked[at], every[other]) >= _ALIKE_BESIDES
            for a, b in zip(at[real].tolist(), other[real].tolist(), strict=True):
                pair = (min(block[a], b), max(block[a], b))
                pairs[pair] = max(pairs.get(pair, 0.0), float(likeness[a, b]))
    listed = [Pair(ids[a], ids[b], min(value, 1.0)) for (a, b), value in pairs.items()]
    return sorted(listed, key=lambda p: (-p.likeness, p.first, p.second))


def joined(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of ids that are connected by pairs, the largest first."""
    edges = list(pairs)
    ids = sorted({id_ for edge in edges for id_ in edge})
    if not ids:
        return []
    position = {id_: i for i, id_ in enumerate(ids)}
    first, second = ([position[edge[end]] for edge in edges] for end in (0, 1))
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges)), (first, second)), shape=(len(ids), len(ids)))
    groups: dict[int, list[str]] = {}
    for id_, group in zip(ids, connected_components(graph, directed=False)[1].tolist(), strict=True):
        groups.setdefault(group, []).append(id_)
    return sorted(groups.values(), key=lambda g: (-len(g), g))


def _compared(project: Project) -> tuple[set[str], list[Pair], float]:
    """The ids that were compared with one another, the pairs that were found, and the likeness that was asked."""
    kept = storage.read_json(_path(project))
    try:
        if kept["version"] == _VERSION:
            pairs = [Pair(str(a), str(b), float(value)) for a, b, value in kept["pairs"]]
            return set(kept["compared"]), pairs, float(kept["alike"])
    except (KeyError, TypeError, ValueError):
        pass
    return set(), [], ALIKE


def _path(project: Project) -> Path:
    return project.cache / "duplicates.json"


def _descriptors(tones: np.ndarray) -> np.ndarray:
    """Unit vectors, float32 (N, 576), of tones, uint8 (N, 32, 32); zero for a blank picture."""
    from scipy.fft import dctn  # a quarter of a second: a trainer that compares nothing does not wait for it

    frequency = np.arange(SIDE, dtype=np.float32)
    weight = np.hypot(frequency[:, None], frequency)  # none for the mean: brightness does not count
    parts = []
    for start in range(0, len(tones), _BLOCK):
        some = tones[start : start + _BLOCK].astype(np.float32)
        waves = (dctn(some, axes=(1, 2), norm="ortho") * weight)[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(some), -1)
        blank = some.std(axis=(1, 2)) < _EMPTY
        waves[blank] = 0
        parts.append(waves / np.maximum(np.linalg.norm(waves, axis=1, keepdims=True), 1e-6))
    return np.concatenate(parts)


def _besides(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Likeness (M,) of descriptors (M, 576), row by row, without the waves that run straight up or straight across."""
    inner = (_FREQUENCIES - 1) ** 2
    a, b = (d.reshape(-1, _FREQUENCIES, _FREQUENCIES)[:, 1:, 1:].reshape(-1, inner) for d in (first, second))
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / np.maximum(length, 1e-6))


def _mirrored() -> np.ndarray:
    """Signs that turn a descriptor into that of the mirrored picture: odd waves across it change theirs."""
    sign = np.where(np.arange(_FREQUENCIES) % 2, -1.0, 1.0).astype(np.float32)
    return np.broadcast_to(sign, (_FREQUENCIES, _FREQUENCIES)).reshape(-1)
