"""What a project holds, read from the disk."""

from __future__ import annotations

from imgtag.data.dataset import look
from imgtag.data.projects import Project
from tests.drawing import hashes


def labels(project: Project) -> dict[str, str]:
    """The label of every picture, by id."""
    return {p.id: p.label for p in look(project).pictures}


def all_bytes(project: Project) -> set[str]:
    """The sha256 of every picture, wherever it lies: the invariant behind everything here."""
    return hashes(project.images) | hashes(project.unsorted) | hashes(project.trash)


def ids(project: Project, label: str) -> list[str]:
    """Ids of a class's pictures."""
    return [p.id for p in look(project).pictures if p.label == label]
