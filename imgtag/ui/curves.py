"""The curves of a training: loss, accuracy, learning rate, and the learning-rate finder.

Live charts never rebuild their DOM (see st.echarts_chart), but each redraw forgets what the mouse did to them. So the
part that is shown is chosen with a slider, which a redraw leaves alone; the wheel scrolls the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

Row = Mapping[str, Any]

_MOST_POINTS = 800
_WHOLE = (0, 100)  # percent of the axis
_TRAIN, _VAL, _STEP = "learnt from (training)", "unseen (validation)", "each step (training)"
_RATE, _ROUNDS = "step size", "rounds (epochs)"
_PICTURES = "pictures looked at"
_LOOKING = "Looking"
_NETWORKS = {"": "", " 1": ", second network", " 2": ", third network", " 3": ", fourth network"}
_STAGES = {
    "looking": _LOOKING,
    **{f"{kind}{tail}": f"Learning{words}" for kind in ("fitting", "learning") for tail, words in _NETWORKS.items()},
    "tuning": "Fine-tuning",
}


@dataclass(frozen=True)
class _Stage:
    """What is drawn together: rows of rounds and of single steps over one axis."""

    rounds: Sequence[Row]
    steps: Sequence[Row]
    axis: str
    place: Callable[[Row], float]
    window: tuple[int, int]  # the part of the axis that is shown, in percent

    def end(self, places: Sequence[float]) -> float | None:
        """Where the axis ends: a round that is begun is drawn to its end, so that one sees how far it is."""
        last = max(places, default=None)
        return math.ceil(last) if last is not None and self.axis == _ROUNDS else last


def learning_curves(metrics: Sequence[Row], *, key: str) -> None:
    """Loss and accuracy for training and validation pictures; made to be redrawn often.

    The parts of a training last moments or hours, so each has curves of its own; the newest is shown first.
    """
    found = _phases_by_stage(metrics)
    names = list(found)
    shown = names[-1] if names else _LOOKING
    if len(names) > 1:
        wanted = st.segmented_control(
            "Curves of", names, default=shown, key=f"{key}-stage {len(names)}", required=True, persist_state="page"
        )
        shown = wanted or shown
    rows = found.get(shown, [])
    zoom = f"{key}-zoom {shown}"
    window = st.session_state.get(zoom, _WHOLE)
    stage = _by_pictures(rows, window) if shown == _LOOKING else _by_rounds(rows, _before(found), window)
    _loss_and_accuracy(stage, key)
    _step_sizes(stage, key)
    if rows:
        _zoom_slider(zoom)


def _zoom_slider(key: str) -> None:
    st.slider(
        "Part of the curves shown",
        *_WHOLE,
        _WHOLE,
        format="%d %%",
        key=key,
        help="Draw the ends together to look closer; the axes fit what is left. It stays while the training goes on.",
        persist_state="page",
    )


def finder_curve(metrics: Sequence[Row], found: float | None, usual: float, *, key: str) -> None:
    """What the learning-rate finder tried, on a logarithmic axis, with the step size that it chose."""
    rows = [r for r in metrics if r["phase"] == "finding"]
    if not rows:
        return
    st.markdown("**Which step size helps most (learning-rate finder)**")
    st.caption(
        f"Chosen: {found:.2g}, where the loss falls most steeply."
        if found
        else f"No clear place was found, so the usual step size {usual:g} was taken."
    )
    table = pd.DataFrame({_RATE: _values(rows, "rate"), "loss": _values(rows, "loss")})
    nearest = min(rows, key=lambda r: abs(math.log((found or usual) / r["rate"])))
    chosen = pd.DataFrame({_RATE: [nearest["rate"]], "taken": [nearest["loss"]]})
    point = {
        "type": "scatter",
        "name": "taken",
        "datasetIndex": 1,
        "encode": {"x": _RATE, "y": "taken"},
        "symbolSize": 14,
        "z": 5,
        "label": {"show": True, "formatter": "taken", "position": "top"},
    }
    axis = "step size (learning rate), ten times larger at each mark"
    spec = _spec([table, chosen], [_line("loss", _RATE, dots=True), point], axis, "", None, legend=False)
    spec["xAxis"] = {**spec["xAxis"], "type": "log", "min": "dataMin", "max": "dataMax"}
    st.echarts_chart(spec, height=220, key=f"{key}-finder", alt="Loss by learning rate")


def _loss_and_accuracy(stage: _Stage, key: str) -> None:
    rounds, steps = stage.rounds, _thinned(stage.steps)
    places = [stage.place(r) for r in (*rounds, *steps)]
    charts = (
        ("accuracy", "How often it is right (accuracy)", 100.0, "%"),
        ("loss", "How wrong it still is (loss)", 1.0, ""),
    )
    for column, (name, title, factor, sign) in zip(st.columns(2), charts, strict=True):
        table = pd.DataFrame({stage.axis: _places(stage, rounds)})
        for series, part in ((_TRAIN, "train"), (_VAL, "val")):
            table[series] = _values(rounds, f"{part}_{name}", factor)
        sources, lines = [table], [_line(n, stage.axis, dots=len(table) < 60) for n in (_TRAIN, _VAL)]
        if steps:
            values = _values(steps, f"train_{name}", factor)
            sources.append(pd.DataFrame({stage.axis: _places(stage, steps), _STEP: values}))
            lines.append(_thin_line(_STEP, stage.axis))
        spec = _spec(sources, lines, stage.axis, sign, 100.0 if name == "accuracy" else None)
        _show_part(spec, stage, places)
        with column:
            st.markdown(f"**{title}**")
            st.echarts_chart(spec, height=260, key=f"{key}-{name}", alt=title)


def _step_sizes(stage: _Stage, key: str) -> None:
    paced = [r for r in _thinned(stage.steps) if r.get("rate") is not None]
    if len(paced) < 2:
        return
    st.markdown("**How large its steps are (learning rate)**")
    table = pd.DataFrame({stage.axis: _places(stage, paced), _RATE: _values(paced, "rate")})
    spec = _spec([table], [_line(_RATE, stage.axis, dots=False)], stage.axis, "", None, legend=False)
    spec["tooltip"]["valueFormatter"] = "%.2e"
    spec["yAxis"]["splitNumber"] = 3
    _show_part(spec, stage, [stage.place(r) for r in (*stage.rounds, *stage.steps)])
    st.echarts_chart(spec, height=160, key=f"{key}-rate", alt="Learning rate")


# ----------------------------------------------------------------------------- stages


def _phases_by_stage(metrics: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each stage, in the order in which they began; a single point is no curve once there are others."""
    found: dict[str, list[Row]] = {}
    for row in metrics:
        phase = str(row["phase"]).removesuffix(" step")
        if phase in _STAGES:
            found.setdefault(_STAGES[phase], []).append(row)
    curves = {name: rows for name, rows in found.items() if len(rows) > 1}
    return curves or found


