"""Choosing the prepared examples of a demo."""

from __future__ import annotations

from itertools import chain, zip_longest

import streamlit as st

from imgtag.core.words import percent
from imgtag.review.metrics import Prediction
from imgtag.serving.demo import MOST_EXAMPLES, unseen, usual_examples
from imgtag.training.runs import Run
from imgtag.ui.components import read_component
from imgtag.ui.grid import show_strip, tile
from imgtag.ui.widgets import folded

_MOST_SHOWN = 240

_picker = st.components.v2.component(
    "imgtag_picker",
    html="<div class='picker' role='group'>\n</div>",
    css=read_component("demo/picker.css"),
    js=read_component("demo/picker.js"),
)


def choose_examples(run: Run, kept: tuple[str, ...]) -> tuple[str, ...]:
    """The examples as they are chosen now, in their order. kept: those of the last time."""
    pictures = {p.sha256: p for p in unseen(run)}
    if not pictures:
        st.caption("No picture is here that was kept back from learning: visitors try their own.")
        return ()
    place = f"demo examples {run.project.name} {run.id}"
    if place not in st.session_state:
        before = [id_ for id_ in kept if id_ in pictures]
        st.session_state[place] = before or [p.sha256 for p in usual_examples(run)]
    chosen: list[str] = [id_ for id_ in st.session_state[place] if id_ in pictures]
    st.markdown(f"**Prepared examples**: {len(chosen)} of at most {MOST_EXAMPLES}")
    if chosen:
        strip = [tile(run.project, id_, run.display_name(pictures[id_].label)) for id_ in chosen]
        show_strip(strip, key=f"{place} strip", label="The chosen examples")
    part = folded("Choose other examples", ":material/photo_library:", key=f"{place} fold")
    if part:
        with part:
            _pick(run, pictures, chosen, place)
    return tuple(chosen)


def _pick(run: Run, pictures: dict[str, Prediction], chosen: list[str], place: str) -> None:
    st.caption(
        "Pictures that the model has not learnt from. A click takes one in or out. What it gets wrong is marked: "
        "one of those makes a demo more honest."
    )
    key = f"{place} picker"

    def changed() -> None:
        picked = (st.session_state.get(key) or {}).get("chosen")
        if isinstance(picked, list):
            st.session_state[place] = [str(id_) for id_ in picked][:MOST_EXAMPLES]

    by_class = [[p for p in pictures.values() if p.label == name] for name in run.classes]
    mixed = [p.sha256 for p in chain.from_iterable(zip_longest(*by_class)) if p]  # one of each class in turn
    shown = dict.fromkeys([*chosen, *mixed[:_MOST_SHOWN]]) if st.session_state.get(f"{key} order") is None else {}
    order = st.session_state.setdefault(f"{key} order", list(shown))  # nothing jumps while one chooses
    items = [_item(run, pictures[id_]) for id_ in order if id_ in pictures]
    data = {"items": items, "chosen": chosen, "most": MOST_EXAMPLES, "label": "Pictures to choose from"}
    _picker(key=key, data=data, on_chosen_change=changed)


def _item(run: Run, p: Prediction) -> dict[str, object]:
    said = "" if p.right else f" (said {run.display_name(p.predicted)}, {percent(p.probability)})"
    src = tile(run.project, p.sha256, "").src
    return {"id": p.sha256, "src": src, "label": f"{run.display_name(p.label)}{said}", "right": p.right}
