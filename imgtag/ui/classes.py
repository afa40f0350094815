"""The classes of a project: add, rename, give a name to show, merge, move to the trash, undo."""

from __future__ import annotations

import streamlit as st

from imgtag.data import edits, history
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.ui.errors import shown_errors
from imgtag.ui.text import count, literal
from imgtag.ui.widgets import confirm, flash


def add_class_form(project: Project) -> None:
    """A line to make an empty class."""
    with (
        st.form("add class", border=False, clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        name = st.text_input("New class", placeholder="for example: sailboat", max_chars=60)
        if st.form_submit_button("Add class", icon=":material/add:"):
            with shown_errors():
                flash(f"Class “{edits.add_class(project, name)}” was added.")
                st.rerun()


def class_table(project: Project, dataset: Dataset) -> None:
    """One class at a time: choose it, then change it."""
    with st.expander("Rename, merge or remove a class", icon=":material/edit:"):
        names = list(dataset.class_names)
        chosen = st.selectbox("Class", names, format_func=lambda n: described(project, dataset, n), key="class to edit")
        if not chosen:
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            shown = st.text_input(
                "Name to show",
                project.display_names().get(chosen, ""),
                placeholder=chosen,
                key=f"display {chosen}",
                max_chars=80,
            )
            if st.button("Save name"):
                project.set_display_names({chosen: shown})
                flash("Saved.")
                st.rerun()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            folder = st.text_input("Folder", chosen, key=f"folder {chosen}", max_chars=60)
            if st.button("Rename folder", disabled=folder == chosen):
                with shown_errors():
                    edits.rename_class(project, chosen, folder)
                    flash(f"The folder is now “{folder}”.")
                    st.rerun()
        others = [n for n in names if n != chosen]
        if others:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                into = st.selectbox("Merge into", others, format_func=lambda n: described(project, dataset, n))
                if st.button("Merge"):
                    with shown_errors():
                        done = edits.merge_classes(project, chosen, into)
                        flash(f"{count(done.moved, 'picture')} moved. This can be undone.")
                        st.rerun()
        if st.button("Move this class to the trash", icon=":material/delete:"):
            confirm(
                f"Move “{literal(project.display_name(chosen))}” to the trash?",
                f"Its {count(dataset.counts[chosen], 'picture')} can be restored from the trash.",
                "Move to trash",
                lambda: _trash(project, chosen),
            )


def undo_button(project: Project) -> None:
    """Take back the last change to the pictures, if there is one."""
    last = history.last_change(project)
    if last and st.button(f"Undo {last}", icon=":material/undo:", key="undo"):
        with shown_errors():
            done = edits.undo(project)
            flash(f"{count(done.moved, 'picture')} moved back.")
            st.rerun()


def _trash(project: Project, name: str) -> None:
    done = edits.trash_class(project, name)
    flash(f"{count(done.moved, 'picture')} moved to the trash.")


def described(project: Project, dataset: Dataset, name: str) -> str:
    """A class for a list to choose from: what it is called, its folder if that differs, its pictures."""
    shown = project.display_name(name)
    folder = f" [{name}]" if shown != name else ""
    return f"{shown}{folder} ({dataset.counts[name]})"
