"""Doing what a person asked for in a sorting grid, and saying what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import streamlit as st

from imgtag.core.errors import ImgtagError
from imgtag.core.names import same_name
from imgtag.core.words import count
from imgtag.data import class_edits, edits, history
from imgtag.data.dataset import UNSORTED, Dataset, class_folders
from imgtag.data.moves import Change
from imgtag.data.projects import Project
from imgtag.data.shortcuts import class_keys
from imgtag.ui.grid import Step, Target
from imgtag.ui.who import who
from imgtag.ui.widgets import flash, flash_error

_LOOK_EVERY_S = 4.0


def targets_of(project: Project, dataset: Dataset, more: Mapping[str, str] | None = None) -> list[Target]:
    """The classes that pictures can be given: those with a key first, in the order of the keys.

    more: with what people call them, those to offer where the project has none.
    """
    counts = dataset.counts or dict.fromkeys(more or {}, 0)
    keys, shown = class_keys(project, list(counts)), {**(more or {}), **project.display_names()}
    targets = [Target(c, shown.get(c) or c, number, keys.get(c, 0)) for c, number in counts.items()]
    return sorted(targets, key=lambda t: t.key or len(targets) + 9)


def carry_out(project: Project, step: Step, *, decides: bool = False) -> None:
    """Do one step. What the grid cannot know leaves a message: what was taken back, and what was left alone; the rest
    the grid says itself, at once.

    decides: the labels were in question, so that what is chosen now is not asked again.
    """
    if step.action == "similar":
        st.session_state[_similar(project)] = step.ids[0]
        return
    try:
        named = {"who": who(), **({"decided": "yes"} if decides else {})}
        if words := _carried_out(project, step, named):
            flash(words)
    except ImgtagError as error:
        flash_error(error)


@st.fragment(run_every=_LOOK_EVERY_S)
def follow_others(project: Project, size: int) -> None:
    """Draw the page again when somebody else has changed something. size: see `history.size`."""
    if history.size(project) != size:
        st.rerun()


def asked_for(project: Project) -> str:
    """The id of the picture whose like somebody asked for; empty when nobody did."""
    return str(st.session_state.get(_similar(project), ""))


def forget_asked(project: Project) -> None:
    """Go back to what was shown before."""
    st.session_state.pop(_similar(project), None)


def _similar(project: Project) -> str:
    return f"similar to {project.name}"


def _carried_out(project: Project, step: Step, named: Mapping[str, str]) -> str:
    if step.action == "accept":
        labels = {id_: label for id_, label in zip(step.ids, step.proposed, strict=False) if label}
        done = edits.sort_pictures(project, labels, seen=step.seen, accepted="yes", **named)
        return _left_alone(project, f"{count(done.moved, 'suggestion')} accepted.", done)
    if step.action == "undo":
        what = history.last_change(project)
        if what.startswith("adding"):
            return f"The last change was {what}: an import is taken back on the page Collect."
        others = [
            str(row["who"]) for row in history.last_batch(project) if row.get("who", named["who"]) != named["who"]
        ]
        if others:
            return f"The last change was {what}, by {others[0]}. It can be taken back on the page Collect."
        done = edits.undo(project, who=named["who"])
        taken_back = f"Taken back: {what}."
        return _left_alone(project, taken_back, done) or taken_back
    if step.action == "keep":
        done = edits.keep_labels(project, step.ids, who=named["who"])
        return _left_alone(project, f"{count(done.moved, 'label')} kept.", done)
    if step.action == "trash":
        done = edits.trash_pictures(project, step.ids, seen=step.seen, who=named["who"])
        return _left_alone(project, f"{count(done.moved, 'picture')} moved to the trash.", done)
    target = _ensure_class(project, step.target) if step.action == "class" else step.target
    done = edits.move_pictures(project, step.ids, target, seen=step.seen, **named)
    where = f"“{project.display_name(target)}”" if target else "unsorted"
    return _left_alone(project, f"{count(done.moved, 'picture')} moved to {where}.", done)


def _ensure_class(project: Project, name: str) -> str:
    """The class with that name; made now if there is none."""
    for there in class_folders(project):
        if same_name(there, name):
            return there
    return class_edits.add_class(project, name)


def _left_alone(project: Project, words: str, done: Change) -> str:
    """What was done in words, and what was not, because somebody else was first; nothing if nobody was."""
    parts = []
    if done.elsewhere:
        places = Counter(done.elsewhere.values())
        named = ", ".join(
            f"{project.display_name(p) if p != UNSORTED else 'unsorted'} ({n})" for p, n in places.items()
        )
        parts.append(f"{count(len(done.elsewhere), 'was', 'were')} moved before in another window: {named}.")
    if done.missing:
        parts.append(f"{count(len(done.missing), 'is', 'are')} gone.")
    return " ".join([words, *parts]) if parts else ""
