"""Looks at a project's pictures before any training asks: python -m imgtag.training.looker PROJECT_DIR.

A process of its own with low priority, so that no page waits for a network. What it has seen is in the feature cache,
which suggestions read and trainings use again.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

from imgtag.core import locks, storage
from imgtag.core.errors import Conflict, ImgtagError
from imgtag.data.dataset import Picture, Whereabouts, look
from imgtag.data.projects import Project
from imgtag.training.ahead import LOCK, LOOKERS, networks_for, tell, unreadable, views_by
from imgtag.training.backbones import Backbone
from imgtag.training.extractor import load_extractor
from imgtag.training.features import Features, Unreadable, cached_ids, compute_features
from imgtag.training.worker import lower_priority, tune_allocator

_TELL_EVERY_S = 0.5
_PATIENCE_S = 3600.0


def look_now(project: Project) -> None:
    """Compute the features of the LOOKERS that are missing in this process, waiting for a looker that is at it. Raises
    NotFound when a network is not to be had."""
    with locks.locked(project.cache / LOCK, wait_s=_PATIENCE_S):
        for row in networks_for(len(look(project).pictures)):
            if row in LOOKERS:
                look_with(project, row)


def main(project_dir: str) -> int:
    """Compute the features that are missing; the exit status is 0 unless the network is not to be had."""
    logging.basicConfig(level=logging.WARNING)
    tune_allocator()
    lower_priority(10)  # somebody sorts meanwhile
    project = Project(Path(project_dir).absolute())
    try:
        with locks.locked(project.cache / LOCK, wait_s=0.1):
            for row in networks_for(len(look(project).pictures)):
                look_with(project, row)
    except Conflict:  # another one is at it
        return 0
    except ImgtagError as error:
        tell(project, unreadable=sorted(unreadable(project)), error=str(error))
        return 1
    finally:
        if not (project.path / "project.json").exists():  # trashed meanwhile: its name must be free again
            storage.remove_folder(project.cache)
            storage.remove_if_empty(project.path)
    return 0


def look_with(project: Project, row: Backbone) -> None:
    """Features of every picture of which views are missing by this network, the unsorted first."""
    dataset = look(project)
    spoilt = unreadable(project)
    seen = {view: cached_ids(project.cache, row, view) for view in views_by(row)}
    missing: dict[tuple[str, ...], list[Picture]] = {}
    for picture in [*dataset.unsorted, *dataset.labelled]:
        views = tuple(view for view, ids in seen.items() if picture.id not in ids)
        if views and picture.id not in spoilt:
            missing.setdefault(views, []).append(picture)
    if not missing:
        return
    total = sum(map(len, missing.values()))
    tell(project, 0, total, sorted(spoilt))
    extractor = load_extractor(row)
    done, told = 0, 0.0
    failed: list[Unreadable] = []

    def on_batch(fresh: Features) -> None:
        nonlocal done, told
        done += len(next(iter(fresh.values())))
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            tell(project, done + len(failed), total, sorted(spoilt))

    id_of: dict[str, str] = {}
    for views, pictures in missing.items():
        ids = [p.id for p in pictures]
        files = Whereabouts(project, ids, [p.path for p in pictures])
        compute_features(project.cache, row, extractor, zip(ids, files, strict=True), views, on_batch, failed)
        id_of |= {str(path): id_ for id_, path in zip(ids, files, strict=True)}
    gone = {id_of.get(u.path, "") for u in failed if Path(u.path).exists()} - {""}
    tell(project, total, total, sorted(spoilt | gone))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
