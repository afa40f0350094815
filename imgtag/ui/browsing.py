"""Pictures of an evaluation, in the order and the choice that somebody asks for, page by page."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from imgtag.core.words import right_of
from imgtag.data.dataset import Dataset
from imgtag.review.browse import Order, Wanted, browse
from imgtag.review.matrix import Cell
from imgtag.review.metrics import Evaluation
from imgtag.training.runs import Run
from imgtag.ui.evaluation import prediction_grid

_PAGE = 24
_SURPRISING, _SURE_BUT_WRONG, _UNSURE, _RANDOM = "Most surprising", "Sure but wrong", "Least sure", "Random sample"
_ORDERS: dict[str, Order] = {_SURPRISING: "surprising", _SURE_BUT_WRONG: "sure", _UNSURE: "unsure", _RANDOM: "random"}
_ABOUT = {
    _SURPRISING: "Top losses: where the model gave the label the lowest probability. Often these are wrong labels "
    "or odd pictures: the best place to start mending.",
    _SURE_BUT_WRONG: "The surest mistakes first: look for wrong labels, and for what misleads it.",
    _UNSURE: "Where the model hesitated most: more pictures like these would teach it the most.",
    _RANDOM: "Drawn by chance: what to expect of new pictures.",
}


def browsing_area(
    run: Run, dataset: Dataset, found: Evaluation, names: Mapping[str, str], cell: Cell, *, key: str
) -> None:
    """The pictures of a cell of the matrix, or of all, with a choice of order, right or wrong, and how sure."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.pills("Order", list(_ORDERS), default=_SURPRISING, required=True, key=f"order {key}")
        kinds = st.pills("Only", ["Right", "Wrong"], key=f"kind {key}", disabled=order == _SURE_BUT_WRONG)
        low, high = st.slider("How sure it was", 0, 100, (0, 100), format="%d %%", key=f"sure {key}", width=220)
    right = False if order == _SURE_BUT_WRONG else None if kinds is None else kinds == "Right"
    drawn = f"drawn {key}"
    if order == _RANDOM and st.button("Draw others", icon=":material/shuffle:"):
        st.session_state[drawn] = st.session_state.get(drawn, 0) + 1
    seed = st.session_state.get(drawn, 0)
    pictures = browse(found.predictions, Wanted(cell, right, low / 100, high / 100), _ORDERS[order], seed)
    if order == _RANDOM:
        pictures = pictures[:_PAGE]
    words = f" **{right_of(sum(p.right for p in pictures), len(pictures))}.**" if pictures and right is None else ""
    st.caption(f"{_ABOUT[order]}{words}")
    what = f"{cell} {order} {kinds} {low} {high} {seed}"
    pages = -(-len(pictures) // _PAGE)
    number = st.pagination(pages, key=f"page {key} {what}") if pages > 1 else 1
    st.caption(
        "Point at a picture: Enter takes what the model said, 0 keeps the label, Delete trashes it, a number gives it "
        "another class, Space shows it large. “Why?” explains the one that is chosen."
    )
    shown = pictures[(number - 1) * _PAGE : number * _PAGE]
    prediction_grid(run, dataset, shown, names, key=f"pictures {key}", page=f"{what} {number}")
