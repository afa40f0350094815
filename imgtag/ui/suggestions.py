"""Offers to sort pictures, which the user accepts or leaves."""

from __future__ import annotations

import streamlit as st

from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.data.suggestions import accept_names, names_tell
from imgtag.ui.text import count, literal
from imgtag.ui.widgets import flash


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
