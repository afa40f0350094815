"""Label: choose many pictures at once and say what they show."""

import streamlit as st

from imgtag.data import edits, history
from imgtag.data.dataset import UNSORTED, look
from imgtag.ui.classes import add_class_form, described, undo_button
from imgtag.ui.errors import shown_errors
from imgtag.ui.grid import PAGE_SIZE, clear_selection, select_from_grid, tile
from imgtag.ui.navigation import link, require_project
from imgtag.ui.suggestions import offer_names
from imgtag.ui.text import count
from imgtag.ui.widgets import choose, empty_state, flash, page_title, show_flash

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
grid_key = f"grid {project.name} {shown}"
chosen = select_from_grid(tiles, key=grid_key, label="Pictures to sort")

with st.bottom, st.container(horizontal=True, vertical_alignment="bottom"):
    # A picture that lies in two classes may also be decided for the one that is shown.
    targets = [name for name in dataset.class_names if name != shown or dataset.doubtful]
    target = choose(f"{count(len(chosen), 'picture')} chosen. Move to", targets, describe, key="target")
    if st.button("Move", type="primary", disabled=not (chosen and target), icon=":material/drive_file_move:"):
        with shown_errors():
            change = edits.move_pictures(project, chosen, target)
            gone = f" {count(len(change.missing), 'was', 'were')} gone already." if change.missing else ""
            flash(f"{count(change.moved, 'picture')} moved to “{project.display_name(target)}”.{gone}")
            clear_selection(grid_key)
            st.rerun()
    if shown != UNSORTED and st.button("Back to unsorted", disabled=not chosen):
        edits.move_pictures(project, chosen, UNSORTED)
        clear_selection(grid_key)
        st.rerun()
    if st.button("Trash", disabled=not chosen, icon=":material/delete:"):
        change = edits.trash_pictures(project, chosen)
        flash(f"{count(change.moved, 'picture')} moved to the trash.")
        clear_selection(grid_key)
        st.rerun()
    undo_button(project)
add_class_form(project)
