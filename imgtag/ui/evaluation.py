"""Figures of a run in words, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from imgtag.core.words import count, percent, right_of
from imgtag.data import history
from imgtag.data.dataset import Dataset
from imgtag.review.changes import changes_since
from imgtag.review.metrics import Evaluation, Prediction
from imgtag.review.overview import WHICH_PICTURES, findings
from imgtag.review.report import write_report
from imgtag.training.jobs import start_training
from imgtag.training.runs import Run
from imgtag.ui.errors import shown_errors
from imgtag.ui.grid import Step, Tile, sort_grid, tile
from imgtag.ui.navigation import go
from imgtag.ui.sorting import carry_out, targets_of
from imgtag.ui.text import literal
from imgtag.ui.why import answer_why, ask_why


def headline(found: Evaluation, names: Mapping[str, str], before: str) -> None:
    """The accuracy as a count, its confidence interval in words, what it means, and the other figures.

    before: a sentence about the training before this one, or nothing.
    """
    low, high = found.interval
    with st.container(border=True):
        st.markdown(f"### {right_of(found.right, found.n)}")
        st.markdown(
            f"It is right **{percent(found.accuracy)}** of the time (accuracy). Judging from {found.n:,} pictures, "
            f"the true figure probably lies between **{percent(low)}** and **{percent(high)}** "
            "(95 % confidence interval)."
        )
        st.markdown(
            "\n".join(
                f"- {line}" for line in [*findings(found, lambda c: literal(names[c])), *([before] if before else [])]
            )
        )
        st.caption(WHICH_PICTURES[found.split])
    with st.grid(4, min_column_width=140):
        st.metric("Accuracy", percent(found.accuracy), border=True)
        st.metric(
            "By class (macro F1)",
            percent(found.macro_f1),
            border=True,
            help="Every class counts the same, also the rare ones.",
        )
        st.metric(
            "Surprise (log loss)",
            f"{found.log_loss:.3f}",
            border=True,
            help="0 is best; high when it is sure and wrong.",
        )
        st.metric(
            "Gap (ECE)",
            percent(found.ece),
            border=True,
            help="Expected calibration error: how far “90 % sure” is from being right 90 % of the time.",
        )


def report_button(run: Run) -> None:
    """A page for others: one file that opens offline and prints well. It is made when somebody asks for it."""
    st.download_button(
        "Download a report (HTML)",
        lambda: write_report(run),
        f"{run.project.name} {run.id}.html",
        "text/html",
        icon=":material/description:",
        help="One file with the figures, the matrix and examples. It opens without internet, and prints to PDF.",
    )


def prediction_grid(
    run: Run,
    dataset: Dataset,
    predictions: Sequence[Prediction],
    names: Mapping[str, str],
    *,
    key: str,
    page: str = "",
    label: str = "Pictures with predictions",
    quiet: bool = False,
) -> None:
    """Pictures with what they are, what the model said and how sure it was, to be mended where they are shown.

    Those that were mended, confirmed or trashed since the training are left out, and counted. page: names what is
    shown; label: the same in words. quiet: without a bar, for several of them below one another.
    """
    project, there = run.project, dataset.by_id
    confirmed = history.decided(project, since=run.created)
    left = [
        p
        for p in predictions
        if p.sha256 in there and there[p.sha256].label == p.label and confirmed.get(p.sha256) != p.label
    ]

    def apply(step: Step) -> None:
        if step.action == "similar":
            ask_why(project, step.ids[0])
        else:
            carry_out(project, step, decides=True)

    if left:
        sort_grid(
            [prediction_tile(run, p, names) for p in left],
            targets_of(project, dataset),
            apply,
            key=key,
            label=label,
            place=None,
            undo=history.last_change(project),
            accepts=True,
            keeps=True,
            similar=not quiet,
            words={"similar": "Why?"},
            page=page,
            size=96 if quiet else 150,
            quiet=quiet,
        )
        answer_why(run, left, names)
    done = len(predictions) - len(left)
    if done:
        st.caption(f"{count(done, 'picture was', 'pictures were')} mended, confirmed or removed since this training.")
    elif not left:
        st.caption("There are no pictures here.")


def mend_bar(run: Run, dataset: Dataset) -> None:
    """What was changed since the training, and a button that trains again in the same way."""
    changes = changes_since(run, dataset)
    if not changes.any:
        return
    parts = [
        f"**{number:,}** {what}"
        for number, what in (
            (changes.relabelled, "relabelled"), (changes.removed, "removed"), (changes.added, "new"),
        )
        if number
    ]  # fmt: skip
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/build: Pictures changed since this training: {', '.join(parts)}.", width="stretch")
        if st.button("Train again", type="primary", icon=":material/replay:", help="With the same settings"):
            with shown_errors():
                start_training(run.project, run.recipe)
                go("train")


def prediction_tile(run: Run, p: Prediction, names: Mapping[str, str]) -> Tile:
    """A picture with a mark, and what it is if the model said something else."""
    said = f"{names[p.predicted]} {percent(p.probability)}"
    if p.right:
        caption, note = names[p.label], f"sure to {percent(p.probability)}"
    else:
        caption, note = f"said {said}", f"is {names[p.label]} ({percent(p.label_probability)})"
    title = p.path.rpartition("/")[2]
    mark = "right" if p.right else "wrong"
    return tile(run.project, p.sha256, title, caption, note, mark=mark, proposal=p.predicted)
