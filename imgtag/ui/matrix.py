"""The confusion matrix on the screen, and the most frequent mistakes as a list; a click in either chooses pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import pandas as pd
import streamlit as st

from imgtag.review.matrix import (
    ANY,
    Cell,
    cells_worth_a_look,
    similar_order,
    with_mistakes,
    with_their_confusions,
)
from imgtag.review.metrics import Evaluation
from imgtag.ui.matrix_chart import has_room_beside, is_crowded, matrix_chart
from imgtag.ui.widgets import scroll_to

_ALIKE, _ALPHABET = "Alike ones together", "As listed"
_PICTURES = "pictures-of-a-cell"


def matrix_area(found: Evaluation, names: Mapping[str, str], *, key: str) -> Cell:
    """The matrix with its choices; returns the cell, row or column to look into, (ANY, ANY) for everything."""
    order, shares = _shown(found, names, key=key)
    chosen, outlined, turn = f"{key} chosen", f"{key} outlined", f"{key} turn"
    marked: Cell = st.session_state.get(outlined, (ANY, ANY))
    shown = f"{len(order)} {order[0]}"
    chart, listed = f"{key} {shown} {shares} {marked}", f"{key} list {shown} {st.session_state.get(turn, 0)}"
    beside = has_room_beside(len(order))
    left, right = st.columns([5, 2]) if beside else (st.container(), st.container())
    with left:
        clicked = matrix_chart(found, names, order, shares, marked, key=chart)
    with right:
        picked = _mistakes(found, names, set(order), tall=beside, key=listed)

    cells = cells_worth_a_look(found)
    if newly := _newly({chart: clicked, listed: picked}, key=key):
        place, cell = newly
        st.session_state[chosen] = cell if cell in cells else (ANY, ANY)
        st.session_state[f"{key} scroll"] = bool(cell)
        if place == listed:
            st.session_state[outlined] = st.session_state[chosen]
            st.rerun()  # the matrix marks it
        elif picked:
            st.session_state[turn] = st.session_state.get(turn, 0) + 1
            st.rerun()  # the list marks it no longer

    def mark() -> None:
        st.session_state[outlined] = st.session_state[chosen]
        st.session_state[turn] = st.session_state.get(turn, 0) + 1

    with st.container(key=_PICTURES):
        cell = st.selectbox(
            "Pictures of",
            list(cells),
            format_func=lambda c: _in_words(c, cells[c], names),
            key=chosen,
            on_change=mark,
        )
    if st.session_state.pop(f"{key} scroll", False):
        scroll_to(_PICTURES)
    return cell


def _shown(found: Evaluation, names: Mapping[str, str], *, key: str) -> tuple[Sequence[str], bool]:
    """Which classes to show in which order, and whether as shares."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shares = (
            st.pills("Show", ["Counts", "Shares"], default="Counts", required=True, key=f"{key} shares") == "Shares"
        )
        if len(found.classes) == 2:
            return found.classes, shares
        sort = st.pills("Order of classes", [_ALIKE, _ALPHABET], default=_ALIKE, required=True, key=f"{key} order")
        order = similar_order(found) if sort == _ALIKE else list(found.classes)
        wanted = st.multiselect(
            "Only these classes, and what they are taken for",
            sorted(found.classes, key=lambda c: names[c].casefold()),
            format_func=names.__getitem__,
            placeholder="All classes",
            key=f"{key} classes",
        )
    if wanted:
        return with_their_confusions(found, wanted, order), shares
    mistaken = with_mistakes(found, order)
    if is_crowded(len(order)) and 1 < len(mistaken) < len(order):
        hide = st.toggle(
            f"Hide the {len(order) - len(mistaken)} classes without a mistake", value=True, key=f"{key} hide"
        )
        return (mistaken if hide else order), shares
    return order, shares


def _mistakes(found: Evaluation, names: Mapping[str, str], shown: Set[str], *, tall: bool, key: str) -> Cell | None:
    """The mistakes between these classes, most frequent first; returns the one whose line was clicked."""
    of = {f.label: f.support for f in found.per_class}
    pairs = [(label, said, n) for label, said, n in found.filled_cells if label != said and shown >= {label, said}]
    pairs.sort(key=lambda pair: (-pair[2], of[pair[0]]))  # of as many, those first that are more of their class
    if not pairs:
        st.caption("There are no mistakes.")
        return None
    rows = [(f"{names[label]} → {names[said]}", f"{n} of {of[label]}") for label, said, n in pairs]
    state = st.dataframe(
        pd.DataFrame(rows, columns=["Taken for another", "Pictures"]),
        hide_index=True,
        height=min(38 + 35 * len(rows), 460 if tall else 178),
        on_select="rerun",
        selection_mode="single-cell",
        key=key,
        column_config={
            "Taken for another": st.column_config.TextColumn(width=156),
            "Pictures": st.column_config.TextColumn(width=70),
        },
    )
    lines = [row for row, _ in state.selection.cells]
    return (pairs[lines[0]][0], pairs[lines[0]][1]) if lines and lines[0] < len(pairs) else None


def _newly(offers: Mapping[str, Cell | None], *, key: str) -> tuple[str, Cell | None] | None:
    """Where something else is chosen than at the last look, and what; None where nothing has changed.

    offers: what is chosen now, by place. A place that was not there at the last look, such as the matrix as shares,
    begins without a choice.
    """
    before = st.session_state.get(f"{key} offers", {})
    st.session_state[f"{key} offers"] = dict(offers)
    return next(((place, cell) for place, cell in offers.items() if cell != before.get(place)), None)


def _in_words(cell: Cell, number: int, names: Mapping[str, str]) -> str:
    label, said = cell
    if cell == (ANY, ANY):
        return f"Everything that was checked: {number}"
    if said == ANY:
        return f"All that are {names[label]}: {number}"
    if label == ANY:
        return f"All that were called {names[said]}: {number}"
    return f"{names[label]} {'rightly' if label == said else 'wrongly'} called {names[said]}: {number}"
