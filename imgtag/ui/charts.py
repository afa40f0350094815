"""Charts of pictures and predictions; those of a training are in `curves`. Colours come from the theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import plotly.graph_objects as go
import streamlit as st

from imgtag.core.words import percent
from imgtag.review.learning_curve import Point
from imgtag.review.metrics import Bin, ClassFigures
from imgtag.serving.predictor import Tag

_SEVERAL = ("#14938a", "#d9480f", "#7a6fb0", "#e0a526", "#4a7fb5", "#888888")  # of things side by side
ACCENT, WRONG = "#14938a", "#d9480f"  # readable on the light and on the dark theme


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
            text=[percent(t.probability) for t in shown],
            textposition=["inside" if t.probability > 0.75 else "outside" for t in shown],
            insidetextanchor="end",
            orientation="h",
            marker={"color": ACCENT, "opacity": [0.45] * (len(shown) - 1) + [1.0]},
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    figure.update_layout(height=38 * len(shown) + 48, margin={"l": 8, "r": 28, "t": 4, "b": 4}, bargap=0.3)
    ticks = [0, 25, 50, 75, 100]
    figure.update_xaxes(range=[0, 100], fixedrange=True, tickvals=ticks, ticktext=[f"{t} %" for t in ticks])
    figure.update_yaxes(type="category", automargin=True, fixedrange=True, ticksuffix="  ")
    st.plotly_chart(figure, config={"displayModeBar": False}, key=key)


def per_class(figures: Sequence[ClassFigures], names: Mapping[str, str], *, key: str) -> None:
    """How many of each class are found (recall) as bars, how often its name is right (precision) as dots."""
    ordered = sorted((f for f in figures if f.support), key=lambda f: f.recall)
    rows = [_plain_label(names.get(f.label, f.label)) for f in ordered]
    figure = go.Figure()
    figure.add_bar(
        x=[100 * f.recall for f in ordered],
        y=rows,
        orientation="h",
        name="found (recall)",
        marker={"color": ACCENT, "opacity": 0.55},
        customdata=[(f.support, f.train_count) for f in ordered],
        hovertemplate="%{y}: %{x:.0f} % of %{customdata[0]} found, learnt from %{customdata[1]}<extra></extra>",
    )
    figure.add_scatter(
        x=[100 * f.precision for f in ordered],
        y=rows,
        mode="markers",
        name="right when said (precision)",
        marker={"color": WRONG, "size": 9},
        hovertemplate="%{y}: right %{x:.0f} % of the times it was said<extra></extra>",
    )
    figure.update_layout(
        height=28 * len(ordered) + 90,
        margin={"l": 8, "r": 16, "t": 4, "b": 4},
        bargap=0.35,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    )
    ticks = [0, 25, 50, 75, 100]
    figure.update_xaxes(range=[-2, 102], fixedrange=True, tickvals=ticks, ticktext=[f"{t} %" for t in ticks])
    figure.update_yaxes(
        type="category", autorange="reversed", automargin=True, fixedrange=True, ticksuffix="  ", tickmode="linear"
    )
    with st.container(height=640 if len(ordered) > 40 else "content", border=False):
        st.plotly_chart(figure, config={"displayModeBar": False}, key=key)


def reliability(curves: Mapping[str, Sequence[Bin]], *, key: str) -> None:
    """How often answers were right against how sure they were, a dot for each tenth; honest: on the diagonal."""
    figure = go.Figure()
    line = {"color": "#888", "dash": "dot"}
    figure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", name="honest", line=line, hoverinfo="skip")
    most = max((b.n for bins in curves.values() for b in bins), default=1)
    for (name, bins), colour in zip(curves.items(), (WRONG, ACCENT), strict=True):
        figure.add_scatter(
            x=[100 * b.sure for b in bins],
            y=[100 * b.right / b.n for b in bins],
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2},
            marker={"size": [7 + 18 * (b.n / most) ** 0.5 for b in bins], "opacity": 0.8},
            customdata=[(b.right, b.n) for b in bins],
            hovertemplate="%{x:.0f} % sure: %{customdata[0]} of %{customdata[1]} right<extra></extra>",
        )
    figure.update_layout(
        height=360,
        margin={"l": 0, "r": 10, "t": 4, "b": 0},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(title="how sure it was", range=[0, 104], ticksuffix=" %", fixedrange=True)
    figure.update_yaxes(title="how often it was right", range=[0, 104], ticksuffix=" %", fixedrange=True)
    st.plotly_chart(figure, config={"displayModeBar": False}, key=key)


def curves_of_runs(curves: Mapping[str, Sequence[tuple[int, float, float]]], *, key: str) -> None:
    """Of each run (round, loss, accuracy in per cent), side by side: loss on the left, accuracy on the right."""
    for column, (place, title, unit) in zip(
        st.columns(2), ((1, "loss", ""), (2, "right (accuracy)", " %")), strict=True
    ):
        figure = go.Figure()
        for (name, rows), colour in zip(curves.items(), cycle(_SEVERAL)):
            figure.add_scatter(
                x=[r[0] for r in rows],
                y=[r[place] for r in rows],
                mode="lines+markers",
                name=name,
                line={"color": colour},
                marker={"size": 5},
                hovertemplate=f"round %{{x}}: %{{y:.3~f}}{unit}<extra>{_plain_label(name)}</extra>",
            )
        figure.update_layout(
            height=320,
            margin={"l": 0, "r": 10, "t": 4, "b": 0},
            legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        )
        figure.update_xaxes(title="rounds (epochs)", fixedrange=True)
        figure.update_yaxes(title=title, ticksuffix=unit, fixedrange=True)
        with column:
            st.plotly_chart(figure, config={"displayModeBar": False}, key=f"{key} {title}")


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


def _plain_label(name: str) -> str:
    """A name for Plotly, which reads a little HTML: signs of HTML are made plain, long names are cut."""
    short = name if len(name) <= 34 else f"{name[:33]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;")
