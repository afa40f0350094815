"""Labels that look wrong: one after the other is corrected, confirmed or trashed, with keys, and not asked again."""

from __future__ import annotations

import streamlit as st

from imgtag.core.words import count, percent
from imgtag.data import history
from imgtag.data.background import Job
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.review.suspects import Suspect, look_for_suspects
from imgtag.ui.grid import Tile, sort_grid, tile
from imgtag.ui.sorting import carry_out, targets_of
from imgtag.ui.waiting import forget_result, last_result, looked_at, worked_out
from imgtag.ui.widgets import empty_state

_PAGE = 30
_KIND = "suspects"


def suspects_area(project: Project, dataset: Dataset) -> None:
    """The labels that look wrong now, to be decided."""
    if len([n for n in dataset.counts.values() if n]) < 2:
        st.info("Two classes with pictures are needed to tell whether a label is right.", icon=":material/info:")
        return
    if not looked_at(project, dataset):
        return
    decided = history.decided(project)
    kept = last_result(project, _KIND)
    # The list stays as it is until all of it is decided: nothing moves while somebody works through it.
    open_now = _open(kept[1], dataset, decided) if kept else []
    state = kept[0] if kept and open_now else hash((tuple((p.id, p.label) for p in dataset.labelled), len(decided)))
    found = worked_out(project, _KIND, state, lambda job: _find(dataset, job), title="The labels")
    if found is None:
        return
    open_now = _open(found, dataset, decided)
    if not open_now:
        empty_state(
            "No label looks wrong",
            f"{count(len(dataset.labelled), 'labelled picture')} were asked of models that had not learnt them.",
            ":material/task_alt:",
        )
        return
    first = found.index(open_now[0]) // _PAGE
    page = [s for s in found[first * _PAGE : (first + 1) * _PAGE] if s in open_now]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{count(len(open_now), 'picture looks', 'pictures look')} more like another class** than like the own "
            f"one, of {len(dataset.labelled):,}. Wrong labels stand near the top, among pictures that are merely hard."
            + (f" Here are {len(page)} of them; the next come when these are decided." if page != open_now else ""),
            width="stretch",
        )
        if st.button("Look again", icon=":material/refresh:", help="With what you have decided so far"):
            forget_result(project, _KIND)
            st.rerun()
    st.caption(
        "Each picture was asked of models that had not learnt it. Bold is what it looks like, below stands its class "
        "now. Point at one: Enter takes the proposal, 0 keeps the label, Delete trashes it, a number gives it another "
        "class. What you decide is not asked again, and can be undone."
    )
    sort_grid(
        [_tile(project, dataset, s) for s in page],
        targets_of(project, dataset),
        lambda step: carry_out(project, step, decides=True),
        key=f"suspects grid {project.name}",
        label="Labels that look wrong",
        place=None,
        page=f"suspects {first}",
        undo=history.last_change(project),
        accepts=True,
        keeps=True,
    )


def _open(found: list[Suspect], dataset: Dataset, decided: dict[str, str]) -> list[Suspect]:
    """Those whose picture still has the label in question, about which nobody has decided."""
    there = dataset.by_id
    return [s for s in found if s.id in there and there[s.id].label == s.label and decided.get(s.id) != s.label]


def _find(dataset: Dataset, job: Job) -> list[Suspect]:
    return look_for_suspects(dataset, lambda done, of: job.report(done, of, ""))


def _tile(project: Project, dataset: Dataset, suspect: Suspect) -> Tile:
    name = dataset.by_id[suspect.id].name
    proposal = f"{project.display_name(suspect.suggested)}? {percent(suspect.score)}"
    note = f"is in {project.display_name(suspect.label)}"
    if suspect.twin:
        note += f"; nearly the same picture is in {project.display_name(suspect.twin)}"
    return tile(project, suspect.id, name, proposal, note, proposal=suspect.suggested)
