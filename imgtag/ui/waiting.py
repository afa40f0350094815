"""What a screen waits for: work in the background whose result the session keeps, and the look at the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from imgtag.data.background import Job, find_job, forget_job, start_job
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.training.jobs import look_ahead
from imgtag.ui.errors import show_error
from imgtag.ui.text import literal
from imgtag.ui.widgets import job_progress

MANY = 20  # unsorted pictures before help is worth it
_QUICK_S = 1.5


def worked_out(
    project: Project,
    kind: str,
    state: int,
    work: Callable[[Job], Any],
    *,
    title: str = "The suggestions",
    older: bool = True,
    quiet: bool = False,
) -> Any:
    """The result of some work for this state of the data; None while there is none.

    older: the result for another state will do while it is worked out again. title: what is worked out, in words.
    quiet: nobody waits for it, and nothing is said until it is there.
    """
    kept = last_result(project, kind)
    if kept and kept[0] == state:
        return kept[1]
    name = f"{kind} {project.path}"

    def begin() -> Job:
        return start_job(name, title, lambda job: (state, work(job)))

    job = find_job(name) or begin()
    if not quiet:
        job.wait(_QUICK_S)
    if job.finished:
        forget_job(name)
        if job.error:
            show_error(job.error)
            return None
        kept = st.session_state[_kept_key(project, kind)] = job.result
        if job.result[0] != state:  # it was begun for an earlier one
            begin()
    if not kept or kept[0] != state:
        if quiet:
            _await_job(name)
        else:
            watch_job(name)
    return kept[1] if kept and (older or kept[0] == state) else None


def last_result(project: Project, kind: str) -> tuple[int, Any] | None:
    """What was worked out last, for this or another state: (state, result)."""
    kept: tuple[int, Any] | None = st.session_state.get(_kept_key(project, kind))
    return kept


def keep_result(project: Project, kind: str, result: Any) -> None:
    """Change what was worked out last, for the state that it was worked out for."""
    state, _ = st.session_state[_kept_key(project, kind)]
    st.session_state[_kept_key(project, kind)] = (state, result)


def forget_result(project: Project, kind: str) -> None:
    """Have it worked out anew, whatever the state."""
    st.session_state.pop(_kept_key(project, kind), None)


def _kept_key(project: Project, kind: str) -> str:
    return f"worked out: {kind} {project.name}"


@st.fragment(run_every=0.7)
def watch_job(name: str, stop: str = "") -> None:
    """The progress of a job, and a button that ends it where `stop` says what it does; then the whole page again."""
    job = find_job(name)
    if job is None or job.finished:
        st.rerun()
    if not job.total and not stop:
        st.caption(f"{job.title}: being worked out.")
        return
    job_progress(job)
    if stop and st.button(stop, key=f"stop {name}", icon=":material/stop:"):
        job.stop()


@st.fragment(run_every=0.3)
def _await_job(name: str) -> None:
    job = find_job(name)
    if job is None or job.finished:
        st.rerun()


def get_ready(project: Project, dataset: Dataset) -> None:
    """Have the network look at unsorted pictures while the user still reads: they will want suggestions."""
    if len(dataset.unsorted) >= MANY and ahead.not_seen(project, [p.id for p in dataset.pictures]):
        look_ahead(project)


def looked_at(project: Project, dataset: Dataset) -> bool:
    """Whether the network has seen enough to work with; starts its look at the pictures and shows how far it is."""
    ids = [p.id for p in dataset.pictures]
    missing = ahead.not_seen(project, ids)
    if missing or not (ahead.all_looked(project, ids) or ahead.looking(project).error):
        look_ahead(project)
    if missing:
        _watch_looking(project, ids, missing)
    return missing < len(ids) / 2


@st.fragment(run_every=1.0)
def _watch_looking(project: Project, ids: Sequence[str], missing: int) -> None:
    at = ahead.looking(project)
    left = ahead.not_seen(project, ids)
    if left < missing and (left == 0 or at.done >= at.total):
        st.rerun()
    if at.error:
        st.warning(literal(at.error), icon=":material/warning:")
    else:
        if not at.working:  # it was ended from outside, or has not begun
            look_ahead(project)
        begun = at.working and at.total
        text = f"Looking at picture {at.done:,} of {at.total:,}" if begun else "Getting the network ready"
        st.progress(min(1.0, at.done / at.total) if begun else 0.0, text=f"{text}, so that suggestions can be made")
