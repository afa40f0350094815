"""Why did the model say this? One picture with its probabilities and the training pictures that look most like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from imgtag.core.words import count, percent
from imgtag.data.dataset import look
from imgtag.data.images import encode_png
from imgtag.data.projects import Project
from imgtag.review.metrics import Prediction
from imgtag.serving.predictor import Tag
from imgtag.training import ahead
from imgtag.training.runs import Run
from imgtag.ui import charts
from imgtag.ui.errors import shown_errors
from imgtag.ui.grid import sort_grid, tile
from imgtag.ui.sorting import carry_out, targets_of
from imgtag.ui.text import literal

_NEAREST, _LARGE = 3, 256  # pictures; pixels, those of a thumbnail


def ask_why(project: Project, id_: str) -> None:
    """Have the next run of the page explain what was said about this picture."""
    st.session_state[_key(project)] = id_


def answer_why(run: Run, predictions: Sequence[Prediction], names: Mapping[str, str]) -> None:
    """Explain the picture that somebody asked about, if it is one of these."""
    id_ = st.session_state.get(_key(run.project))
    asked = next((p for p in predictions if p.sha256 == id_), None)
    if asked:
        del st.session_state[_key(run.project)]
        _dialog(run, asked, names)


@st.dialog("Why did it say this?", width="large", on_dismiss="rerun")
def _dialog(run: Run, asked: Prediction, names: Mapping[str, str]) -> None:
    left, right = st.columns(2)
    with left:
        if _mendable(run, [(asked.sha256, asked.label)], names, label="The picture in question", size=_LARGE):
            st.caption("It was mended or removed since this training.")
        else:
            st.caption("Is its own label wrong? Point at it and press the number of its class, or click it.")
    with right:
        st.markdown(f"It is **{literal(names[asked.label])}**.")
        verdict = "rightly" if asked.right else "wrongly"
        st.markdown(
            f"The model said, {verdict}: **{literal(names[asked.predicted])}**, {percent(asked.probability)} sure."
        )
        tags = [Tag(c, names.get(c, c), chance) for c, chance in asked.top.items()]
        charts.tag_bars(tags, key=f"why {asked.sha256}")
    _heat(run, asked, names)
    _alike(run, asked, names)


def _alike(run: Run, asked: Prediction, names: Mapping[str, str]) -> None:
    """The training pictures that look most like it: one of them with a wrong label is a frequent reason."""
    st.markdown("**It looks like these training pictures**")
    nearest = _nearest(run, asked.sha256)
    if not nearest:
        st.caption("The training pictures have not been looked at by this network.")
        return
    st.caption("Is one of them in the wrong class? Click it, or point at it and press the number of its class.")
    mended = _mendable(run, nearest, names, label="Training pictures like it", size=180)
    if mended:
        st.caption(f"{count(mended, 'picture was', 'pictures were')} mended or removed since this training.")


def _mendable(run: Run, pictures: Sequence[tuple[str, str]], names: Mapping[str, str], *, label: str, size: int) -> int:
    """Pictures with the labels of the training, to be mended where they stand; returns how many were since then."""
    dataset = look(run.project)
    left = [(id_, c) for id_, c in pictures if id_ in dataset.by_id and dataset.by_id[id_].label == c]
    if left:
        sort_grid(
            [tile(run.project, id_, names.get(c, c), names.get(c, c)) for id_, c in left],
            targets_of(run.project, dataset),
            lambda step: carry_out(run.project, step, decides=True),
            key=f"{label} {pictures[0][0]}",
            label=label,
            place=None,
            size=size,
            quiet=True,
        )
    return len(pictures) - len(left)


def _heat(run: Run, asked: Prediction, names: Mapping[str, str]) -> None:
    """Where the network looked, once somebody asks: it takes seconds."""
    if not st.toggle("Show where it looked", help="Class activation map; for other networks than ours Grad-CAM."):
        return
    from imgtag.review.explain import overlaid, where_it_looked
    from imgtag.training.model import load_model

    wanted = list(dict.fromkeys([asked.predicted, asked.label]))
    with st.spinner("Looking again", show_time=True), shown_errors():
        model = load_model(run)
        picture = look(run.project).picture(asked.sha256).path
        found = [(label, *where_it_looked(model, picture, label)) for label in wanted]
        for column, (label, seen, heat) in zip(st.columns(2), found, strict=False):
            with column:
                st.image(encode_png(overlaid(seen, heat), 360))
                st.caption(f"What speaks for **{literal(names[label])}** glows.")


def _nearest(run: Run, id_: str) -> list[tuple[str, str]]:
    """The training pictures whose features are most like those of this picture, with their labels."""
    from imgtag.training.assistant import most_like

    labels = {row.sha256: row.label for row in run.manifest() if row.split == "train"}
    features = ahead.seen(run.project, [id_, *labels])
    return [(i, labels[i]) for i in most_like(id_, features, _NEAREST + 1) if i != id_][:_NEAREST]


def _key(project: Project) -> str:
    return f"why {project.name}"
