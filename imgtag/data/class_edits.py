"""Every change to classes: added, renamed, merged, given up. Each holds the project's lock and can be undone
(see `edits.undo`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgtag.core import locks, storage
from imgtag.core.errors import BadName
from imgtag.core.names import check_name, same_name
from imgtag.data.dataset import class_folders, look
from imgtag.data.history import Move, place, remember
from imgtag.data.moves import Change, carry_out, require_class, trash_place
from imgtag.data.projects import Project
from imgtag.data.shortcuts import rename_key


def add_class(project: Project, name: str) -> str:
    """Make an empty class folder; returns the name in canonical form."""
    name = check_name(name)
    with locks.locked(project.lock):
        _require_free(project, name)
        storage.make_folder(project.images / name)
    return name


def rename_class(project: Project, old: str, new: str) -> str:
    """Give a class folder another name; its pictures and display name go along."""
    new = check_name(new)
    with locks.locked(project.lock):
        require_class(project, old)
        if new != old:
            _require_free(project, new, but=old)
            _move_class(project, old, new, "rename class")
            move_entry(project, old, new)
    return new


def merge_classes(project: Project, source: str, into: str) -> Change:
    """Move all pictures of one class into another and drop the empty folder."""
    with locks.locked(project.lock):
        require_class(project, source)
        require_class(project, into)
        if source == into:
            return Change(0)
        return Change(_move_class(project, source, into, "merge classes"))


def unsort_class(project: Project, name: str, **who: str) -> Change:
    """Put all pictures of a class back to unsorted and drop its empty folder: the folder was no class."""
    with locks.locked(project.lock):
        require_class(project, name)
        found = [p for p in look(project).pictures if p.label == name]
        moves = carry_out(project, "move", [(p.id, p.path, project.unsorted / p.name) for p in found], **who)
        storage.remove_if_empty(project.images / name)
    return Change(len(moves))


def trash_class(project: Project, name: str) -> Change:
    """Move a class with its pictures to the trash."""
    with locks.locked(project.lock):
        require_class(project, name)
        dataset = look(project)
        pictures = [p for p in (*dataset.pictures, *dataset.copies) if p.label == name]
        moves = carry_out(project, "trash class", [(p.id, p.path, trash_place(project, p.path)) for p in pictures])
        storage.remove_if_empty(project.images / name)
    return Change(len(moves))


def case_back(project: Project, batch: Sequence[dict[str, Any]]) -> Change:
    """Undo a renaming that changed nothing but the case: file by file, some systems would see every place taken."""
    old, new = batch[0]["classes"]
    moves = []
    if new in class_folders(project):
        _step_over(project, new, old)
        moves = [Move(id_, target, origin) for row in batch for id_, origin, target in row["moves"]]
    remember(project, "undo", moves, undoes=str(batch[0]["batch"]))
    move_entry(project, new, old)
    return Change(len(moves))


def move_entry(project: Project, old: str, new: str) -> None:
    """Let a class's display name and its key go along to its new folder."""
    with project.changed_classes() as entries:
        if old in entries:
            entries[new] = entries.pop(old)
    rename_key(project, old, new)


# ----------------------------------------------------------------------------- private


def _move_class(project: Project, source: str, target: str, action: str) -> int:
    pictures = [p for p in (project.images / source).iterdir() if p.is_file()]
    dataset = look(project)
    by_path = {p.path: p.id for p in (*dataset.pictures, *dataset.copies)}
    classes = [source, target]
    folder = project.images / target
    if same_name(source, target) and source != target:  # only the case differs: step over a third name
        _step_over(project, source, target)
        moves = [Move(by_path[p], place(project, p), f"images/{target}/{p.name}") for p in pictures if p in by_path]
        remember(project, action, moves, classes=classes)
    else:
        storage.make_folder(folder)
        wanted = [(by_path.get(p, ""), p, folder / p.name) for p in pictures]
        moves = carry_out(project, action, wanted, classes=classes)
        storage.remove_if_empty(project.images / source)
    return len(moves)


def _step_over(project: Project, source: str, target: str) -> None:
    """Rename a class folder to the same name in another case, by way of a third one."""
    bridge = storage.move(project.images / source, project.images / f"{source}-renaming")
    storage.move(bridge, project.images / target)


def _require_free(project: Project, name: str, but: str = "") -> None:
    taken = [c for c in class_folders(project) if c != but and same_name(c, name)]
    if taken:
        raise BadName(
            f"There is a class “{taken[0]}” already.",
            "Two classes cannot have the same name, not even in another case.",
            "Choose another name, or merge the two classes.",
        )
