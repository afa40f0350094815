"""Who did what, as a table."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from imgtag.data import history
from imgtag.data.projects import Project
from imgtag.ui.who import name_field
from imgtag.ui.widgets import folded


def history_area(project: Project) -> None:
    """The last changes to the pictures, newest first, and the name under which one's own are written down."""
    opened = folded("History", ":material/history:", key=f"history {project.name}")
    if opened is None:
        return
    with opened:
        name_field()
        rows = history.entries(project)
        if not rows:
            st.caption("Nothing was changed yet.")
            return
        table = pd.DataFrame(
            [
                (time.strftime("%d %b %Y, %H:%M", time.localtime(e.time)), e.who, e.what, "taken back" * e.undone)
                for e in rows
            ],
            columns=["When", "Who", "What", ""],
        )
        st.dataframe(table, hide_index=True, height=min(400, 38 + 35 * len(table)))
