"""Pieces that several screens share."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from imgtag.core.errors import ImgtagError
from imgtag.core.words import duration
from imgtag.data.background import Job
from imgtag.data.projects import Project
from imgtag.training.jobs import active_runs
from imgtag.ui.text import literal

_MESSAGES = "_messages"


def page_title(title: str, about: str) -> None:
    """The head of a screen: its name and one sentence about what it is for."""
    st.title(title, anchor=False)
    st.caption(about)


def empty_state(title: str, about: str, icon: str) -> None:
    """What a screen shows while there is nothing to show: what belongs here and how to get it."""
    with st.container(border=True, horizontal_alignment="center"):
        st.space("small")
        st.markdown(f"## {icon}", width="content")
        st.markdown(f"**{title}**", width="content")
        st.markdown(about, width="content", text_alignment="center")
        st.space("small")


def sidebar_project(project: Project | None) -> None:
    """Below the menu: which project is open and whether it is training."""
    with st.sidebar:
        if project is None:
            st.caption("No project is open.")
            return
        st.caption("Open project")
        st.markdown(f"**{literal(project.title)}**")
        _trainings(project)


def _trainings(project: Project) -> None:
    """Whether a training is running, paused or waiting."""
    states = [run.state for run in active_runs(project)]
    if not states:
        return
    at_work = len([s for s in states if s not in ("waiting", "paused")])
    words = "is running" if at_work else "is paused" if "paused" in states else "is waiting for its turn"
    more = f" {len(states) - 1} more in line." if len(states) > 1 else ""
    st.caption(f":material/model_training: A training {words}.{more}")


def close_menu_on_phones(page: str) -> None:
    """Shut the menu when another page was chosen on a phone, where it covers the page.

    Streamlit applies the state of the sidebar when it changes: “auto” and “collapsed” both shut it on a phone.
    """
    if "Mobi" not in st.context.headers.get("User-Agent", ""):
        return
    last, turn = st.session_state.get("_menu", ("", False))
    if page != last:
        turn = not turn
        st.session_state["_menu"] = (page, turn)
    st.set_page_config(initial_sidebar_state="collapsed" if turn else "auto")


def scroll_to_top() -> None:
    """Bring the top of the page into view; for something that begins there after a click far below."""
    st.html(
        "<script>document.querySelector('[data-testid=stMain]')?.scrollTo({top: 0, behavior: 'smooth'})</script>",
        unsafe_allow_javascript=True,
    )


def scroll_to(key: str) -> None:
    """Bring the container with this key (letters and hyphens) into view; for what a click above has changed there."""
    turn = st.session_state["_scrolls"] = st.session_state.get("_scrolls", 0) + 1  # the same text would not run again
    st.html(
        f"<script>/* {turn} */ document.querySelector('.st-key-{key}')"
        "?.scrollIntoView({behavior: 'smooth', block: 'start'})</script>",
        unsafe_allow_javascript=True,
    )


def confirm(title: str, text: str, button: str, action: Callable[[], None]) -> None:
    """Ask before something that changes much. `action` runs when the user agrees."""

    @st.dialog(title)
    def ask() -> None:
        st.write(text)
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button("Cancel", key="confirm-cancel"):
                st.rerun()
            if st.button(button, type="primary", key="confirm-yes"):
                action()
                st.rerun()

    ask()


def folded(label: str, icon: str, *, key: str) -> DeltaGenerator | None:
    """A part of a page that is worked out only when somebody opens it; None while it is shut."""
    part = st.expander(label, icon=icon, key=key, on_change="rerun")
    return part if part.open else None


def job_progress(job: Job) -> None:
    """Progress of a background job: bar, counts, name of the file, measured time left."""
    share = job.done / job.total if job.total else 0.0
    eta = f", about {duration(max(job.eta_s, 1))} left" if job.eta_s else ""
    counts = f"{job.done:,} of {job.total:,}{eta}" if job.total else "Getting ready"
    st.progress(min(share, 1.0), text=counts)
    st.caption(literal(job.message[-80:]) or " ")


def choose(
    label: str, options: Sequence[str], describe: Callable[[str], str], *, key: str, first: str | None = None
) -> str | None:
    """A choice among options whose descriptions change, such as counts of pictures.

    Streamlit goes on showing the old description of a chosen option; so the widget is made anew when one changes,
    with the same option chosen. Writing to `st.session_state[f"{key} chosen"]` chooses for the user.
    """
    shown = {option: describe(option) for option in options}
    chosen = st.session_state.get(f"{key} chosen", first)
    version = zlib.crc32(json.dumps(shown).encode())
    found = st.selectbox(
        label,
        list(options),
        index=list(options).index(chosen) if chosen in shown else None,
        format_func=shown.__getitem__,
        placeholder="Choose",
        key=f"{key} {version}",
    )
    st.session_state[f"{key} chosen"] = found
    return found


def flash(text: str) -> None:
    """A short message, shown literally, that survives the rerun it causes."""
    st.session_state.setdefault(_MESSAGES, []).append((literal(text), ":material/check_circle:"))


def flash_error(error: ImgtagError) -> None:
    """The same for something that was refused."""
    st.session_state.setdefault(_MESSAGES, []).append((literal(str(error)), ":material/error:"))


def show_flash() -> None:
    """Show the messages left by `flash` and `flash_error`, once; of a quick series the last few."""
    for text, icon in st.session_state.pop(_MESSAGES, [])[-3:]:
        st.toast(text, icon=icon)
