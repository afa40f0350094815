"""Trust: is “90 % sure” right nine times of ten, and when shall the model answer “unknown”?"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from imgtag.core.words import count, percent
from imgtag.data.dataset import Dataset
from imgtag.review.calibration import calibration, limits_for, refused
from imgtag.review.metrics import Evaluation, read_predictions
from imgtag.training.model import set_refusal
from imgtag.training.runs import Run
from imgtag.training.trust import USUAL_COST, Refusal
from imgtag.ui import charts
from imgtag.ui.errors import shown_errors
from imgtag.ui.evaluation import prediction_grid
from imgtag.ui.widgets import flash

_MOST = 24
_FITTED_HERE = {
    "val": "Temperature and limits were fitted on these validation pictures: the test pictures judge more strictly.",
    "test": "Temperature and limits were fitted on the validation pictures; these test pictures had no part in it.",
}


def trust_area(run: Run, dataset: Dataset, found: Evaluation, names: Mapping[str, str], *, key: str) -> None:
    """The reliability diagram, and the limits of “unknown” with what they cost and catch."""
    st.caption(_FITTED_HERE[found.split])
    _honesty(run, found, key=key)
    _unknown(run, dataset, found, names, key=key)


def _honesty(run: Run, found: Evaluation, *, key: str) -> None:
    st.subheader("Are its probabilities honest?", anchor=False, help="Calibration: a reliability diagram.")
    seen = calibration(found.predictions)
    if seen is None:
        st.info("This model comes from an earlier version, which did not measure that. Train again to see it.")
        return
    surest = max(seen.after, key=lambda b: b.n)
    st.markdown(
        f"Most answers ({surest.n:,} of {found.n:,}) were {percent(surest.sure)} sure on average; of these, "
        f"**{percent(surest.right / surest.n)}** were right."
    )
    charts.reliability({"as it learnt": seen.before, "as it answers": seen.after}, key=f"{key} reliability")
    with st.grid(3, min_column_width=180):
        about = "Expected calibration error: the mean gap between how sure it was and how often it was right."
        st.metric("Gap before (ECE)", percent(seen.gap_before), border=True, help=about)
        st.metric("Gap after (ECE)", percent(seen.gap_after), border=True, help=about)
        heat = run.model_facts.get("temperature", 1.0)
        about = "Above 1, answers were made less sure; below 1, surer. The likeliest class stays the same."
        st.metric("Temperature", f"{heat:.2f}", border=True, help=about)


def _unknown(run: Run, dataset: Dataset, found: Evaluation, names: Mapping[str, str], *, key: str) -> None:
    st.subheader("When to answer “unknown”", anchor=False)
    st.caption(
        "A picture of something else entirely gets a class all the same, unless the model may say that it does not "
        "know: where it is too unsure, or where the picture is unlike all training pictures. The stricter, the more "
        "mistakes are caught, and the more right answers are lost."
    )
    kept = run.model_facts.get("unknown_threshold")
    now = round(100 * (kept["cost"] if kept else USUAL_COST))
    cost = st.slider("Right answers that may be lost", 0, 20, now, format="%d %%", key=f"{key} cost")
    validation = [p for p in read_predictions(run) if p.split == "val"]
    limits = limits_for(validation, cost / 100)
    if limits is None:
        st.info("There are too few validation pictures to say where to draw the line.", icon=":material/info:")
        return
    lost = refused(found.predictions, limits)
    st.markdown(
        f"Of these {found.n:,} pictures it would answer “unknown” to **{len(lost.right):,} of {lost.of_right:,}** that "
        f"it has right, and to **{len(lost.wrong):,} of {lost.of_wrong:,}** that it has wrong."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Use these limits", type="primary", disabled=bool(kept) and cost == now):
            with shown_errors():
                set_refusal(run, limits)
                flash("The model answers “unknown” by these limits from now on.")
                st.rerun()
        st.caption(_limits_in_words(limits))
    st.markdown(f"**{count(len(lost.right) + len(lost.wrong), 'picture')} that would be unknown**")
    prediction_grid(run, dataset, [*lost.wrong, *lost.right][:_MOST], names, key=f"unknown {key}", page=f"{cost}")


def _limits_in_words(limits: Refusal) -> str:
    alike = "" if limits.familiarity is None else f", or less than {limits.familiarity:.2f} like what it has learnt"
    return f"Unknown means: less than {percent(limits.probability)} sure{alike} (cosine)."