def _by_pictures(rows: Sequence[Row], window: tuple[int, int]) -> _Stage:
    """First impressions while pictures are looked at."""
    return _Stage(_thinned(rows), (), _PICTURES, lambda row: float(row["pictures"]), window)


def _by_rounds(rows: Sequence[Row], before: Row | None, window: tuple[int, int]) -> _Stage:
    """Learning step by step, over its rounds; round 0 is what there was before."""
    rounds = [r for r in rows if not _is_step(r)]
    if before and rows[0]["phase"] in ("tuning", "tuning step"):
        rounds.insert(0, {**before, "epoch": 0, "phase": "tuning"})
    steps = [r for r in rows if _is_step(r)]
    return _Stage(_thinned(rounds), steps, _ROUNDS, lambda row: float(row["epoch"]), window)


def _before(found: Mapping[str, Sequence[Row]]) -> Row | None:
    """The best round of the first network's head, from which fine-tuning begins."""
    heads = [r for rows in found.values() for r in rows if r["phase"] in ("fitting", "learning")]
    return min(heads, key=lambda r: r.get("val_loss", r.get("train_loss", math.inf)), default=None)


# ----------------------------------------------------------------------------- rows


def _is_step(row: Row) -> bool:
    return str(row["phase"]).endswith(" step")


def _thinned(rows: Sequence[Row]) -> list[Row]:
    """An even selection that keeps the last one."""
    step = max(1, -(-len(rows) // _MOST_POINTS))
    return [*rows[::step], *(rows[-1:] if rows and (len(rows) - 1) % step else [])]


def _values(rows: Sequence[Row], name: str, factor: float = 1.0) -> pd.Series:
    return pd.Series([None if r.get(name) is None else r[name] * factor for r in rows], dtype=float)


def _places(stage: _Stage, rows: Sequence[Row]) -> pd.Series:
    return pd.Series([stage.place(r) for r in rows], dtype=float)


# ----------------------------------------------------------------------------- specs


def _line(name: str, x: str, *, dots: bool) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "encode": {"x": x, "y": name},
        "showSymbol": dots,
        "symbolSize": 5,
        "lineStyle": {"width": 2.5},
    }


def _thin_line(name: str, x: str) -> dict[str, Any]:
    line = _line(name, x, dots=False)
    return {**line, "datasetIndex": 1, "lineStyle": {"width": 1, "opacity": 0.7}, "z": 1}


def _show_part(spec: dict[str, Any], stage: _Stage, places: Sequence[float]) -> None:
    """All charts end at the same place; of a zoomed one the other axis fits what is left (accuracy up to 100 %)."""
    spec["xAxis"]["max"] = stage.end(places)
    if stage.window != _WHOLE:
        start, end = stage.window
        spec["dataZoom"] = [{"type": "inside", "disabled": True, "start": start, "end": end, "minSpan": 2}]
        spec["yAxis"] |= {"min": None, "scale": True}


def _spec(
    sources: Sequence[pd.DataFrame],
    lines: Sequence[dict[str, Any]],
    x_title: str,
    sign: str,
    most: float | None,
    *,
    legend: bool = True,
) -> dict[str, Any]:
    return {
        "animation": False,
        "dataset": [{"source": table} for table in sources],
        "grid": {"left": 8, "right": 16, "top": 12, "bottom": 58 if legend else 32, "containLabel": True},
        "legend": {"show": legend, "bottom": 0, "itemGap": 14, "type": "scroll"},
        "tooltip": {"trigger": "axis", "valueFormatter": "%.3f"},
        "xAxis": {
            "type": "value",
            "name": x_title,
            "nameLocation": "middle",
            "nameGap": 22,
            "min": 0,
            "axisLabel": {"showMaxLabel": x_title == _ROUNDS},
        },
        "yAxis": {"type": "value", "min": 0, "max": most, "axisLabel": {"formatter": "{value}" + sign}},
        "series": list(lines),
    }
