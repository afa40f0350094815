"""A project as a card: some pictures, the figures, the one sensible next step, and what can be done with it."""

from __future__ import annotations

import streamlit as st

from imgtag.core.words import count, percent
from imgtag.data.dataset import Dataset, Picture, look
from imgtag.data.projects import (
    Project,
    duplicate_project,
    free_title,
    rename_project,
    restore_project,
    trash_project,
)
from imgtag.training.jobs import active_run, refuse_while_at_work
from imgtag.training.runs import Run, list_runs
from imgtag.ui.errors import shown_errors
from imgtag.ui.grid import show_strip, tile
from imgtag.ui.navigation import close_project, go, open_project
from imgtag.ui.text import literal
from imgtag.ui.widgets import flash

_SHOWN = 4
_MENUS = "menus used"


def project_card(project: Project) -> None:
    """One card with its next step and its menu."""
    dataset = look(project)
    model = next((run for run in list_runs(project) if run.has_model), None)
    with st.container(border=True, height="stretch", key=f"card {project.name}"):
        title, menu = st.columns([4, 1], vertical_alignment="center", wrap=False)
        title.markdown(f"#### {literal(project.title)}")
        with menu, st.container(horizontal_alignment="right"):
            _menu(project)
        pictures = _some_pictures(dataset)
        if pictures:
            tiles = [tile(project, p.id, p.name) for p in pictures]
            show_strip(tiles, key=f"strip {project.name}", label="Some pictures")
        else:
            st.caption("No pictures yet.")
        facts = [count(len(dataset.pictures), "picture"), count(len(dataset.class_names), "class", "classes")]
        if dataset.unsorted:
            facts.append(f"{len(dataset.unsorted):,} unsorted")
        st.caption(" · ".join(facts))
        if model:
            accuracy = model.status.get("val_accuracy")
            st.markdown(
                f"Last accuracy: **{percent(accuracy)}** on unseen pictures" if accuracy is not None else "Trained"
            )
        st.space("stretch")
        target, words, icon = next_step(project, dataset, model)
        with st.container(horizontal=True):
            if st.button(words, key=f"next {project.name}", type="primary", icon=icon):
                open_project(project.name)
                go(target)
            if target != "collect" and st.button("Open", key=f"open {project.name}"):
                open_project(project.name)
                go("collect")


def next_step(project: Project, dataset: Dataset, model: Run | None) -> tuple[str, str, str]:
    """The one thing to do now: (screen, words of the button, icon)."""
    if not dataset.pictures:
        return "collect", "Add pictures", ":material/add_photo_alternate:"
    if active_run(project):
        return "train", "Watch the training", ":material/model_training:"
    if sum(1 for n in dataset.counts.values() if n) < 2:
        return "label", "Sort the pictures", ":material/label:"
    if model is None:
        return "train", "Train", ":material/model_training:"
    return "classify", "Classify pictures", ":material/image_search:"


def trashed_card(project: Project) -> None:
    """A line for a project in the trash, with the way back."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(literal(project.title), width="stretch")
        if st.button("Restore", key=f"restore {project.name}", icon=":material/restore_from_trash:"):
            back = restore_project(project)
            flash(f"“{back.title}” is back.")
            st.rerun()


def _menu(project: Project) -> None:
    # A new key after each step: a popover with the old one would stay open over the changed card.
    version = st.session_state.get(_MENUS, 0)
    with st.popover(
        "More",
        icon=":material/more_vert:",
        key=f"menu {project.name} {version}",
        help="Rename, duplicate, trash",
        type="tertiary",
    ):
        name = st.text_input("Name", project.title, key=f"name {project.name} {version}", max_chars=60)
        if st.button("Rename", key=f"rename {project.name}", icon=":material/edit:", width="stretch"):
            with shown_errors():
                rename_project(project, name)
                _done("Renamed.")
        if st.button("Duplicate", key=f"copy {project.name}", icon=":material/content_copy:", width="stretch"):
            with shown_errors(), st.spinner("Copying"):
                copy = duplicate_project(project, free_title(f"{project.title[:50]} copy"))
                _done(f"“{copy.title}” was made.")
        if st.button("Move to trash", key=f"trash {project.name}", icon=":material/delete:", width="stretch"):
            with shown_errors():
                refuse_while_at_work(project)
                title = project.title
                trash_project(project)
                close_project(project.name)
                _done(f"“{title}” is in the trash. It can be restored at the end of this page.")


def _done(message: str) -> None:
    st.session_state[_MENUS] = st.session_state.get(_MENUS, 0) + 1
    flash(message)
    st.rerun()


def _some_pictures(dataset: Dataset) -> list[Picture]:
    """A few pictures from different classes."""
    groups = [pictures for pictures in (*dataset.by_class.values(), dataset.unsorted) if pictures]
    chosen = [group[0] for group in groups[:_SHOWN]]
    for group in groups:
        chosen += group[1 : 1 + _SHOWN - len(chosen)]
    return chosen[:_SHOWN]
