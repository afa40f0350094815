"""A change to pictures is a list of moves, carried out one after the other and written to the history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgtag.core import storage
from imgtag.core.errors import NotFound
from imgtag.data.dataset import class_folders
from imgtag.data.history import Move, place, remember
from imgtag.data.projects import Project


@dataclass(frozen=True)
class Change:
    """What one step did: how many pictures it moved, and which it left alone.

    missing: ids (of an undo: file names) that are gone. elsewhere: the class, "" for unsorted, of those that somebody
    had moved before, by id.
    """

    moved: int
    missing: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def folder_of(label: str) -> str:
    """The folder of a class, relative to the project; of the unsorted for an empty label."""
    return f"images/{label}" if label else "unsorted"


def carry_out(
    project: Project, action: str, wanted: Iterable[tuple[str, Path, Path]], batch: str = "", **more: Any
) -> list[Move]:
    """Move (id, source, target) one after the other; what was moved is remembered even if a later one fails."""
    moves: list[Move] = []
    try:
        for id_, source, target in wanted:
            landed = storage.move(source, target)
            moves.append(Move(id_, place(project, source), place(project, landed)))
    except BaseException:
        more.pop("undoes", None)  # the rest of it can still be taken back
        remember(project, action, moves, batch, **more)
        raise
    remember(project, action, moves, batch, **more)
    return moves


def trash_place(project: Project, path: Path) -> Path:
    """Where a file of the project lies in the trash: the path tells where it came from."""
    return project.trash / path.relative_to(project.path)


def require_class(project: Project, name: str) -> None:
    """Raise NotFound when there is no such class (any more)."""
    if name not in class_folders(project):
        raise NotFound(
            f"There is no class “{name}”.",
            "It was renamed, merged or removed in another window.",
            "Look at the page again and choose a class from the list.",
        )
