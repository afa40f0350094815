"""The confusion matrix as a chart.

It is a plain Vega-Lite specification: Altair takes half a second to check the same for a hundred classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from imgtag.review.matrix import ANY, Cell
from imgtag.review.metrics import Evaluation
from imgtag.ui.charts import ACCENT, WRONG

_MOST_WITH_NUMBERS, _MOST_WITH_LABELS = 20, 60  # classes
_TOTAL = "all"
_GREY = "#7d8b8a"


def matrix_chart(
    found: Evaluation, names: Mapping[str, str], order: Sequence[str], shares: bool, outlined: Cell, *, key: str
) -> Cell | None:
    """The matrix of these classes; returns the cell that was clicked. The last row and column hold the totals.

    outlined: the cell that is marked until one is clicked.
    """
    rows = pd.DataFrame(_rows(found, names, order, shares))
    dark = st.context.theme.type == "dark"
    spec = _spec(order, names, outlined, ink="#e6e9e8" if dark else "#22302f")
    state = st.vega_lite_chart(rows, spec, on_select="rerun", key=key, selection_mode="cell")
    chosen = (state.get("selection") or {}).get("cell") or []
    return (str(chosen[0]["label"]), str(chosen[0]["predicted"])) if chosen else None


def has_room_beside(classes: int) -> bool:
    """Whether the matrix of so many classes leaves room for something else in its line."""
    return classes <= 10 or classes > _MOST_WITH_NUMBERS


def is_crowded(classes: int) -> bool:
    """Whether the matrix of so many classes has no room for numbers."""
    return classes > _MOST_WITH_NUMBERS


def _height(classes: int) -> int:
    if classes <= _MOST_WITH_NUMBERS:
        return 38 * classes + 170
    return 13 * classes + 170 if classes <= _MOST_WITH_LABELS else 680


def _spec(order: Sequence[str], names: Mapping[str, str], outlined: Cell, ink: str) -> dict[str, Any]:
    shown = json.dumps({**{c: names.get(c, c) for c in order}, ANY: _TOTAL})
    axis = {
        "labels": len(order) <= _MOST_WITH_LABELS,
        "labelExpr": f"({shown})[datum.value]",
        "labelLimit": 140,
        "labelOverlap": False,
        "labelFlush": False,
        "ticks": False,
        "domain": False,
        **({"labelFontSize": 10} if is_crowded(len(order)) else {}),
    }
    turned: dict[str, Any] = {"labelAngle": -40}
    if is_crowded(len(order)):  # on a phone, every second or third
        turned = {"labelAngle": -90, "labelOverlap": "greedy"}
    scale = {"domain": [*order, ANY]}
    place = {
        "x": {
            "field": "predicted",
            "type": "nominal",
            "scale": scale,
            "title": "what the model said (prediction)",
            "axis": {**axis, **turned},
        },
        "y": {"field": "label", "type": "nominal", "scale": scale, "title": "what it is (label)", "axis": axis},
    }
    kinds = {"domain": ["right", "wrong", "total"], "range": [ACCENT, WRONG, _GREY]}
    fields = {
        "mark": {"type": "rect", "stroke": "#8884", "strokeWidth": 0.5},
        "encoding": {
            "color": {"field": "kind", "type": "nominal", "scale": kinds, "legend": None},
            "opacity": {"field": "shade", "type": "quantitative", "scale": None},
        },
    }
    numbers = {
        "mark": {"type": "text", "fontSize": 13, "fontWeight": 600, "color": ink},
        "encoding": {"text": {"field": "text", "type": "nominal"}},
    }
    label, said = outlined
    picked: dict[str, Any] = {
        "name": "cell",
        "select": {"type": "point", "fields": ["label", "predicted"], "on": "click", "clear": "dblclick"},
    }
    if outlined != (ANY, ANY):
        picked["value"] = [{"label": label, "predicted": said}]
    words = {"true": "it is", "said": "the model said", "pictures": "pictures", "share": "of this class"}
    # The clicks are taken by an invisible layer on top: the numbers would swallow them.
    top = {
        "mark": {"type": "rect", "fill": "#000", "fillOpacity": 0.001, "stroke": ink, "cursor": "pointer"},
        "params": [picked],
        "encoding": {
            "strokeWidth": {"condition": {"param": "cell", "empty": False, "value": 2.5}, "value": 0},
            "tooltip": [{"field": name, "title": title} for name, title in words.items()],
        },
    }
    layers = [fields, top] if is_crowded(len(order)) else [fields, numbers, top]
    return {"height": _height(len(order)), "encoding": place, "layer": layers}


def _rows(found: Evaluation, names: Mapping[str, str], order: Sequence[str], shares: bool) -> list[dict[str, Any]]:
    """One row a cell; of many classes only the filled ones, or the browser would have thousands of empty ones."""
    at = {name: number for number, name in enumerate(found.classes)}
    totals = found.confusion.sum(axis=1)
    peak = max(1, int(found.confusion.max()))
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
            if number or not is_crowded(len(order)):
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
