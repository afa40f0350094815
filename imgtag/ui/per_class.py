"""Class by class: figures as a table or a chart, and the pictures with right and wrong marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from imgtag.core.words import right_of
from imgtag.data.dataset import Dataset
from imgtag.review.metrics import Evaluation
from imgtag.training.runs import Run
from imgtag.ui import charts
from imgtag.ui.evaluation import prediction_grid
from imgtag.ui.text import literal
from imgtag.ui.widgets import folded

_CLASSES, _PICTURES = 6, 16  # of a page of strips, of a strip


def per_class_area(run: Run, dataset: Dataset, found: Evaluation, names: Mapping[str, str], *, key: str) -> None:
    """The classification report, to be sorted, or as a chart; below, strips of pictures once somebody asks."""
    st.subheader("Class by class", anchor=False, help="scikit-learn's classification report.")
    way = st.pills(
        "As", ["Table", "Chart"], default="Table", required=True, key=f"{key} as", label_visibility="collapsed"
    )
    if way == "Chart":
        charts.per_class(found.per_class, names, key=f"{key} chart")
    else:
        _table(found, names)
    part = folded("Pictures class by class", ":material/view_list:", key=f"{key} strips")
    if part is not None:
        with part:
            _strips(run, dataset, found, names, key=key)


def _strips(run: Run, dataset: Dataset, found: Evaluation, names: Mapping[str, str], *, key: str) -> None:
    """The pictures of each class, wrong ones first; the worst classes first."""
    classes = sorted((f for f in found.per_class if f.support), key=lambda f: f.recall)
    st.caption(
        "Point at a picture: Enter takes what the model said, 0 keeps the label, Delete trashes it, a number gives it "
        "another class. A click shows it large."
    )
    pages = -(-len(classes) // _CLASSES)
    number = st.pagination(pages, key=f"{key} strips page") if pages > 1 else 1
    for figures in classes[(number - 1) * _CLASSES : number * _CLASSES]:
        own = sorted((p for p in found.predictions if p.label == figures.label), key=lambda p: (p.right, -p.loss))
        more = f", {len(own) - _PICTURES} more" if len(own) > _PICTURES else ""
        st.markdown(f"**{literal(names[figures.label])}**: {right_of(sum(p.right for p in own), len(own))}{more}")
        prediction_grid(
            run,
            dataset,
            own[:_PICTURES],
            names,
            key=f"{key} strip {figures.label}",
            label=f"Pictures of {names[figures.label]}",
            quiet=True,
        )


def _table(found: Evaluation, names: Mapping[str, str]) -> None:
    """Precision, recall, F1 and support of every class, with the number of training pictures."""
    table = pd.DataFrame(
        [
            (names[f.label], f.precision * 100, f.recall * 100, f.f1 * 100, f.support, f.train_count)
            for f in found.per_class
        ],
        columns=["Class", "Precision", "Recall", "F1", "Pictures", "Learnt from"],
    )

    def share(about: str) -> Any:
        return st.column_config.ProgressColumn(help=about, format="%.0f %%", min_value=0, max_value=100)

    st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 36 * len(table), 560),
        column_config={
            "Precision": share("When it says this class, how often is that right?"),
            "Recall": share("Of the pictures of this class, how many does it find?"),
            "F1": share("Both in one figure (harmonic mean)."),
            "Pictures": st.column_config.NumberColumn(help="Support: pictures of this class that were checked."),
            "Learnt from": st.column_config.NumberColumn(help="Training pictures of this class."),
        },
    )
