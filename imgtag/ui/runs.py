"""A training on the screen once it has ended: its outcome, how it came about, and the list of all."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from imgtag.core.words import count, duration, moment, percent
from imgtag.data.projects import Project
from imgtag.training.jobs import resume_training
from imgtag.training.runs import Run, list_runs
from imgtag.ui.errors import shown_errors
from imgtag.ui.live import run_charts
from imgtag.ui.navigation import go
from imgtag.ui.recipes import changes, recipe_title
from imgtag.ui.text import literal

_STATES = {
    "starting": "starting", "waiting": "waiting", "running": "running", "paused": "paused", "stopping": "stopping",
    "finished": "finished", "stopped": "stopped by you", "failed": "failed", "interrupted": "interrupted",
    "damaged": "damaged",
}  # fmt: skip


def run_numbers(project: Project) -> dict[str, int]:
    """The number of every training by its id; those that came to nothing count, so that all screens count alike."""
    runs = list_runs(project)
    return {run.id: len(runs) - place for place, run in enumerate(runs)}


def choose_run(runs: list[Run], *, key: str) -> Run:
    """A choice among trainings, the newest first. Every line is numbered: two of the same minute look alike."""
    numbers = run_numbers(runs[0].project)
    by_id = {run.id: run for run in runs}

    def title(id_: str) -> str:
        run = by_id[id_]
        return (
            f"No. {numbers[id_]}, {moment(run.created)}, validation accuracy {percent(run.status.get('val_accuracy'))}"
        )

    return by_id[st.selectbox("Training", list(by_id), format_func=title, key=key)]


def last_ended(runs: Sequence[Run]) -> Run | None:
    """The training that spoke its last word most recently; one that waited or paused ends after younger ones."""

    def when(run: Run) -> float:
        updated = run.status.get("updated")
        return float(updated) if isinstance(updated, (int, float)) else run.created

    return max((run for run in runs if not run.active), key=when, default=None)


def run_outcome(run: Run, runs: Sequence[Run]) -> None:
    """How a training ended, with its curves; `runs`: all of the project, the newest first."""
    with st.container(border=True):
        status, state = run.status, run.state
        if state == "failed":
            error = status.get("error", {})
            st.error(
                f"**{literal(error.get('title', 'The training failed.'))}**  \n"
                f"{literal(error.get('explanation', ''))}  \n{literal(error.get('next_step', ''))}",
                icon=":material/error:",
            )
        elif state == "interrupted":
            st.warning(
                "**The training was interrupted.** The trainer was ended from outside, for instance by a shutdown. "
                "Pictures that were looked at already will not be looked at again.",
                icon=":material/power_off:",
            )
        elif state == "damaged":
            st.warning("**The files of this training are damaged.** Train again; your pictures are unchanged.")
        elif run.has_model:
            _figures(run, runs)
        else:
            st.info(literal(str(status.get("message", ""))), icon=":material/stop_circle:")
        if run.can_go_on and st.button("Go on where it stopped", icon=":material/resume:", key=f"resume {run.id}"):
            with shown_errors():
                resume_training(run)
                st.rerun()
        if status.get("unreadable"):
            with st.expander(f"{count(len(status['unreadable']), 'picture')} could not be read and were left out"):
                for path, reason in status["unreadable"][:100]:
                    st.markdown(f"{literal(str(path))}: {literal(str(reason))}")
        metrics = run.metrics()
        if metrics:
            run_charts(run, metrics)
        _explanations(run)


def runs_table(runs: list[Run]) -> Run | None:
    """All trainings with accuracy, date, pictures and duration; returns the one whose line was chosen."""
    rows = []
    for place, run in enumerate(runs):
        status, counts = run.status, run.config.get("counts", {})
        rows.append(
            {
                "No.": len(runs) - place,
                "Kind": recipe_title(run.recipe) if run.config else "",
                "Accuracy": _percent_number(status.get("val_accuracy")),
                "Outcome": _STATES.get(run.state, run.state),
                "Duration": "" if run.active else duration(status.get("seconds")),
                "Date": moment(run.created) if run.created else run.id,
                "Pictures": sum((status.get("pictures") or counts).values()) or None,
                "Classes": len(run.classes) or None,
            }
        )
    chosen = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"runs {runs[0].project.name} {runs[0].id}",  # a new one moves all lines
        placeholder="–",
        column_config={
            "Accuracy": st.column_config.NumberColumn(
                format="%.1f %%", help="On validation pictures, which it did not learn from."
            ),
        },
    )
    picked = chosen.selection.rows
    if picked and picked[0] < len(runs):
        return runs[picked[0]]
    st.caption("Choose a line to look at that training.")
    return None


def _figures(run: Run, runs: Sequence[Run]) -> None:
    status = run.status
    val, test = status.get("val_accuracy"), status.get("test_accuracy")
    pictures = status.get("pictures", {})
    headline = "The training is finished." if run.state == "finished" else "Stopped; the best so far was kept."
    checked = int(pictures.get("val", 0))
    if val is not None and checked:
        headline += f" Of {checked} pictures that it had not learnt from, it has {round(val * checked)} right."
    note = literal(str(status.get("note", "")))
    st.success(f"**{headline}** ({recipe_title(run.recipe)})  \n{note}", icon=":material/check_circle:")
    say_refit(run)
    with st.grid(4, min_column_width=140):
        st.metric(
            "Right (validation)",
            percent(val),
            **_against_the_one_before(run, runs),
            border=True,
            help="Validation accuracy: on pictures kept back from learning; they chose which round, and which mix of "
            "networks, is kept.",
        )
        st.metric("Right (test)", percent(test), border=True, help="Test accuracy: these pictures decided nothing.")
        st.metric("Pictures learnt from", f"{int(pictures.get('train', 0)):,}", border=True)
        st.metric("Took", duration(status.get("seconds")), border=True)
    with st.container(horizontal=True):
        if st.button("See what it gets wrong", icon=":material/fact_check:", type="primary", key=f"wrong {run.id}"):
            st.session_state["review run"] = run.id
            st.session_state["review part"] = "Mistakes"
            go("review")
        older = next((r for r in runs if r.has_model and r.created < run.created), None)
        if older and st.button("See what has changed", icon=":material/compare:", key=f"changed {run.id}"):
            st.session_state["review part"] = "Comparison"
            st.session_state["review compared"] = [run.id, older.id]
            go("review")
        if st.button("Classify new pictures", icon=":material/image_search:", key=f"classify {run.id}"):
            go("classify")


def say_refit(run: Run) -> None:
    """Where the final model knows the validation pictures, say that their figures do not."""
    if run.status.get("refit"):
        st.caption(
            "At the end it learnt from the validation pictures as well. The figures for them are from before, when it "
            "had not seen them."
        )


def _against_the_one_before(run: Run, runs: Sequence[Run]) -> dict[str, Any]:
    """The difference to the training before it, for st.metric; nothing where there is none to compare with."""
    older = [(len(runs) - place, other) for place, other in enumerate(runs) if other.created < run.created]
    for number, other in older:
        before, now = other.status.get("val_accuracy"), run.status.get("val_accuracy")
        if other.has_model and before is not None and now is not None:
            points = round(100 * (now - before), 1)
            color = "normal" if points else "off"
            return {"delta": points, "delta_color": color, "delta_description": f"vs. No. {number}"}
    return {}


def _explanations(run: Run) -> None:
    status = run.status
    with st.expander("How it was done", key=f"how {run.id}"):
        for text in (status.get("message"), _engines(status)):
            if text:
                st.markdown(literal(str(text)))
        if status.get("cached"):
            st.markdown(
                f"{count(int(status['cached']), 'picture')} had been looked at before and were not looked at again."
            )
        st.markdown("**Settings of this training**")
        differing = changes(run.recipe)
        if differing:
            st.table({literal(title): literal(value) for title, value in differing}, border="horizontal")
        else:
            st.markdown(f"All as {recipe_title(run.recipe)} has them.")
        log = run.log_text()
        if log:
            st.markdown("**Log**")
            st.code(log, language=None, height=200, wrap_lines=True)
        if any((run.path / "tb").glob("*")):
            st.markdown("**For TensorBoard** (a program that shows curves of trainings)")
            st.code(f'"{sys.executable}" -m tensorboard.main --logdir "{run.project.runs}"', language="bash")


def _engines(status: Mapping[str, Any]) -> str:
    """What computed, and why that."""
    looked = f"Looked with {status['engine']}. {status['reason']} " if status.get("engine") else ""
    return looked + (f"Learnt in steps with {status['learns_on']}." if status.get("learns_on") else "")


def _percent_number(share: float | None) -> float | None:
    return None if share is None else share * 100
