"""A training on the screen: live while it works, its outcome afterwards, and the list of all."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from imgtag.data.projects import Project
from imgtag.training.jobs import stop_training
from imgtag.training.runs import Run, list_runs
from imgtag.ui import charts
from imgtag.ui.navigation import go
from imgtag.ui.text import count, duration, literal, moment, percent

_STATES = {
    "starting": "starting", "running": "running", "stopping": "stopping", "finished": "finished",
    "stopped": "stopped by you", "failed": "failed", "interrupted": "interrupted", "damaged": "damaged",
}  # fmt: skip


def live_run(run: Run) -> None:
    """A training at work, looked at twice a second. When it ends, the whole page is drawn anew."""

    @st.fragment(run_every=0.5)
    def watch() -> None:
        now = Run(run.path)
        if not now.active:
            st.rerun()
        _progress(now)
        charts.learning_curves(now.metrics(), key=f"curves {run.id}")

    with st.container(border=True):
        watch()


def await_news(project: Project) -> None:
    """Notice within seconds when a training begins or ends elsewhere: in another window, on the command line."""

    def newest() -> tuple[str, str] | None:
        return next(((run.id, run.state) for run in list_runs(project)), None)

    known = newest()

    @st.fragment(run_every=2.0)
    def look_again() -> None:
        if newest() != known:
            st.rerun()

    look_again()


def choose_run(runs: list[Run], *, key: str) -> Run:
    """A choice among trainings, the newest first. Every line is numbered: two of the same minute look alike."""
    numbers = {run.id: len(runs) - place for place, run in enumerate(runs)}
    by_id = {run.id: run for run in runs}

    def title(id_: str) -> str:
        run = by_id[id_]
        return f"No. {numbers[id_]}, {moment(run.created)}, accuracy {percent(run.status.get('val_accuracy'))}"

    return by_id[st.selectbox("Training", list(by_id), format_func=title, key=key)]


def run_outcome(run: Run) -> None:
    """How the latest training ended, with its curves."""
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
            _figures(run)
        else:
            st.info(literal(str(status.get("message", ""))), icon=":material/stop_circle:")
        if status.get("unreadable"):
            with st.expander(f"{count(len(status['unreadable']), 'picture')} could not be read and were left out"):
                for path, reason in status["unreadable"][:100]:
                    st.markdown(f"{literal(str(path))}: {literal(str(reason))}")
        metrics = run.metrics()
        if metrics:
            charts.learning_curves(metrics, key=f"curves {run.id}")
        _explanations(run)


def runs_table(runs: list[Run]) -> None:
    """All trainings with date, pictures, accuracy and duration; a click on a line opens it in Review."""
    rows = []
    for place, run in enumerate(runs):
        status, counts = run.status, run.config.get("counts", {})
        rows.append(
            {
                "No.": len(runs) - place,
                "Date": moment(run.created) if run.created else run.id,
                "Outcome": _STATES[run.state],
                "Pictures": sum((status.get("pictures") or counts).values()) or None,
                "Classes": len(run.classes) or None,
                "Accuracy": _percent_number(status.get("val_accuracy")),
                "Duration": duration(status.get("seconds")),
                "Kind": run.recipe.preset,
            }
        )
    chosen = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="runs",
        column_config={
            "Accuracy": st.column_config.NumberColumn(
                format="%.1f %%", help="On validation pictures, which it did not learn from."
            ),
        },
    )
    picked = chosen.selection.rows
    if picked and picked[0] < len(runs) and runs[picked[0]].has_model:
        if st.button("Look at this training in Review", icon=":material/fact_check:"):
            st.session_state["review run"] = runs[picked[0]].id
            go("review")
    else:
        st.caption("Choose a line to look at that training.")


def _progress(run: Run) -> None:
    status = run.status
    message = str(status.get("message") or "Starting the trainer")
    done, total = int(status.get("done") or 0), int(status.get("total") or 0)
    eta = status.get("eta_s")
    # Stop stands at the right: where “Train” was a moment ago, a second click would hit it.
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{literal(message)}**", width="stretch")
        if run.state == "stopping":
            st.caption("Stopping: the best so far is being kept.", width="content")
        elif st.button("Stop and keep the best so far", icon=":material/stop:", key=f"stop {run.id}"):
            stop_training(run)
            st.rerun(scope="fragment")
    # The trainer speaks a few times a second; while it is silent (loading the network) the clock goes on here.
    silent = max(time.time() - float(status.get("updated") or run.created), 0.0)
    spent = duration(round(float(status.get("seconds") or 0) + silent))
    left = f" · about {duration(round(eta))} left" if status.get("phase") == "looking" and eta else ""
    st.progress(min(done / total, 1.0) if total else 0.0, text=f"{spent} so far{left}")


def _figures(run: Run) -> None:
    status = run.status
    val, test = status.get("val_accuracy"), status.get("test_accuracy")
    pictures = status.get("pictures", {})
    headline = "The training is finished." if run.state == "finished" else "Stopped; the best so far was kept."
    st.success(f"**{headline}**", icon=":material/check_circle:")
    with st.grid(4, min_column_width=140):
        st.metric(
            "Right (validation)",
            percent(val),
            border=True,
            help="Validation accuracy: on pictures kept back from learning; they only chose which round is kept.",
        )
        st.metric("Right (test)", percent(test), border=True, help="Test accuracy: these pictures decided nothing.")
        st.metric("Learnt from", count(int(pictures.get("train", 0)), "picture"), border=True)
        st.metric("Took", duration(status.get("seconds")), border=True)
    with st.container(horizontal=True):
        if st.button("See what it gets wrong", icon=":material/fact_check:", type="primary"):
            st.session_state["review run"] = run.id
            go("review")
        if st.button("Classify new pictures", icon=":material/image_search:"):
            go("classify")


def _explanations(run: Run) -> None:
    status = run.status
    with st.expander("How it was done"):
        for text in (status.get("message"), status.get("engine"), status.get("reason")):
            if text:
                st.markdown(literal(str(text)))
        if status.get("cached"):
            st.markdown(
                f"{count(int(status['cached']), 'picture')} had been looked at before and were not looked at again."
            )
        log = run.log_text()
        if log:
            st.code(log, language=None, height=200)


def _percent_number(share: float | None) -> float | None:
    return None if share is None else share * 100
