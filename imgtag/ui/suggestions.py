"""Offers to sort pictures, which the user accepts or leaves."""

from __future__ import annotations

import streamlit as st

from imgtag.core.words import count
from imgtag.data import class_edits
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.data.suggestions import accept_names, names_tell
from imgtag.ui.errors import shown_errors
from imgtag.ui.navigation import go
from imgtag.ui.orders import ALIKE, change_order
from imgtag.ui.text import literal
from imgtag.ui.who import who
from imgtag.ui.widgets import flash


def offer_to_sort(project: Project, dataset: Dataset) -> None:
    """Ask about a folder that is the only class so far: it may be a heap of photographs of different things."""
    if len(dataset.class_names) != 1 or dataset.unsorted or len(dataset.labelled) < 2:
        return
    [name] = dataset.class_names
    with st.container(border=True):
        st.markdown(
            f":material/help: All pictures are in one class, **{literal(project.display_name(name))}**, after their "
            "folder. If they all show the same, add the folder of the next class. If they show different things, sort "
            "them: pictures that look alike can be named together."
        )
        if st.button("They show different things: sort them", type="primary", icon=":material/label:"):
            with shown_errors():
                done = class_edits.unsort_class(project, name, who=who())
                flash(f"{count(done.moved, 'picture')} wait to be sorted. This can be undone.")
                change_order(project, ALIKE)
                go("label")


def offer_names(project: Project, dataset: Dataset) -> None:
    """Offer to sort the unsorted pictures whose file names tell their class; nothing when there are none."""
    told = names_tell(dataset)
    if not told:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        listed = ", ".join(sorted({literal(project.display_name(label)) for label in told.values()}))
        st.markdown(
            f":material/lightbulb: The file names of **{count(len(told), 'unsorted picture')}** "
            f"tell their class ({listed}).",
            width="stretch",
        )
        if st.button("Sort them by name", type="primary"):
            flash(f"{count(accept_names(project), 'picture')} sorted by name. This can be undone.")
            st.rerun()
