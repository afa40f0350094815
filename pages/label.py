"""Label: choose many pictures at once and say what they show."""

import streamlit as st

from imgtag.data import history
from imgtag.data.dataset import UNSORTED, look
from imgtag.ui.classes import add_class_form, described, undo_button
from imgtag.ui.grid import PAGE_SIZE, sort_grid, tile
from imgtag.ui.navigation import link, require_project
from imgtag.ui.sorting import carry_out, targets_of
from imgtag.ui.suggestions import offer_names
from imgtag.ui.widgets import choose, empty_state, page_title, show_flash

project = require_project()
show_flash()
page_title("Label", "Choose pictures, then the class they belong to. Their folder is their label.")
dataset = look(project)
if not dataset.pictures:
    empty_state(
        "Nothing to sort yet", "Add pictures first; those without a class folder wait here.", ":material/label:"
    )
    link("collect", "Collect pictures")
    st.stop()


def describe(name: str) -> str:
    """A place with its number of pictures, for the choice at the top."""
    if name == UNSORTED:
        return f"Unsorted ({len(dataset.unsorted)})"
    return described(project, dataset, name)


places = [UNSORTED, *dataset.class_names]
first = UNSORTED if dataset.unsorted or not dataset.class_names else dataset.class_names[0]
shown = choose("Show", places, describe, key=f"place {project.name}", first=first)
if shown is None:  # its class was removed
    shown = first
pictures = dataset.unsorted if shown == UNSORTED else dataset.by_class[shown]

if shown == UNSORTED:
    offer_names(project, dataset)

if not pictures:
    empty_state(
        "All sorted" if shown == UNSORTED else "This class is empty",
        "Choose another class above to look through it.",
        ":material/task_alt:",
    )
    undo_button(project)
    add_class_form(project)
    st.stop()

pages = -(-len(pictures) // PAGE_SIZE)
number = st.pagination(pages, key=f"page {project.name} {shown}") if pages > 1 else 1
in_doubt = history.doubts(project)
tiles = [
    tile(
        project,
        p.id,
        p.name,
        note=" or ".join(in_doubt[p.id]) + "?" if p.id in in_doubt else "",
        caption="Which one?" if p.id in in_doubt else "",
    )
    for p in pictures[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
]
sort_grid(
    tiles,
    targets_of(project, dataset),
    lambda step: carry_out(project, step),
    key=f"grid {project.name}",
    label="Pictures to sort",
    place=shown,
    page=number,
    undo=history.last_change(project),
)
add_class_form(project)
