"""The demo of a project on the page Share: what it shows, who may open it, and starting it."""

from __future__ import annotations

import streamlit as st

from imgtag.data.projects import Project
from imgtag.serving.demo import DemoSettings, read_settings
from imgtag.serving.demo_process import Demo, start_demo
from imgtag.serving.door import hash_pin, new_pin
from imgtag.serving.network import configured_login, own_addresses
from imgtag.training.runs import Run
from imgtag.ui.errors import shown_errors
from imgtag.ui.share_examples import choose_examples
from imgtag.ui.share_running import keep_pin, running_demo
from imgtag.ui.text import literal

_HERE, _NETWORK = "On this computer only", "Everybody in this network"


def demo_area(project: Project, run: Run) -> None:
    """The running demo, or the form that starts one."""
    demo = Demo(project)
    if demo.active:
        running_demo(demo)
        return
    if demo.state == "failed":
        st.error(f"**The demo could not be shown.**  \n{literal(demo.trouble)}", icon=":material/error:")
    kept = read_settings(project)
    with st.container(border=True):
        st.subheader("What it shows", anchor=False)
        words = _words(project, kept)
        examples = choose_examples(run, kept.examples if kept and kept.run == run.id else ())
    with st.container(border=True):
        st.subheader("Who can open it", anchor=False)
        network = _reach(project, kept)
        pin = _pin(project, network, bool(kept and kept.pin))
    if st.button("Start the demo", type="primary", icon=":material/slideshow:"):
        with shown_errors():
            hashed = None if pin is None else hash_pin(pin)
            start_demo(project, DemoSettings(run.id, *words, examples, network, hashed))
            keep_pin(project, pin or "")
            st.rerun()


def _words(project: Project, kept: DemoSettings | None) -> tuple[str, str]:
    left, right = st.columns(2)
    with left:
        title = st.text_input(
            "Title", kept.title if kept else project.title, max_chars=60, key=f"demo title {project.name}"
        )
    with right:
        sentence = st.text_input(
            "One sentence for the audience",
            kept.sentence if kept else "",
            max_chars=160,
            key=f"demo sentence {project.name}",
            placeholder="What it does, and for whom",
        )
    return title.strip() or project.title, sentence.strip()


def _reach(project: Project, kept: DemoSettings | None) -> bool:
    """Whether the network may reach it."""
    choice = st.radio(
        "Where it can be reached",
        [_HERE, _NETWORK],
        index=int(bool(kept and kept.network)),
        captions=["For a projector or a shared screen.", "For phones and other computers in the same network."],
        key=f"demo reach {project.name}",
        label_visibility="collapsed",
    )
    network = choice == _NETWORK
    if network:
        places = ", ".join(f"`{address}`" for address in own_addresses()) or "none was found"
        st.warning(
            "**What this means.** Every device that reaches this computer (in the same Wi-Fi, office or VPN) can open "
            "the page and try PINs; without the right one it shows nothing. The connection is **not encrypted**: who "
            "listens in on the network can read the PIN and see the pictures that people send. Only the demo can be "
            "reached: no project, no other picture and no setting. Everything else stays on this computer. "
            f"Address of this computer: {places}.",
            icon=":material/lan:",
        )
    return network


def _pin(project: Project, network: bool, asked_before: bool) -> str | None:
    """The PIN that is asked; None where none is."""
    if configured_login():
        st.info(
            "Visitors log in with their account, as `.streamlit/secrets.toml` says (OIDC). No PIN is asked.",
            icon=":material/badge:",
        )
        return None
    if not network and not st.toggle("Ask for a PIN", asked_before, key=f"demo asks {project.name}"):
        return None
    key = f"demo pin field {project.name}"
    st.session_state.setdefault(key, new_pin())

    def another() -> None:
        st.session_state[key] = new_pin()

    with st.container(horizontal=True, vertical_alignment="bottom"):
        pin = st.text_input("PIN (six characters or more)", key=key, width=220, max_chars=64)
        st.button("Another one", icon=":material/casino:", on_click=another)
    st.caption("Only a salted hash of it is kept. Wrong tries are slowed down, for all visitors together, too.")
    return pin.strip()
