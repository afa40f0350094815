"""The trash of a project: look, restore, empty."""

from __future__ import annotations

import streamlit as st

from imgtag.data import edits
from imgtag.data.projects import Project
from imgtag.ui.classes import undo_button
from imgtag.ui.errors import shown_errors
from imgtag.ui.text import count, literal
from imgtag.ui.widgets import confirm, flash


def trash_area(project: Project) -> None:
    """Undo, and what is in the trash with the ways back."""
    undo_button(project)
    files = edits.trashed_pictures(project)
    if not files:
        return
    with st.expander(f"Trash ({len(files)})", icon=":material/delete:"):
        places = sorted({p.parent.relative_to(project.trash).as_posix() for p in files})
        for place in places:
            inside = [p for p in files if p.parent.relative_to(project.trash).as_posix() == place]
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{literal(place)}: {count(len(inside), 'picture')}", width="stretch")
                if st.button("Restore", key=f"restore {place}", icon=":material/restore_from_trash:"):
                    with shown_errors():
                        done = edits.restore_pictures(project, inside)
                        flash(f"{count(done.moved, 'picture')} restored.")
                        st.rerun()
        if st.button("Empty the trash for good"):
            confirm(
                "Empty the trash?",
                f"{count(len(files), 'picture')} will be deleted for good. This cannot be undone.",
                "Delete for good",
                lambda: flash(f"{count(edits.empty_trash(project), 'picture')} deleted."),
            )
