"""The classes of a project: add, rename, give a name to show, merge, move to the trash, undo."""

from __future__ import annotations

import streamlit as st

from imgtag.core.words import count
from imgtag.data import class_edits, edits, history
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.ui.errors import shown_errors
from imgtag.ui.text import literal
from imgtag.ui.who import who
from imgtag.ui.widgets import choose, confirm, flash

_ADDED = "classes added"
_EDITED = "class to edit"


def add_class_form(project: Project) -> None:
    """A line to make an empty class. A refused name stays in the field, to be mended."""
    version = st.session_state.get(_ADDED, 0)
    with (
        st.form("add class", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        name = st.text_input("New class", placeholder="for example: sailboat", max_chars=60, key=f"new class {version}")
        asked = st.form_submit_button("Add class", icon=":material/add:")
    if asked and name.strip():
        with shown_errors():
            flash(f"Class “{class_edits.add_class(project, name)}” was added.")
            st.session_state[_ADDED] = version + 1
            st.rerun()


def class_table(project: Project, dataset: Dataset) -> None:
    """One class at a time: choose it, then change it."""
    with st.expander("Rename, merge or remove a class"):
        names = list(dataset.class_names)
        chosen = choose("Class", names, lambda n: described(project, dataset, n), key=_EDITED)
        if not chosen:
            st.caption("Choose the class that you want to change.")
            return
        _rename(project, chosen)
        _merge(project, dataset, chosen)
        if st.button(f"Move “{literal(project.display_name(chosen))}” to the trash", icon=":material/delete:"):
            confirm(
                f"Move “{literal(project.display_name(chosen))}” to the trash?",
                f"Its {count(dataset.counts[chosen], 'picture')} can be restored from the trash.",
                "Move to trash",
                lambda: _trash(project, chosen),
            )


def _rename(project: Project, chosen: str) -> None:
    with st.form(f"display {chosen}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        shown = st.text_input(
            "Shown as",
            project.display_names().get(chosen, ""),
            placeholder=chosen,
            key=f"display name {chosen}",
            max_chars=80,
        )
        if st.form_submit_button("Save name"):
            project.set_display_names({chosen: shown})
            history.tell(project, f"showing “{chosen}” as “{shown or chosen}”", who())
            flash("Saved.")
            st.rerun()
    with st.form(f"rename {chosen}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        folder = st.text_input("Folder", chosen, key=f"folder {chosen}", max_chars=60)
        asked = st.form_submit_button("Rename folder")
    if asked and folder != chosen:
        with shown_errors():
            renamed = class_edits.rename_class(project, chosen, folder)
            st.session_state[f"{_EDITED} chosen"] = renamed  # the next step must not hit another class
            flash(f"The folder “{chosen}” is now “{renamed}”.")
            st.rerun()


def _merge(project: Project, dataset: Dataset, chosen: str) -> None:
    others = [n for n in dataset.class_names if n != chosen]
    if not others:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        into = choose("Merge into", others, lambda n: described(project, dataset, n), key=f"merge {chosen}")
        named = f" “{literal(chosen)}” into “{literal(into)}”" if into else ""
        if st.button(f"Merge{named}", disabled=not into) and into:
            with shown_errors():
                done = class_edits.merge_classes(project, chosen, into)
                st.session_state[f"{_EDITED} chosen"] = into
                flash(f"{count(done.moved, 'picture')} moved from “{chosen}” to “{into}”. This can be undone.")
                st.rerun()


def undo_button(project: Project) -> None:
    """Take back the last change to the pictures, if there is one."""
    last = history.last_change(project)
    if last and st.button(f"Undo {last}", icon=":material/undo:", key="undo"):
        with shown_errors():
            edits.undo(project, who=who())
            flash(f"Taken back: {last}.")
            st.rerun()


def _trash(project: Project, name: str) -> None:
    done = class_edits.trash_class(project, name)
    flash(f"{count(done.moved, 'picture')} moved to the trash.")


def described(project: Project, dataset: Dataset, name: str) -> str:
    """A class for a list to choose from: what it is called, its folder if that differs, its pictures."""
    shown = project.display_name(name)
    folder = f" [{name}]" if shown != name else ""
    return f"{shown}{folder} ({dataset.counts[name]})"
