"""Suggestions for unsorted pictures. In this version: the class that the file name tells."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from imgtag.data.dataset import Dataset, Picture, look
from imgtag.data.edits import move_pictures
from imgtag.data.history import doubts
from imgtag.data.layout import guess_by_name
from imgtag.data.projects import Project


def names_tell(dataset: Dataset) -> dict[str, str]:
    """The class that an unsorted picture's file name tells, by id. Pictures in doubt are left out."""
    in_doubt = doubts(dataset.project)
    names = {p.id: _original_name(p) for p in dataset.unsorted if p.id not in in_doubt}
    found = _guesses(tuple(names.values()), tuple(dataset.class_names))
    return {id_: found[name] for id_, name in names.items() if name in found}


def accept_names(project: Project) -> int:
    """Sort the pictures whose names tell their class; returns how many."""
    told = names_tell(look(project))
    moved = 0
    for label in sorted(set(told.values())):
        moved += move_pictures(project, [id_ for id_, tells in told.items() if tells == label], label).moved
    return moved


@lru_cache(maxsize=2)  # a page asks at every step, and 10,000 names take a tenth of a second
def _guesses(names: tuple[str, ...], classes: tuple[str, ...]) -> Mapping[str, str]:
    return guess_by_name(names, classes)


def _original_name(picture: Picture) -> str:
    # Stored names end in a part of the sha256, whose digits must not be taken for the class “7”.
    return picture.path.stem.removesuffix(f"-{picture.id[:12]}") + picture.path.suffix
