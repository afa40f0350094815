"""Test-time augmentation on the page Review: does it help to look several times, and what does it cost?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from imgtag.core.words import percent
from imgtag.data.background import Job
from imgtag.serving.tta import Asked, compare_ways
from imgtag.serving.views import RANDOM_VIEWS
from imgtag.training.runs import Run
from imgtag.ui.waiting import worked_out
from imgtag.ui.widgets import folded

_TITLES = {
    "plain": "As usual",
    "fixed": "Four views: also mirrored and 15 % larger",
    "random": f"{RANDOM_VIEWS} random variants, as in training",
}
_CHANCE = 0.05


def several_views_area(run: Run, split: str, names: Mapping[str, str]) -> None:
    """A comparison of the ways to ask, overall and class by class, once somebody starts it."""
    key = f"views {run.id} {split}"
    part = folded("Does it help to look several times?", ":material/burst_mode:", key=key)
    if part is None:
        return
    with part:
        st.caption(
            "Test-time augmentation: the model is asked about several variants of each picture, and its answers are "
            "averaged. This asks about all of these pictures anew, in three ways, and may take a minute."
        )
        if not st.session_state.get(f"{key} asked"):
            if st.button("Compare", icon=":material/play_arrow:", key=f"{key} start"):
                st.session_state[f"{key} asked"] = True
                st.rerun()
            return
        found = worked_out(run.project, key, 0, lambda job: _compare(run, split, job), title="Looking several times")
        if found:
            _show(found, names)
        elif found is not None:
            st.caption("None of these pictures is there any more.")


def _compare(run: Run, split: str, job: Job) -> list[Asked]:
    return compare_ways(run, split, lambda done, total: job.report(done, total, ""))


def _show(found: list[Asked], names: Mapping[str, str]) -> None:
    plain = found[0]
    rows = [
        (
            _TITLES[asked.way],
            f"{asked.right:,} of {asked.n:,} ({percent(asked.right / asked.n)})",
            "" if asked is plain else f"{asked.fixed} fixed, {asked.newly_wrong} newly wrong",
            f"{1000 * asked.seconds / asked.n:.0f} ms",
        )
        for asked in found
    ]
    st.dataframe(pd.DataFrame(rows, columns=["Asked", "Right", "Against as usual", "Time a picture"]), hide_index=True)
    best = max(found[1:], key=lambda a: a.right)
    if best.right > plain.right and best.chance < _CHANCE:
        st.success(f"{_TITLES[best.way]} is better, hardly by chance. Choose it on the page Classify.")
    else:
        st.markdown("**No difference beyond chance** (McNemar's test): asking once will do.")
    shares = {names[label]: [f"{a.by_class[label][0]} of {a.by_class[label][1]}" for a in found] for label in names}
    table = pd.DataFrame.from_dict(shares, orient="index", columns=[_TITLES[a.way] for a in found])
    st.dataframe(table.rename_axis("Right, class by class"), height=min(38 + 35 * len(table), 420))
