"""What was seen of a project's pictures before any training: how far the looker is, and what it found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgtag.core import locks, storage
from imgtag.data.projects import Project
from imgtag.training.backbones import BACKBONES, Backbone, at_size
from imgtag.training.features import VIEWS, cached_features, cached_ids

LOCK = ".looking.lock"
# The two of balanced training: first the quick one, then the one that suggests better, and that at mirror images, too.
# In simulations on the stored features, the second asked for a sixth fewer corrections on boats-small, and the mirror
# images saved 2 % of the actions on boats-small and 5 % on aerial-small.
LOOKERS = (BACKBONES["efficientnet_lite0"], BACKBONES["efficientnet_lite2"])
# The better one once more at larger pictures, as a second look at each. In draws of 60, 150 and 300 sorted pictures
# (16 each) the head was right about the others more often by 0.7 to 0.8 points on boats-small, 0.6 to 0.9 on
# aerial-small and 0.1 to 0.4 on monkeys-small. A network gains from more pixels than it was trained with
# (Touvron et al., Fixing the train-test resolution discrepancy, 2019).
CLOSELY = at_size(LOOKERS[1], 320)
TWICE_UP_TO, CLOSELY_UP_TO = 4000, 2000  # pictures: minutes on two cores


@dataclass(frozen=True)
class Looking:
    """How far the looker is. `error` is a sentence when it could not work."""

    working: bool
    done: int
    total: int
    error: str


def views_by(row: Backbone) -> tuple[str, ...]:
    """The views of each picture that the looker takes with this network."""
    return VIEWS[:1] if row is LOOKERS[0] else VIEWS


def networks_for(pictures: int) -> tuple[Backbone, ...]:
    """The networks that look at a project of so many pictures, one after the other."""
    if pictures > TWICE_UP_TO:
        return LOOKERS[:1]
    return LOOKERS if pictures > CLOSELY_UP_TO else (*LOOKERS, CLOSELY)


def tell(project: Project, done: int = 0, total: int = 0, unreadable: Sequence[str] = (), error: str = "") -> None:
    """Write down how far the looker is."""
    status = {"done": done, "total": total, "unreadable": list(unreadable), "error": error, "updated": time.time()}
    storage.write_json(project.cache / "looking.json", status, durable=False)


def looking(project: Project) -> Looking:
    """How far the looker is, or was when it ended."""
    kept = storage.read_json(project.cache / "looking.json")
    status = kept if isinstance(kept, dict) else {}
    working = locks.is_held(project.cache / LOCK)
    return Looking(working, int(status.get("done", 0)), int(status.get("total", 0)), str(status.get("error", "")))


def unreadable(project: Project) -> set[str]:
    """The ids of pictures that the looker could not read."""
    kept = storage.read_json(project.cache / "looking.json")
    return set(kept.get("unreadable", [])) if isinstance(kept, dict) else set()


def not_seen(project: Project, ids: Sequence[str]) -> int:
    """How many of these pictures nobody has looked at yet; those that could not be read do not count."""
    return len(set(ids) - cached_ids(project.cache, LOOKERS[0]) - unreadable(project))


def seen_by(project: Project, ids: Sequence[str]) -> Backbone:
    """The better network, once it has seen all of these pictures that the quick one has; until then the quick one."""
    quick, better = (cached_ids(project.cache, row) & set(ids) for row in LOOKERS)
    return LOOKERS[1] if better and better >= quick else LOOKERS[0]


def seen_by_all(project: Project, ids: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """The features by each network that has seen as many of these pictures as the one that has seen the most."""
    wanted = set(ids)
    seen_ids = {row.name: cached_ids(project.cache, row) & wanted for row in LOOKERS}
    most = max(map(len, seen_ids.values()))
    return [cached_features(project.cache, row, ids) for row in LOOKERS if most and len(seen_ids[row.name]) == most]


def seen(project: Project, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """The features, float16 (D,), of those of these pictures that were looked at, all by one network."""
    return cached_features(project.cache, seen_by(project, ids), ids)


def looks(project: Project, ids: Sequence[str]) -> list[tuple[Backbone, tuple[str, ...]]]:
    """The network of `seen` with the views that it has of all of these pictures; then CLOSELY, if it has them, too."""
    best, wanted = seen_by(project, ids), set(ids)
    first = cached_ids(project.cache, best) & wanted
    found = []
    for row in (best, CLOSELY) if best is LOOKERS[1] else (best,):
        views = tuple(view for view in views_by(row) if cached_ids(project.cache, row, view) >= first)
        if views:
            found.append((row, views))
    return found


def seen_looks(project: Project, ids: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """As `seen`, for each of the `looks` at these pictures: the mean of its views.

    Learning from plain and mirrored features side by side was not better than from their mean, and takes twice as long.
    """
    return [
        _mean([cached_features(project.cache, row, ids, view) for view in views]) for row, views in looks(project, ids)
    ]


def _mean(views: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean of the views of each picture, float16 (D,)."""
    whole = set(views[0]).intersection(*views[1:])
    means = {i: np.stack([view[i] for view in views]).mean(axis=0, dtype=np.float32) for i in whole}
    return {i: np.asarray(mean, np.float16) for i, mean in means.items()}


def all_looked(project: Project, ids: Sequence[str]) -> bool:
    """Whether every look that so many pictures are worth was taken at each of them that was looked at at all."""
    wanted, taken = set(ids), [(row, view) for row in networks_for(len(ids)) for view in views_by(row)]
    found = [cached_ids(project.cache, row, view) & wanted for row, view in taken]
    return all(seen == set().union(*found) for seen in found)
