"""Doing what a person asked for in a sorting grid, and saying what came of it."""

from __future__ import annotations

from collections import Counter

from imgtag.core.errors import ImgtagError
from imgtag.core.names import same_name
from imgtag.data import edits
from imgtag.data.dataset import UNSORTED, Dataset, class_folders
from imgtag.data.projects import Project
from imgtag.data.shortcuts import class_keys
from imgtag.ui.grid import Step, Target
from imgtag.ui.text import count
from imgtag.ui.widgets import flash, flash_error


def targets_of(project: Project, dataset: Dataset) -> list[Target]:
    """The classes that pictures can be given."""
    keys, shown = class_keys(project, dataset.class_names), project.display_names()
    return [Target(c, shown.get(c) or c, number, keys.get(c, 0)) for c, number in dataset.counts.items()]


def carry_out(project: Project, step: Step) -> None:
    """Do one step and leave a message about it."""
    try:
        flash(_carried_out(project, step))
    except ImgtagError as error:
        flash_error(error)


def _carried_out(project: Project, step: Step) -> str:
    if step.action == "undo":
        done = edits.undo(project)
        return f"{count(done.moved, 'picture')} moved back." + _left_alone(project, done)
    if step.action == "trash":
        done = edits.trash_pictures(project, step.ids, seen=step.seen)
        return f"{count(done.moved, 'picture')} moved to the trash." + _left_alone(project, done)
    target = _ensure_class(project, step.target) if step.action == "class" else step.target
    done = edits.move_pictures(project, step.ids, target, seen=step.seen)
    where = f"“{project.display_name(target)}”" if target else "unsorted"
    return f"{count(done.moved, 'picture')} moved to {where}." + _left_alone(project, done)


def _ensure_class(project: Project, name: str) -> str:
    """The class with that name; made now if there is none."""
    for there in class_folders(project):
        if same_name(there, name):
            return there
    return edits.add_class(project, name)


def _left_alone(project: Project, done: edits.Change) -> str:
    """What could not be moved, because somebody else was first."""
    parts = []
    if done.elsewhere:
        places = Counter(done.elsewhere.values())
        named = ", ".join(
            f"{project.display_name(p) if p != UNSORTED else 'unsorted'} ({n})" for p, n in places.items()
        )
        parts.append(f"{count(len(done.elsewhere), 'was', 'were')} moved before in another window: {named}.")
    if done.missing:
        parts.append(f"{count(len(done.missing), 'is', 'are')} gone.")
    return "".join(f" {part}" for part in parts)
