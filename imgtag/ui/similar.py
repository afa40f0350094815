"""Find similar: one picture and those that look most like it, sorted or not, to be given a class together."""

from __future__ import annotations

import streamlit as st

from imgtag.data import history
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.ui.grid import sort_grid, tile
from imgtag.ui.sorting import asked_for, carry_out, forget_asked, targets_of
from imgtag.ui.text import literal
from imgtag.ui.waiting import looked_at, worked_out
from imgtag.ui.widgets import scroll_to_top

_MOST = 60


def similar_area(project: Project, dataset: Dataset) -> bool:
    """Show what looks like the picture that was asked for; False when none was."""
    id_ = asked_for(project)
    if id_ not in dataset.by_id:
        return False
    if st.session_state.get("similar shown") != id_:  # the button may have been far below
        st.session_state["similar shown"] = id_
        scroll_to_top()
    st.subheader(f"Similar to {literal(dataset.by_id[id_].name)}", anchor=False)
    if st.button("Back to sorting", icon=":material/arrow_back:"):
        forget_asked(project)
        st.session_state.pop("similar shown", None)
        st.rerun()
    if not looked_at(project, dataset):
        return True
    ids = [p.id for p in dataset.pictures]
    state = hash((id_, tuple(ids), ahead.not_seen(project, ids), ahead.seen_by(project, ids).name))
    found = worked_out(
        project, "similar", state, lambda _: _nearest(project, id_, ids), title="Similar pictures", older=False
    )
    if not found:
        return True
    there = [dataset.by_id[i] for i in found if i in dataset.by_id]
    st.caption("The picture itself first, then the most similar ones. Those without a class are unsorted.")
    sort_grid(
        [tile(project, p.id, p.name, project.display_name(p.label) if p.label else "unsorted") for p in there],
        targets_of(project, dataset),
        lambda step: carry_out(project, step),
        key=f"similar grid {project.name}",
        label="Similar pictures",
        place=None,
        page=id_,
        undo=history.last_change(project),
        similar=True,
    )
    return True


def _nearest(project: Project, id_: str, ids: list[str]) -> list[str]:
    from imgtag.training.assistant import most_like

    return most_like(id_, ahead.seen(project, ids), _MOST)
