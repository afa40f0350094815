"""Why did the model say this? One picture with its probabilities and the training pictures that look most like it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from imgtag.core.errors import ImgtagError
from imgtag.data.projects import Project
from imgtag.data.thumbnails import thumbnail_bytes
from imgtag.review.metrics import Evaluation, Prediction
from imgtag.serving.predictor import Tag
from imgtag.training import ahead
from imgtag.training.runs import Run
from imgtag.ui import charts
from imgtag.ui.grid import show_grid, tile
from imgtag.ui.text import literal, percent

_NEAREST = 3


def ask_why(project: Project, id_: str) -> None:
    """Have the next run of the page explain what was said about this picture."""
    st.session_state[_key(project)] = id_


def answer_why(run: Run, found: Evaluation, names: Mapping[str, str]) -> None:
    """Explain the picture that somebody asked about, if there is one."""
    id_ = st.session_state.pop(_key(run.project), None)
    asked = next((p for p in found.predictions if p.sha256 == id_), None)
    if asked:
        _dialog(run, asked, names)


@st.dialog("Why did it say this?", width="large")
def _dialog(run: Run, asked: Prediction, names: Mapping[str, str]) -> None:
    left, right = st.columns(2)
    with left:
        _picture(run.project, asked.sha256)
    with right:
        st.markdown(f"It is **{literal(names[asked.label])}**.")
        verdict = "rightly" if asked.right else "wrongly"
        st.markdown(
            f"The model said, {verdict}: **{literal(names[asked.predicted])}**, {percent(asked.probability)} sure."
        )
        tags = [Tag(c, names.get(c, c), chance) for c, chance in asked.top.items()]
        charts.tag_bars(tags, key=f"why {asked.sha256}")
    st.markdown("**It looks like these training pictures**")
    nearest = _nearest(run, asked.sha256)
    if not nearest:
        st.caption("The training pictures have not been looked at by this network.")
    show_grid(
        [tile(run.project, id_, names.get(label, label), names.get(label, label)) for id_, label in nearest],
        key=f"nearest {asked.sha256}",
        label="Training pictures like it",
        size=180,
    )


def _nearest(run: Run, id_: str) -> list[tuple[str, str]]:
    """The training pictures whose features are most like those of this picture, with their labels."""
    from imgtag.training.assistant import most_like

    labels = {row.sha256: row.label for row in run.manifest() if row.split == "train"}
    features = ahead.seen(run.project, [id_, *labels])
    return [(i, labels[i]) for i in most_like(id_, features, _NEAREST + 1) if i != id_][:_NEAREST]


def _picture(project: Project, id_: str) -> None:
    try:
        st.image(thumbnail_bytes(project, id_, large=True))
    except ImgtagError as gone:
        st.caption(literal(gone.title))


def _key(project: Project) -> str:
    return f"why {project.name}"
