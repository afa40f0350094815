"""A demo that is shown: its link, its PIN, its QR code, and the way to end it."""

from __future__ import annotations

import segno
import streamlit as st

from imgtag.core.words import moment
from imgtag.data.projects import Project
from imgtag.serving.demo import change_pin, read_settings
from imgtag.serving.demo_process import Demo, stop_demo
from imgtag.serving.door import hash_pin, new_pin
from imgtag.serving.network import HERE, configured_login
from imgtag.ui.errors import shown_errors
from imgtag.ui.text import literal


def keep_pin(project: Project, pin: str) -> None:
    """Remember the PIN in this window, to show it beside the link; on disk there is only its hash."""
    st.session_state[_pin_of(project)] = pin


def running_demo(demo: Demo) -> None:
    """Looked at every second; when it begins to be there or ends, the page is drawn anew."""
    known = demo.state

    @st.fragment(run_every=1.0)
    def watch() -> None:
        now = Demo(demo.project)
        if now.state != known:
            st.rerun()
        with st.container(border=True):
            if now.state == "ready":
                _ready(now)
            else:
                _on_the_way(now)

    watch()


def _on_the_way(demo: Demo) -> None:
    words = "The demo is being closed" if demo.state == "stopping" else "The demo is being set up: its model is loaded"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":material/hourglass_top: **{words} …**", width="stretch")
        if demo.state == "starting":
            _stop("Stop", demo)


def _ready(demo: Demo) -> None:
    settings = read_settings(demo.project)
    address = demo.addresses[0]
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        st.markdown(f"### :material/cast: On show: {literal(settings.title if settings else demo.project.title)}")
        where = "everybody in this network can open it" if demo.network else "on this computer only"
        st.caption(f"Since {moment(demo.since)}, {where}. It goes on when you close this page, until you stop it.")
        st.code(address, language=None, wrap_lines=True)
        if others := demo.addresses[1:]:
            st.caption(f"If that does not open: {', '.join(others)}")
        if settings and settings.pin:
            _pin(demo)
        with st.container(horizontal=True):
            # A browser lends the camera to this computer's own name, but not to an address of the network.
            here = address if configured_login() else f"http://{HERE}:{demo.port}"
            st.link_button("Open the demo", here, type="primary", icon=":material/open_in_new:")
            st.button(
                "Stop the demo", icon=":material/stop:", key="stop demo", on_click=stop_demo, args=(demo.project,)
            )
    if demo.network:
        with right:
            st.image(segno.make(address, error="m").svg_inline(scale=6, border=3, light="#fff"), width=190)
            st.caption("Point a phone’s camera at it.")


def _stop(words: str, demo: Demo) -> None:
    st.button(words, icon=":material/stop:", key="stop demo", on_click=stop_demo, args=(demo.project,))


def _pin(demo: Demo) -> None:
    pin = st.session_state.get(_pin_of(demo.project))
    with st.container(horizontal=True, vertical_alignment="center"):
        if pin:
            st.markdown(f"PIN  **{literal(pin)}**", width="content")
        else:
            st.caption("Its PIN is not kept in readable form. If it is lost, make a new one.", width="content")
        st.button("New PIN", icon=":material/password:", on_click=_renew, args=(demo.project,), type="tertiary")


def _renew(project: Project) -> None:
    pin = new_pin()
    with shown_errors():
        change_pin(project, hash_pin(pin))
        keep_pin(project, pin)


def _pin_of(project: Project) -> str:
    return f"demo pin {project.name}"
