"""Trainings side by side: figures, settings that differ, and the pictures that one has right and the other wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from imgtag.core.errors import NotFound
from imgtag.core.words import count, duration, moment, percent
from imgtag.data.dataset import Dataset
from imgtag.review.comparison import Comparison, compare_runs
from imgtag.review.metrics import Evaluation, evaluate
from imgtag.training.options import OPTIONS
from imgtag.training.runs import Run
from imgtag.ui import charts
from imgtag.ui.evaluation import prediction_grid
from imgtag.ui.recipes import recipe_title, value_words
from imgtag.ui.runs import run_numbers
from imgtag.ui.widgets import empty_state

_MOST = 60
_LAST_FIRST = {"tuning": "fine-tuning", "learning": "its head", "fitting": "its head"}  # what is compared of a run
_CHANCE = 0.05  # from here on a difference is said to be no accident


def comparison_area(runs: Sequence[Run], dataset: Dataset, split: str) -> None:
    """Choose trainings (runs: the newest first) and show how they differ."""
    if len(runs) < 2:
        empty_state("One training so far", "Train again, and this page shows what has changed.", ":material/compare:")
        return
    numbers = run_numbers(runs[0].project)
    by_id = {run.id: run for run in runs}
    key = f"compared {runs[0].project.name}"
    asked = st.session_state.pop("review compared", None)
    if asked and set(asked) <= by_id.keys():
        st.session_state[key] = asked
    st.session_state.setdefault(key, [runs[0].id, runs[1].id])
    chosen = st.multiselect(
        "Trainings",
        list(by_id),
        format_func=lambda i: f"No. {numbers[i]}, {recipe_title(by_id[i].recipe)}, {moment(by_id[i].created)}",
        max_selections=6,
        key=key,
    )
    picked = sorted((by_id[i] for i in chosen), key=lambda run: numbers[run.id])
    if len(picked) < 2:
        st.caption("Choose two trainings or more.")
        return
    titles = {run.id: f"No. {numbers[run.id]}" for run in picked}
    before, after = picked[0], picked[-1]
    found = compare_runs(before, after, split)
    if found:
        _in_words(found, titles[before.id], titles[after.id])
    else:
        st.info("These trainings were not checked on the same pictures, so that only their figures can be compared.")
    _table(picked, titles, split)
    _curves(picked, titles)
    if found:
        names = {c: after.display_name(c) for c in after.classes}
        for title, rows, key in (
            (f"Fixed: wrong in {titles[before.id]}, right in {titles[after.id]}", found.fixed, "fixed"),
            (f"Newly wrong: right in {titles[before.id]}", found.newly_wrong, "newly wrong"),
        ):
            st.subheader(f"{title} ({len(rows)})", anchor=False)
            prediction_grid(after, dataset, rows[:_MOST], names, key=f"{key} {before.id} {after.id} {split}")


def against_the_one_before(run: Run, runs: Sequence[Run], split: str) -> str:
    """A sentence: what has changed since the training before (runs: the newest first); nothing where there is none."""
    older = [r for r in runs if r.created < run.created]
    found = compare_runs(older[0], run, split) if older else None
    if found is None:
        return ""
    chance = "" if found.chance < _CHANCE or not found.gain else "; that may be chance"
    return (
        f"Since the training before: {count(len(found.fixed), 'picture')} fixed, {len(found.newly_wrong)} newly wrong, "
        f"of {found.pictures:,} that neither has learnt from ({100 * found.gain:+.1f} points{chance})."
    )


def _in_words(found: Comparison, before: str, after: str) -> None:
    low, high = found.interval
    if not (found.fixed or found.newly_wrong):
        verdict = "Both are right about the same pictures."
    else:
        share = percent(found.chance) if found.chance >= 0.001 else "under 0.1 %"
        accident = "That is hardly an accident" if found.chance < _CHANCE else "That may be an accident"
        verdict = f"{accident}: of two equally good models, {share} would differ as much by chance (McNemar's test)."
    with st.container(border=True):
        st.markdown(f"### {count(len(found.fixed), 'picture')} fixed, {len(found.newly_wrong)} newly wrong")
        st.markdown(
            f"Of {found.pictures:,} pictures that neither has learnt from, {before} has {found.right_before:,} right "
            f"and {after} {found.right_after:,}: **{100 * found.gain:+.1f} points** (between {100 * low:+.1f} and "
            f"{100 * high:+.1f}, 95 % confidence interval). {verdict}"
        )
        if found.relabelled:
            st.caption(
                f"{count(found.relabelled, 'of these pictures has', 'of these pictures have')} another label since "
                f"{before}; both are judged by the label of {after}. The table shows each as it was judged then."
            )


def _table(runs: Sequence[Run], titles: Mapping[str, str], split: str) -> None:
    """Figures of each run, then the settings in which they differ."""
    rows: dict[str, list[str]] = {}
    figures = {run.id: _evaluated(run, split) for run in runs}
    of = [figures[run.id] for run in runs]
    rows["Accuracy"] = [percent(f.accuracy) if f else "–" for f in of]
    rows["95 % interval"] = [f"{percent(f.interval[0])} to {percent(f.interval[1])}" if f else "–" for f in of]
    rows["By class (macro F1)"] = [percent(f.macro_f1) if f else "–" for f in of]
    rows["Surprise (log loss)"] = [f"{f.log_loss:.3f}" if f else "–" for f in of]
    rows["Pictures checked"] = [f"{f.n:,}" if f else "–" for f in of]
    rows["Pictures learnt from"] = [f"{sum(c.train_count for c in f.per_class):,}" if f else "–" for f in of]
    rows["Kind"] = [recipe_title(run.recipe) for run in runs]
    rows["Duration"] = [duration(run.status.get("seconds")) for run in runs]
    for option in OPTIONS:
        values = [value_words(option.name, getattr(run.recipe, option.name)) for run in runs]
        if len(set(values)) > 1:
            rows[option.title] = values
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[titles[run.id] for run in runs])
    st.dataframe(table.rename_axis(""), height=38 + 35 * len(table))


def _curves(runs: Sequence[Run], titles: Mapping[str, str]) -> None:
    """How loss and accuracy on the validation pictures went, round by round, of each run."""
    curves: dict[str, list[tuple[int, float, float]]] = {}
    for run in runs:
        rows = [r for r in run.metrics() if r.get("epoch") and "val_loss" in r]
        phases = {str(r["phase"]) for r in rows}
        phase = next((p for p in _LAST_FIRST if p in phases), None)
        if phase:
            of_phase = [r for r in rows if r["phase"] == phase]
            curves[f"{titles[run.id]}, {_LAST_FIRST[phase]}"] = [
                (int(r["epoch"]), float(r["val_loss"]), 100 * float(r["val_accuracy"])) for r in of_phase
            ]
    if len(curves) > 1:
        st.subheader("Curves on the validation pictures", anchor=False)
        charts.curves_of_runs(curves, key=f"curves {' '.join(curves)} {runs[0].id} {runs[-1].id}")


def _evaluated(run: Run, split: str) -> Evaluation | None:
    try:
        return evaluate(run, split)
    except NotFound:
        return None
