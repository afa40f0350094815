"""The confusion matrix on the screen: counts or shares, all classes or some; a click chooses pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from imgtag.review.matrix import ANY, Cell, cells_worth_a_look, similar_order, with_their_confusions
from imgtag.review.metrics import Evaluation
from imgtag.ui.charts import ACCENT, WRONG

_MOST_CLASSES_WITH_NUMBERS = 20
_ALIKE, _ALPHABET = "Alike ones together", "As listed"
_TOTAL = "all"
_GREY = "#7d8b8a"


def matrix_area(found: Evaluation, names: Mapping[str, str], *, key: str) -> Cell:
    """The matrix with its choices; returns the cell, row or column to look into, (ANY, ANY) for everything."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shares = (
            st.pills("Show", ["Counts", "Shares"], default="Counts", required=True, key=f"{key} shares") == "Shares"
        )
        if len(found.classes) > 2:
            sort = st.pills("Order of classes", [_ALIKE, _ALPHABET], default=_ALIKE, required=True, key=f"{key} order")
            order = similar_order(found) if sort == _ALIKE else list(found.classes)
            wanted = st.multiselect(
                "Only these classes, and what they are taken for",
                sorted(found.classes, key=lambda c: names[c].casefold()),
                format_func=names.__getitem__,
                placeholder="All classes",
                key=f"{key} classes",
            )
            order = with_their_confusions(found, wanted, order) if wanted else order
        else:
            order = list(found.classes)
    clicked = _chart(found, names, order, shares, key=f"{key} {len(order)} {order[0]} {shares}")
    cells = cells_worth_a_look(found)
    chosen_key = f"{key} chosen"
    if clicked != st.session_state.get(f"{key} clicked"):
        st.session_state[f"{key} clicked"] = clicked
        st.session_state[chosen_key] = clicked if clicked in cells else (ANY, ANY)
    cell: Cell = st.selectbox(
        "Pictures of", list(cells), format_func=lambda c: _in_words(c, cells[c], names), key=chosen_key
    )
    return cell


def _in_words(cell: Cell, number: int, names: Mapping[str, str]) -> str:
    label, said = cell
    if cell == (ANY, ANY):
        return f"Everything that was checked: {number}"
    if said == ANY:
        return f"All that are {names[label]}: {number}"
    if label == ANY:
        return f"All that were called {names[said]}: {number}"
    return f"{names[label]} {'rightly' if label == said else 'wrongly'} called {names[said]}: {number}"


def _chart(found: Evaluation, names: Mapping[str, str], order: Sequence[str], shares: bool, *, key: str) -> Cell | None:
    """The matrix of these classes; returns the cell that was clicked. The last row and column hold the totals."""
    few = len(order) <= _MOST_CLASSES_WITH_NUMBERS
    side = 38 * len(order) + 170 if few else 680
    picked = alt.selection_point(name="cell", fields=["label", "predicted"], on="click", clear="dblclick")
    shown = json.dumps({**{c: names.get(c, c) for c in order}, ANY: _TOTAL})
    scale = alt.Scale(domain=[*order, ANY])
    plain: dict[str, Any] = {"labels": few, "ticks": False, "labelLimit": 140, "domain": False, "labelOverlap": False}
    plain["labelExpr"] = f"({shown})[datum.value]"
    base = alt.Chart(pd.DataFrame(_rows(found, names, order, shares))).encode(
        x=alt.X(
            "predicted:N", scale=scale, title="what the model said (prediction)", axis=alt.Axis(labelAngle=-40, **plain)
        ),
        y=alt.Y("label:N", scale=scale, title="what it is (label)", axis=alt.Axis(**plain)),
    )
    kinds = alt.Scale(domain=["right", "wrong", "total"], range=[ACCENT, WRONG, _GREY])
    ink = "#e6e9e8" if st.context.theme.type == "dark" else "#22302f"
    layers: list[Any] = [
        base.mark_rect(stroke="#8884", strokeWidth=0.5).encode(
            color=alt.Color("kind:N", scale=kinds, legend=None), opacity=alt.Opacity("shade:Q", scale=None)
        )
    ]
    if few:
        layers.append(base.mark_text(fontSize=13, fontWeight=600, color=ink).encode(text="text:N"))
    # The clicks are taken by an invisible layer on top: the numbers would swallow them.
    top = base.mark_rect(fill="#000", fillOpacity=0.001, stroke=ink, cursor="pointer").encode(
        strokeWidth=alt.condition(picked, alt.value(2.5), alt.value(0), empty=False),
        tooltip=[
            alt.Tooltip("true:N", title="it is"),
            alt.Tooltip("said:N", title="the model said"),
            alt.Tooltip("pictures:Q"),
            alt.Tooltip("share:N", title="of this class"),
        ],
    )
    chart = alt.layer(*layers, top.add_params(picked))
    state = st.altair_chart(chart.properties(height=side), on_select="rerun", key=key, selection_mode="cell")
    chosen = (state.get("selection") or {}).get("cell") or []
    return (str(chosen[0]["label"]), str(chosen[0]["predicted"])) if chosen else None


def _rows(found: Evaluation, names: Mapping[str, str], order: Sequence[str], shares: bool) -> list[dict[str, Any]]:
    """One row a cell; of many classes only the filled ones, or the browser would have thousands of empty ones."""
    at = {name: number for number, name in enumerate(found.classes)}
    totals = found.confusion.sum(axis=1)
    peak = max(1, int(found.confusion.max()))
    few = len(order) <= _MOST_CLASSES_WITH_NUMBERS
    rows = []
    for label in [*order, ANY]:
        for said in [*order, ANY]:
            if label == said == ANY:
                continue
            if ANY in (label, said):
                number = int(totals[at[label]]) if said == ANY else int(found.confusion[:, at[said]].sum())
                share, kind, shade, text = 1.0, "total", 0.12, str(number)
            else:
                number = int(found.confusion[at[label], at[said]])
                share = number / max(1, int(totals[at[label]]))
                kind = "right" if label == said else "wrong"
                shade = 0.03 + 0.92 * (share if shares else number / peak) ** 0.5
                text = (f"{100 * share:.0f} %" if shares else str(number)) if number else ""
            if number or few:
                rows.append(
                    {
                        "label": label,
                        "predicted": said,
                        "true": names.get(label, label) or "any class",
                        "said": names.get(said, said) or "anything",
                        "pictures": number,
                        "share": "–" if kind == "total" else f"{100 * share:.0f} %",
                        "kind": kind,
                        "shade": shade,
                        "text": text,
                    }
                )
    return rows
