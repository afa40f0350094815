"""The trash of a project: look, restore, empty."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from imgtag.core.storage import sha256_of
from imgtag.core.words import count
from imgtag.data import edits, history
from imgtag.data.projects import Project
from imgtag.ui.classes import undo_button
from imgtag.ui.errors import shown_errors
from imgtag.ui.grid import PAGE_SIZE, Step, sort_grid, tile
from imgtag.ui.widgets import confirm, flash, folded


def trash_area(project: Project) -> None:
    """Undo, and what is in the trash with the ways back."""
    undo_button(project)
    files = edits.trashed_pictures(project)
    if not files:
        return
    part = folded("Trash", icon=":material/delete:", key=f"trash {project.name}")
    if part is None:
        return
    with part:
        _pictures(project, files)
        if st.button("Empty the trash for good"):
            confirm(
                "Empty the trash?",
                f"{count(len(files), 'picture')} will be deleted for good. This cannot be undone.",
                "Delete for good",
                lambda: flash(f"{count(edits.empty_trash(project), 'picture')} deleted."),
            )


def _pictures(project: Project, files: list[Path]) -> None:
    """What is in the trash, the last ones first, to go back where it came from."""
    there = history.trashed(project)
    known = set(there.values())
    there |= {sha256_of(file): file for file in files if file not in known}  # put there with a file manager, or copies

    def apply(step: Step) -> None:
        with shown_errors():
            done = edits.restore_pictures(project, [there[i] for i in step.ids if i in there])
            flash(f"{count(done.moved, 'picture')} restored.")

    shown = list(there.items())[:PAGE_SIZE]
    sort_grid(
        [tile(project, id_, path.name, _home(project, path)) for id_, path in shown],
        [],
        apply,
        key=f"trash grid {project.name}",
        label="Pictures in the trash",
        place=None,
        accepts=True,
        restores=True,
        size=110,
    )
    if len(there) > len(shown):
        st.caption(f"These are the last {len(shown)} of {len(there):,}.")


def _home(project: Project, path: Path) -> str:
    """The class that a picture in the trash came from."""
    place = path.parent.relative_to(project.trash)
    return project.display_name(place.name) if place.parts[:1] == ("images",) else "unsorted"
