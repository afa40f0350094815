"""Further ways in: the webcam, and a folder of the machine that the app runs on."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from imgtag.core.errors import ImgtagError
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.data.uploads import import_from_disk, import_upload
from imgtag.ui.classes import described
from imgtag.ui.errors import show_error, shown_errors
from imgtag.ui.grid import camera_area
from imgtag.ui.who import on_this_machine, who
from imgtag.ui.widgets import choose, folded


def more_ways_in(project: Project, dataset: Dataset) -> None:
    """What is there beside dropping files: pasting, the webcam, a folder of this computer."""
    st.caption("Pictures can also be pasted anywhere on this page: Ctrl+V.")
    webcam = folded("Webcam", ":material/photo_camera:", key=f"webcam {project.name}")
    if webcam is not None:
        with webcam:
            _camera(project, dataset)
    if on_this_machine():
        with st.expander("A folder on this computer", icon=":material/folder_open:"):
            _folder(project)


def _camera(project: Project, dataset: Dataset) -> None:
    if not dataset.class_names:
        st.caption("Add a class first: the pictures that you take go straight into it.")
        return
    names = dataset.class_names
    target = choose(
        "Class", names, lambda n: described(project, dataset, n), key=f"camera class {project.name}", first=names[0]
    )
    if target is None:
        return
    done = camera_area(project, target, key=f"camera area {project.name}")
    if done and st.session_state.get("photographed") != done["batch"]:
        with shown_errors():
            import_upload(project, done["batch"], into=done["target"], who=who())
            st.session_state["photographed"] = done["batch"]


def _folder(project: Project) -> None:
    key = f"folder {project.name}"
    with st.form(key, border=False):
        st.text_input("Path", placeholder="/home/me/pictures, or a zip", key=f"path {key}")
        st.radio(
            "The files are",
            [True, False],
            format_func=lambda linked: "linked: no space needed" if linked else "copied: yours to change afterwards",
            help="Linked files are the same files under a second name: do not edit them elsewhere. On another disk, "
            "they are copied all the same.",
            key=f"link {key}",
        )
        # A callback: webcam pictures that arrive in the same moment cut the run of the page short, and this click.
        st.form_submit_button("Bring in", icon=":material/download:", on_click=_bring_in, args=(project, key))
    if failed := st.session_state.pop(f"failed {key}", None):
        show_error(failed)


def _bring_in(project: Project, key: str) -> None:
    path = st.session_state[f"path {key}"].strip()
    if not path:
        return
    try:
        import_from_disk(project, Path(path), link=st.session_state[f"link {key}"], who=who())
    except ImgtagError as error:
        st.session_state[f"failed {key}"] = error
