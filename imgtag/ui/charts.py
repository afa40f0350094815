"""Charts of pictures and predictions; those of a training are in `curves`. Colours come from the theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from imgtag.review.learning_curve import Point
from imgtag.review.metrics import Evaluation
from imgtag.serving.predictor import Tag

ACCENT, WRONG = "#14938a", "#d9480f"  # readable on the light and on the dark theme
_MOST_CLASSES_WITH_NUMBERS = 20


def class_counts(counts: Mapping[str, int], names: Mapping[str, str], *, key: str) -> None:
    """How many pictures every class has, as bars, largest first."""
    ordered = sorted(counts, key=lambda c: counts[c], reverse=True)  # ties keep their order
    figure = go.Figure(
        go.Bar(
            x=[counts[c] for c in ordered],
            y=[_plain_label(names.get(c, c)) for c in ordered],
            text=[f"{counts[c]:,}" for c in ordered],
            textposition="outside",
            orientation="h",
            cliponaxis=False,
            marker={"color": ACCENT},
            hovertemplate="%{y}: %{x} pictures<extra></extra>",
        )
    )
    figure.update_layout(height=28 * len(ordered) + 30, margin={"l": 8, "r": 48, "t": 4, "b": 4}, bargap=0.35)
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(
        type="category", autorange="reversed", automargin=True, fixedrange=True, ticksuffix="  ", tickmode="linear"
    )
    with st.container(height=640 if len(ordered) > 40 else "content", border=False):
        st.plotly_chart(figure, config={"displayModeBar": False}, key=key)


def split_counts(counts: Mapping[str, Mapping[str, int]], names: Mapping[str, str], *, key: str) -> None:
    """How many pictures of every class train, validate and test, as stacked bars, largest class first."""
    ordered = sorted(counts, key=lambda c: sum(counts[c].values()), reverse=True)
    figure = go.Figure()
    for split, title, colour in (
        ("train", "Training", ACCENT),
        ("val", "Validation", "#e0a526"),
        ("test", "Test", "#7a6fb0"),
    ):
        numbers = [counts[c].get(split, 0) for c in ordered]
        figure.add_bar(
            x=numbers,
            y=[_plain_label(names.get(c, c)) for c in ordered],
            text=[str(n) if n else "" for n in numbers],
            textangle=0,
            name=title,
            orientation="h",
            marker={"color": colour},
            hovertemplate=f"%{{y}}, {title.lower()}: %{{x}}<extra></extra>",
        )
    figure.update_layout(
        barmode="stack",
        height=28 * len(ordered) + 76,
        margin={"l": 8, "r": 16, "t": 4, "b": 4},
        bargap=0.35,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    )
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(
        type="category", autorange="reversed", automargin=True, fixedrange=True, ticksuffix="  ", tickmode="linear"
    )
    with st.container(height=640 if len(ordered) > 40 else "content", border=False):
        st.plotly_chart(figure, config={"displayModeBar": False}, key=key)


def tag_bars(tags: Sequence[Tag], *, key: str) -> None:
    """The likeliest classes of one picture with their probabilities, always on an axis from 0 to 100 %."""
    shown = list(reversed(tags))
    figure = go.Figure(
        go.Bar(
            x=[t.probability * 100 for t in shown],
            y=[_plain_label(t.display) for t in shown],
            text=[f"{t.probability * 100:.1f} %" for t in shown],
            textposition=["inside" if t.probability > 0.75 else "outside" for t in shown],
            insidetextanchor="end",
            orientation="h",
            marker={"color": ACCENT, "opacity": [0.45] * (len(shown) - 1) + [1.0]},
            hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
        )
    )
    figure.update_layout(height=38 * len(shown) + 48, margin={"l": 8, "r": 28, "t": 4, "b": 4}, bargap=0.3)
    ticks = [0, 25, 50, 75, 100]
    figure.update_xaxes(range=[0, 100], fixedrange=True, tickvals=ticks, ticktext=[f"{t} %" for t in ticks])
    figure.update_yaxes(type="category", automargin=True, fixedrange=True, ticksuffix="  ")
    st.plotly_chart(figure, config={"displayModeBar": False}, key=key)


def learning_curve(curve: Sequence[Point], *, key: str) -> None:
    """Accuracy against the number of pictures learnt from, with a band from the lowest to the highest."""
    x = [p.pictures for p in curve]
    figure = go.Figure()
    edges = [100 * p.highest for p in curve] + [100 * p.lowest for p in reversed(curve)]
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=edges,
        mode="lines",
        fill="toself",
        fillcolor=ACCENT,
        opacity=0.18,
        line_width=0,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=x,
        y=[100 * p.accuracy for p in curve],
        mode="lines+markers",
        line={"color": ACCENT, "width": 3},
        marker={"size": 8},
        hovertemplate="%{y:.1f} % with %{x} pictures<extra></extra>",
    )
    figure.update_layout(height=300, margin={"l": 0, "r": 10, "t": 10, "b": 0}, showlegend=False)
    figure.update_xaxes(title="pictures learnt from", fixedrange=True, rangemode="tozero")
    figure.update_yaxes(title="right (accuracy)", ticksuffix=" %", fixedrange=True)
    st.plotly_chart(figure, config={"displayModeBar": False}, key=key)


def confusion_chart(evaluation: Evaluation, names: Mapping[str, str], *, key: str) -> tuple[str, str] | None:
    """The confusion matrix; returns the (label, predicted) cell that was clicked."""
    classes = evaluation.classes
    rows = [
        {
            "label": label,
            "predicted": predicted,
            "true": names.get(label, label),
            "said": names.get(predicted, predicted),
            "pictures": int(evaluation.confusion[i, j]),
            "kind": "right" if i == j else "wrong",
        }
        for i, label in enumerate(classes)
        for j, predicted in enumerate(classes)
    ]
    few = len(classes) <= _MOST_CLASSES_WITH_NUMBERS
    side = 38 * len(classes) + 130 if few else 640
    picked = alt.selection_point(name="cell", fields=["label", "predicted"], on="click", clear="dblclick")
    order = [names.get(c, c) for c in classes]
    plain: dict[str, Any] = {"labels": few, "ticks": False, "labelLimit": 140, "domain": False, "labelOverlap": False}
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("said:N", sort=order, title="what the model said (prediction)", axis=alt.Axis(labelAngle=-40, **plain)),
        y=alt.Y("true:N", sort=order, title="what it is (label)", axis=alt.Axis(**plain)),
    )
    peak = max(1, int(evaluation.confusion.max()))
    shade = alt.Opacity("pictures:Q", scale=alt.Scale(domain=[0, peak], range=[0.03, 0.95], type="sqrt"), legend=None)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=["right", "wrong"], range=[ACCENT, WRONG]), legend=None)
    ink = "#e6e9e8" if st.context.theme.type == "dark" else "#22302f"
    layers: list[Any] = [base.mark_rect(stroke="#8884", strokeWidth=0.5).encode(color=colour, opacity=shade)]
    if few:
        numbers = base.mark_text(fontSize=13, fontWeight=600, color=ink)
        layers.append(numbers.encode(text=alt.condition("datum.pictures > 0", "pictures:Q", alt.value(""))))
    # The clicks are taken by an invisible layer on top: the numbers would swallow them.
    top = base.mark_rect(fill="#000", fillOpacity=0.001, stroke=ink, cursor="pointer").encode(
        strokeWidth=alt.condition(picked, alt.value(2.5), alt.value(0), empty=False),
        tooltip=[
            alt.Tooltip("true:N", title="it is"),
            alt.Tooltip("said:N", title="the model said"),
            alt.Tooltip("pictures:Q"),
        ],
    )
    chart = alt.layer(*layers, top.add_params(picked))
    state = st.altair_chart(chart.properties(height=side), on_select="rerun", key=key, selection_mode="cell")
    chosen = (state.get("selection") or {}).get("cell") or []
    return (str(chosen[0]["label"]), str(chosen[0]["predicted"])) if chosen else None


def _plain_label(name: str) -> str:
    """A name for Plotly, which reads a little HTML: signs of HTML are made plain, long names are cut."""
    short = name if len(name) <= 34 else f"{name[:33]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;")
