"""The screens and how to get from one to another; which project is open."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from imgtag.core.errors import NotFound
from imgtag.data.projects import Project, find_listed
from imgtag.ui.text import literal

ROOT = Path(__file__).resolve().parents[2]
_SCREENS = (
    ("home", "Projects", ":material/home:"),
    ("collect", "Collect", ":material/add_photo_alternate:"),
    ("label", "Label", ":material/label:"),
    ("train", "Train", ":material/model_training:"),
    ("review", "Review", ":material/fact_check:"),
    ("classify", "Classify", ":material/image_search:"),
    ("share", "Share", ":material/cast:"),
)
_PROJECT, _MISSING = "project", "missing project"


def make_pages() -> dict[str, StreamlitPage]:
    """The screens by name, built for this run of the script; kept for `go` and `link`."""
    pages = {
        name: st.Page(ROOT / "pages" / f"{name}.py", title=title, icon=icon, url_path=name, default=name == "home")
        for name, title, icon in _SCREENS
    }
    st.session_state["_pages"] = pages
    return pages


def go(name: str) -> None:
    """Switch to a screen."""
    st.switch_page(st.session_state["_pages"][name], query_params=_here())


def link(name: str, label: str) -> None:
    """A link to a screen."""
    page = st.session_state["_pages"][name]
    st.page_link(page, label=label, icon=page.icon, query_params=_here())


def open_project(name: str) -> None:
    """Make a project the open one, in this window only."""
    st.session_state[_PROJECT] = name
    if st.query_params.get(_PROJECT, name) != name:  # the address of another one would win at the next run
        st.query_params[_PROJECT] = name


def close_project(name: str = "") -> None:
    """No project is open any more; with a name, only if it was that one."""
    if name and st.session_state.get(_PROJECT) != name:
        return
    st.session_state.pop(_PROJECT, None)
    st.query_params.clear()


def remember_project() -> None:
    """Keep the open project in the address, so that a reload or a copied link opens it again."""
    name = st.query_params.get(_PROJECT) or st.session_state.get(_PROJECT)
    if name:
        st.session_state[_PROJECT] = name
        if st.query_params.get(_PROJECT) != name:
            st.query_params[_PROJECT] = name


def current_project() -> Project | None:
    """The open project, if there is one and it still exists."""
    name = st.session_state.get(_PROJECT)
    if not name:
        return None
    try:
        return find_listed(name)
    except NotFound as error:
        close_project()
        st.session_state[_MISSING] = error.title
        return None


def require_project() -> Project:
    """The open project; without one, a screen that says where to get one, and nothing else."""
    project = current_project()
    if project is None:
        from imgtag.ui.widgets import empty_state

        empty_state(
            literal(st.session_state.pop(_MISSING, "No project is open")),
            "A project holds your pictures, their classes and the models trained on them.",
            ":material/folder_open:",
        )
        with st.container(horizontal_alignment="center"):
            if st.button("Choose a project", type="primary"):
                go("home")
        st.stop()
    return project


def _here() -> dict[str, str]:
    name = st.session_state.get(_PROJECT)
    return {_PROJECT: name} if name else {}
