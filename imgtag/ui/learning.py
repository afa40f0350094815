"""Are there enough pictures? The accuracy against their number, worked out when somebody asks."""

from __future__ import annotations

import streamlit as st

from imgtag.data.background import Job
from imgtag.data.dataset import Dataset
from imgtag.data.duplicates import same_shots
from imgtag.data.projects import Project
from imgtag.review.learning_curve import Point, gain_of_the_last_doubling, learning_curve
from imgtag.training import ahead
from imgtag.ui import charts
from imgtag.ui.waiting import looked_at, worked_out
from imgtag.ui.widgets import folded

_WORTH_IT = 0.01


def enough_area(project: Project, dataset: Dataset) -> None:
    """The learning curve of the labelled pictures as they are now, once somebody asks for it."""
    part = folded("Are these enough pictures?", ":material/trending_up:", key=f"enough {project.name}")
    if part is None:
        return
    with part:
        if not looked_at(project, dataset):
            return
        ids = [p.id for p in dataset.labelled]
        state = hash((tuple((p.id, p.label) for p in dataset.for_training), ahead.seen_by(project, ids).name))
        curve = worked_out(
            project,
            "learning curve",
            state,
            lambda job: _curve(project, dataset, ids, job),
            title="The curve",
            older=False,
        )
        if curve is None:
            return
        if not curve:
            st.caption("There are too few pictures for a curve: two classes and twenty pictures are needed.")
            return
        charts.learning_curve(curve, key=f"learning curve {project.name}")
        st.markdown(_in_words(curve))
        st.caption(
            "Measured with heads on a pretrained network, as the quick training learns them. Five times, another fifth "
            "of the pictures was kept back and asked; the band is from the lowest to the highest of the five."
        )


def _curve(project: Project, dataset: Dataset, ids: list[str], job: Job) -> list[Point]:
    shots = same_shots(project, dataset.labelled)
    seen = ahead.seen(project, ids)
    return learning_curve(dataset.for_training, seen, shots, lambda done, of: job.report(done, of, ""))


def _in_words(curve: list[Point]) -> str:
    gain = gain_of_the_last_doubling(curve)
    half, all_of_them = curve[1], curve[-1]
    grown = f"From {half.pictures:,} to {all_of_them.pictures:,} pictures, the accuracy went {100 * gain:+.1f} points."
    if gain >= _WORTH_IT:
        return f"{grown} **More pictures probably help further**; the next doubling usually brings less than the last."
    return f"{grown} **More pictures of the same kind will hardly help**: look for wrong labels and for missing views."
