"""Pictures that are to be classified: the ways in, the pile on which they lie, and the asking about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from imgtag.core.errors import NotFound
from imgtag.core.words import count
from imgtag.data.background import find_job, forget_job
from imgtag.data.piles import Pile, add_folder, add_upload, find_pile, new_pile, remove_pile
from imgtag.data.projects import Project
from imgtag.serving.answers import Found, asking_key, read_answers, start_asking, unanswered
from imgtag.serving.views import Way
from imgtag.training.runs import Run
from imgtag.ui.errors import show_error, shown_errors
from imgtag.ui.grid import upload_area
from imgtag.ui.live_camera import live_camera
from imgtag.ui.waiting import watch_job
from imgtag.ui.who import on_this_machine

_FILES, _CAMERA = "Files", "Camera"
_QUICK_S = 2.0
_IN_ADDRESS = "pile"
_WORDS = {
    "title": "Drop pictures, folders or a zip here",
    "about": "One or thousands: they are only looked at, not added to your project. Ctrl+V pastes one.",
}


def current_pile(project: Project) -> Pile | None:
    """The pictures at which this window looks. Their number stands in the address, so that a reload finds them."""
    id_ = str(st.session_state.get(_pile_key(project)) or st.query_params.get(_IN_ADDRESS, ""))
    if not id_:
        return None
    try:
        pile = find_pile(project, id_)
    except NotFound:  # cleared in another window, or a link to an old one
        _look_at(project, None)
        return None
    _look_at(project, pile)
    pile.keep()
    return pile


def ways_in(project: Project, run: Run, pile: Pile | None) -> Way:
    """Files, folders, zips, the clipboard and the camera. What arrives takes the place of what was looked at.

    Returns how often each picture is to be looked at.
    """
    folder = ""
    with st.container(horizontal=True, vertical_alignment="center"):
        way = st.segmented_control(
            "From",
            [_FILES, _CAMERA],
            default=_FILES,
            key="classify way",
            label_visibility="collapsed",
            required=True,
            persist_state="session",
        )
        if way == _FILES and on_this_machine():
            with st.popover("A folder on this computer", icon=":material/folder_open:", key="classify folder"):
                folder = _folder(project)
        several = st.toggle(
            "Look several times",
            key="classify several",
            help="Four views of each picture, also mirrored and larger, are averaged (test-time augmentation). It "
            "takes two to four times as long; Review shows whether it helps. The camera, live, looks once.",
            persist_state="session",
        )
        adds = pile is not None and st.toggle(
            "Add to those below", key="classify adds", help="Otherwise new pictures take the place of those below."
        )
    if way == _CAMERA:
        batch = live_camera(run, key=f"live {project.name}")
    else:
        batch = upload_area(project, key=f"classify {project.name}", words=_WORDS, slim=pile is not None)
    if folder:
        _take(project, pile if adds else None, lambda chosen: add_folder(chosen, Path(folder)))
    if batch and st.session_state.get("classify arrived") != batch:
        st.session_state["classify arrived"] = batch
        _take(project, pile if adds else None, lambda chosen: add_upload(chosen, batch))
    return "fixed" if several else "plain"


def clear(project: Project, pile: Pile) -> None:
    """Forget the pictures, and the copies of them."""
    _stop_asking("")
    remove_pile(pile)
    _look_at(project, None)


def asked(pile: Pile, run: Run, way: Way) -> tuple[Found, ...]:
    """The answers so far. What has none is asked about in the background, with progress and a stop."""
    key = asking_key(pile, run, way)
    _stop_asking(key)
    job = find_job(key)
    if job is None and unanswered(pile, run, way):
        job = start_asking(pile, run, way)
        with st.spinner("Looking at the pictures"):
            job.wait(_QUICK_S)
    if job and not job.finished:
        with st.container(border=True):
            st.markdown("**Looking at the pictures**")
            watch_job(key, stop="Stop; what is answered stays")
    elif job and (job.error or (job.should_stop() and unanswered(pile, run, way))):
        if job.error:
            show_error(job.error)
        else:
            done, total = len(read_answers(pile, run, way)), len(pile.items)
            st.info(f"Stopped: {done:,} of {count(total, 'file')} were looked at.", icon=":material/stop_circle:")
        if st.button("Go on", icon=":material/play_arrow:"):
            forget_job(key)
            st.rerun()
    else:
        forget_job(key)
    return read_answers(pile, run, way)


def _folder(project: Project) -> str:
    """The path that was just asked for, or nothing."""
    with st.form(f"classify folder {project.name}", border=False):
        path = st.text_input("Path", placeholder="/home/me/pictures, or a zip")
        return path.strip() if st.form_submit_button("Look at them", icon=":material/image_search:") else ""


def _take(project: Project, pile: Pile | None, add: Callable[[Pile], None]) -> None:
    """Put something on a pile, a new one where none is given; the old one goes once that has worked."""
    old = current_pile(project) if pile is None else None
    with shown_errors():
        chosen = pile or new_pile(project)
        try:
            add(chosen)
        except Exception:
            if pile is None:
                remove_pile(chosen)
            raise
        if old:
            clear(project, old)
        _look_at(project, chosen)
        st.session_state.pop("classify place", None)
        st.rerun()


def _stop_asking(key: str) -> None:
    """One asking at a time in a window: another model, way or pile was chosen."""
    before = st.session_state.get("asking")
    if before and before != key and (job := find_job(before)):
        job.stop()
        job.wait(_QUICK_S)
        forget_job(before)
    st.session_state["asking"] = key


def _look_at(project: Project, pile: Pile | None) -> None:
    st.session_state[_pile_key(project)] = pile.id if pile else None
    if pile is None:
        st.query_params.pop(_IN_ADDRESS, None)
    elif st.query_params.get(_IN_ADDRESS) != pile.id:
        st.query_params[_IN_ADDRESS] = pile.id


def _pile_key(project: Project) -> str:
    return f"pile {project.name}"
