"""Label: choose many pictures at once and say what they show."""

from dataclasses import replace

import streamlit as st

from imgtag.core.words import percent
from imgtag.data import history
from imgtag.data.dataset import UNSORTED, Picture, look
from imgtag.ui.assistant import arranged
from imgtag.ui.classes import add_class_form, described, undo_button
from imgtag.ui.grid import PAGE_SIZE, Tile, sort_grid, tile
from imgtag.ui.navigation import link, require_project
from imgtag.ui.orders import ADDED, Arranged, order_choice
from imgtag.ui.similar import similar_area
from imgtag.ui.sorting import carry_out, follow_others, targets_of
from imgtag.ui.suggestions import offer_names, offer_to_sort
from imgtag.ui.widgets import choose, empty_state, page_title, show_flash

project = require_project()
follow_others(project, history.size(project))
show_flash()
page_title("Label", "Choose pictures, then the class they belong to. Their folder is their label.")
dataset = look(project)
if not dataset.pictures:
    empty_state(
        "Nothing to sort yet", "Add pictures first; those without a class folder wait here.", ":material/label:"
    )
    link("collect", "Collect pictures")
    st.stop()

if similar_area(project, dataset):
    st.stop()


def describe(name: str) -> str:
    """A place with its number of pictures, for the choice at the top."""
    if name == UNSORTED:
        return f"Unsorted ({len(dataset.unsorted)})"
    return described(project, dataset, name)


places = [UNSORTED, *dataset.class_names]
first = UNSORTED if dataset.unsorted or not dataset.class_names else dataset.class_names[0]
order = ADDED
with st.container():
    shown = choose("Show", places, describe, key=f"place {project.name}", first=first)
    if shown is None:  # its class was removed
        shown = first
    if shown == UNSORTED and dataset.unsorted:
        order = order_choice(project)
pictures = dataset.unsorted if shown == UNSORTED else dataset.by_class[shown]

if shown == UNSORTED and order == ADDED:
    offer_names(project, dataset)

offer_to_sort(project, dataset)
if not pictures:
    empty_state(
        "All sorted" if shown == UNSORTED else "This class is empty",
        "Choose another class above to look through it.",
        ":material/task_alt:",
    )
    if shown == UNSORTED and len(dataset.class_names) > 1:
        link("train", "Go on to training")
    undo_button(project)
    add_class_form(project)
    st.stop()

view = arranged(project, dataset, order) if shown == UNSORTED else Arranged(pictures)
pages = -(-len(view.pictures) // PAGE_SIZE)
number = (
    st.pagination(pages, key=f"page {project.name} {shown} {view.page}", persist_state="session") if pages > 1 else 1
)
in_doubt = history.doubts(project)


def as_tile(picture: Picture) -> Tile:
    """A picture with what is said about it: the classes it came under, or the one that is suggested."""
    if picture.id in in_doubt:
        return tile(project, picture.id, picture.name, "Which one?", " or ".join(in_doubt[picture.id]) + "?")
    if picture.id not in view.tags:
        return tile(project, picture.id, picture.name)
    name, chance = view.tags[picture.id]
    made = tile(project, picture.id, picture.name, project.display_name(name), percent(chance), proposal=name)
    return replace(made, changed=picture.id in view.changed)


if view.pictures:
    sort_grid(
        [as_tile(p) for p in view.pictures[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]],
        targets_of(project, dataset),
        lambda step: carry_out(project, step),
        key=f"grid {project.name}",
        label="Pictures to sort",
        place=shown,
        page=f"{view.page} {number}",
        undo=history.last_change(project),
        accepts=bool(view.tags),
        preselect=view.preselect,
        similar=True,
        doubtful=shown != UNSORTED and any(p.id in dataset.doubtful for p in view.pictures),
    )
add_class_form(project)
