"""Ways out of Classify: the table, a zip sorted into class folders, or into the project."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import streamlit as st

from imgtag.core.words import count
from imgtag.data.background import Job, find_job, forget_job, start_job
from imgtag.data.piles import Item, Pile
from imgtag.serving.answers import Found
from imgtag.serving.answers_out import Taken, csv_of, join_items, sorted_zip, write_sorted_zip
from imgtag.ui.correcting import start_joining
from imgtag.ui.errors import show_error
from imgtag.ui.navigation import link
from imgtag.ui.uninterrupted import uninterrupted
from imgtag.ui.waiting import watch_job
from imgtag.ui.who import who
from imgtag.ui.widgets import scroll_to_top

_CLASSES, _UNSORTED = "Into their classes", "To be sorted first"
_ADDED = "_just added"


def ways_out(pile: Pile, chosen: Sequence[Found], *, top: int = 5) -> None:
    """What can be done with the answers that are shown."""
    readable = [f for f in chosen if not f.answer.error]
    if st.session_state.pop(_ADDED, False):
        scroll_to_top()  # what came of it is told there
    st.subheader("Take them along", anchor=False)
    st.caption(f"All of this is about the {count(len(chosen), 'file')} shown above.")
    with st.container(horizontal=True):
        st.download_button(
            "Download the table (CSV)",
            lambda: csv_of(chosen, top).encode("utf-8-sig"),
            "classified.csv",
            "text/csv",
            icon=":material/download:",
            disabled=not chosen,
        )
        if st.button(
            "Zip, sorted into folders",
            icon=":material/folder_zip:",
            disabled=not readable,
            help="A folder for each class, and “_unknown”. The pictures are as they came, to the byte.",
        ):
            forget_job(_zip_key(pile))
            start_job(_zip_key(pile), "The zip", lambda job: (_contents(chosen), _zip(pile, chosen, job))).wait(1.0)
            st.rerun()
        with st.popover(
            "Add to the project",
            icon=":material/library_add:",
            disabled=not readable,
            key="classify add popover",
            on_change="rerun",
        ):
            _add_form(pile, readable)
    _zip_state(pile, _contents(chosen))


def _contents(chosen: Sequence[Found]) -> int:
    """Tells a zip of these pictures under these classes from another one."""
    return hash(tuple((f.item.number, f.label, f.joined) for f in chosen))


def _zip(pile: Pile, chosen: Sequence[Found], job: Job) -> int:
    return write_sorted_zip(pile, chosen, job.report, job.should_stop)


def _zip_state(pile: Pile, contents: int) -> None:
    job = find_job(_zip_key(pile))
    if job is None:
        return
    if not job.finished:
        with st.container(border=True):
            st.markdown("**Packing the zip**")
            watch_job(_zip_key(pile), stop="Stop")
    elif job.error:
        show_error(job.error)
    elif job.result[0] == contents and sorted_zip(pile).is_file():  # else others are shown now, or otherwise corrected
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/task_alt: {count(job.result[1], 'picture')} are in the zip.", width="content")
            name = quote(pile.project.name, safe="")
            st.link_button(
                "Download the zip", f"/api/projects/{name}/answers/{pile.id}/sorted.zip", icon=":material/download:"
            )


def _add_form(pile: Pile, readable: Sequence[Found]) -> None:
    how = st.radio(
        "How",
        [_CLASSES, _UNSORTED],
        captions=[
            "Each in the class that the model says. They are learnt from and never test: nobody has looked at them.",
            "Into unsorted; the page Label suggests a class for each, and you decide.",
        ],
        key="classify add how",
    )
    least = 0
    if how == _CLASSES:
        least = st.slider("Those that are at least so sure", 0, 100, 90, format="%d %%", key="classify add sure")
        st.caption(
            "Look through them first: what the model takes for something else, it would learn as that. Unknown ones "
            "stay out, and so do those that are nearly the same as a test picture."
        )
    given = _given(readable, how, least)
    if how == _UNSORTED:
        link("label", "Label")
    st.button(
        f"Add {count(len(given), 'picture')}",
        type="primary",
        disabled=not given,
        key="classify add",
        on_click=lambda: uninterrupted(lambda: _add(pile, readable)),
    )


def _given(readable: Sequence[Found], how: str, least: float) -> list[tuple[Item, str]]:
    """Those that are to join, with their class, "" for unsorted. least: how sure the model has to be, in percent."""
    new = [f for f in readable if not f.joined]
    if how == _UNSORTED:
        return [(f.item, "") for f in new]
    return [(f.item, f.label) for f in new if f.label is not None and 100 * f.sure >= least]


def _add(pile: Pile, readable: Sequence[Found]) -> None:
    # As it is chosen now: a click may come before the page has been drawn anew for the choice before it.
    given = _given(readable, st.session_state["classify add how"], st.session_state.get("classify add sure", 0))
    by = who()

    def work(job: Job) -> Taken:
        return join_items(pile, given, job.report, job.should_stop, by_model=True, who=by)

    st.session_state["classify add popover"] = False
    st.session_state[_ADDED] = True
    start_joining(pile.project, work).wait(1.5)


def _zip_key(pile: Pile) -> str:
    return f"sorted zip {pile.path}"
