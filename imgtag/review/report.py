"""A report for people who were not there: one HTML file with everything inside, which opens offline and prints well."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader
from plotly.offline import get_plotlyjs

from imgtag.core.errors import ImgtagError, NotFound
from imgtag.core.words import duration, percent, right_of
from imgtag.data.thumbnails import thumbnail_bytes
from imgtag.review.browse import Wanted, browse
from imgtag.review.matrix import similar_order, with_mistakes
from imgtag.review.metrics import Evaluation, Prediction, evaluate
from imgtag.review.overview import WHICH_PICTURES, findings
from imgtag.training.backbones import backbone_title
from imgtag.training.runs import Run

_EXAMPLES = 12
_MOST_WITH_NUMBERS, _MOST_WITH_NAMES = 25, 60  # classes in the matrix
_COLOURS = [[0, "#d9480f"], [0.499, "#fbe3d8"], [0.5, "#ffffff"], [0.501, "#d5ebe8"], [1, "#0f766e"]]  # wrong to right


def write_report(run: Run) -> str:
    """The report about a run as HTML: by its test pictures, where it has none, by its validation pictures.

    Raises NotFound where the run was checked with no pictures at all.
    """
    found = _strictest(run)
    names = {c: run.display_name(c) for c in run.classes}
    low, high = found.interval
    wrong = browse(found.predictions, Wanted(right=False), "sure")
    right = browse(found.predictions, Wanted(right=True), "random")
    shown = _in_matrix(found)
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return templates.get_template("report.html").render(
        title=run.project.title,
        classes=run.classes,
        when=time.strftime("%d %B %Y", time.localtime(run.created)),
        accuracy=percent(found.accuracy),
        right_of=right_of(found.right, found.n),
        interval=(percent(low), percent(high)),
        which=WHICH_PICTURES[found.split],
        findings=findings(found, names.__getitem__),
        table=[
            (names[f.label], f.train_count, f.support, *(_share(x, f.support) for x in (f.recall, f.precision)))
            for f in found.per_class
        ],
        matrix=_matrix(found, names, shown),
        hidden=len(run.classes) - len(shown),
        wrong=_pictures(run, wrong, names),
        mistakes=len(wrong),
        right=_pictures(run, right, names),
        limits=_limits(run, found),
        how=_how(run, found),
        plotly=get_plotlyjs(),
    )


def _strictest(run: Run) -> Evaluation:
    try:
        return evaluate(run, "test")
    except NotFound:
        return evaluate(run, "val")


def _share(share: float, support: int) -> str:
    return percent(share) if support else "–"


def _in_matrix(found: Evaluation) -> list[str]:
    """The classes of the matrix: of many only those with a mistake, so that there is room for their names."""
    order = similar_order(found)
    mistaken = with_mistakes(found, order)
    return mistaken if mistaken and len(order) > _MOST_WITH_NUMBERS else order


def _matrix(found: Evaluation, names: dict[str, str], order: Sequence[str]) -> str:
    """The confusion matrix as shares of each row, with the counts written in where there is room."""
    at = [found.classes.index(c) for c in order]
    counts = found.confusion[np.ix_(at, at)]
    shares = counts / np.maximum(found.confusion.sum(axis=1)[at][:, None], 1)
    few, named = len(order) <= _MOST_WITH_NUMBERS, len(order) <= _MOST_WITH_NAMES
    labels = [_plain(names[c]) for c in order]
    figure = go.Figure(
        go.Heatmap(
            z=np.where(np.eye(len(order), dtype=bool), shares, -shares),
            x=list(range(len(order))),
            y=list(range(len(order))),
            text=np.where(counts > 0, counts, "").astype(str) if few else None,
            texttemplate="%{text}" if few else None,
            customdata=[
                [(a, b, percent(share)) for b, share in zip(labels, row, strict=True)]
                for a, row in zip(labels, shares.tolist(), strict=True)
            ],
            hovertemplate="%{customdata[0]} called %{customdata[1]}: %{customdata[2]}<extra></extra>",
            colorscale=_COLOURS,
            showscale=False,
            xgap=1,
            ygap=1,
            zmin=-1,
            zmax=1,
        )
    )
    places: dict[str, Any] = {"tickvals": list(range(len(order))), "ticktext": labels, "showticklabels": named}
    angle = -40 if few else -90
    figure.update_xaxes(title="what the model said", automargin=True, fixedrange=True, tickangle=angle, **places)
    figure.update_yaxes(title="what it is", autorange="reversed", automargin=True, fixedrange=True, **places)
    figure.update_layout(
        height=130 + 34 * len(order) if few else 760, margin={"l": 8, "r": 8, "t": 8, "b": 8}, plot_bgcolor="#f4f2ea"
    )
    if not few:
        figure.update_layout(font_size=10)
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True})
    )


def _plain(name: str) -> str:
    """A name for Plotly, which reads a little HTML."""
    return name.replace("&", "&amp;").replace("<", "&lt;")


def _pictures(run: Run, predictions: Sequence[Prediction], names: dict[str, str]) -> list[dict[str, str]]:
    """The first of these that are still there, as thumbnails inside the page."""
    shown: list[dict[str, str]] = []
    for p in predictions:
        if len(shown) == _EXAMPLES:
            break
        try:
            data = base64.b64encode(thumbnail_bytes(run.project, p.sha256)).decode()
        except ImgtagError:  # trashed since, or it cannot be read any more
            continue
        note = f"{percent(p.probability)} sure" + ("" if p.right else f"; it is {names[p.label]}")
        shown.append({"src": f"data:image/jpeg;base64,{data}", "said": names[p.predicted], "note": note})
    return shown


def _limits(run: Run, found: Evaluation) -> list[str]:
    lines = [
        f"It knows these {len(run.classes)} classes only, and names one of them for every picture.",
        "It was checked with pictures of the same collection: with another camera, light or place it may be right less "
        "often.",
    ]
    refusal = run.model_facts.get("unknown_threshold")
    if refusal:
        lines[0] = (
            f"It knows these {len(run.classes)} classes only. To pictures that are unlike all that it has learnt from, "
            "or where it is too unsure, it answers “unknown”; some strangers will get past that."
        )
    thin = [f for f in found.per_class if f.support < 10]
    if thin:
        names = ", ".join(run.display_name(f.label) for f in thin[:8]) + (" and others" if len(thin) > 8 else "")
        lines.append(f"Fewer than ten pictures checked these classes, so that their figures say little: {names}.")
    return lines


def _how(run: Run, found: Evaluation) -> str:
    learnt = sum(f.train_count for f in found.per_class)
    took = duration(run.status.get("seconds"))
    networks = " and ".join(backbone_title(name) for name in str(run.model_facts.get("backbone", "")).split("+"))
    return (
        f"With imgtag, from {learnt:,} training pictures{f', in {took}' if took else ''}, on top of a network that had "
        f"seen a million photographs before ({networks}). Classes that were confused stand side by side in the matrix."
    )
