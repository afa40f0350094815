"""Trainings at work: one live, those that wait or pause as lines below it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from imgtag.core.errors import ImgtagError
from imgtag.core.words import duration, moment
from imgtag.data.projects import Project
from imgtag.training.jobs import continue_training, pause_training, start_training, stop_training
from imgtag.training.recipes import Recipe
from imgtag.training.runs import Run, list_runs
from imgtag.ui import curves
from imgtag.ui.errors import show_error
from imgtag.ui.forecast import roughly
from imgtag.ui.recipes import recipe_title
from imgtag.ui.text import literal

_PAUSE, _GO_ON, _STOP = ":material/pause:", ":material/play_arrow:", ":material/stop:"
_NETWORKS = {"1": " · second network", "2": " · third network"}  # by the number behind the phase
_WATCHED, _REFUSED = "_watched training", "_refused training"
_LATER = ("paused", "waiting")  # states of runs that let others work, the likelier to go on first


def live_trainings(project: Project, runs: Sequence[Run]) -> None:
    """Active trainings, looked at every second; when one begins, ends, waits or goes on, the page is drawn anew."""
    lead, known = _lead(runs), [run.state for run in runs]

    # A look costs up to a tenth of a second: those that last for minutes are looked at less often.
    @st.fragment(run_every=1.0 if lead.recipe.tunes_network else 0.5)
    def watch() -> None:
        now = [Run(run.path) for run in runs]
        if [run.state for run in now] != known or _newest(project) != newest:
            st.rerun()
        with st.container(border=True):
            _at_work(next(run for run in now if run.id == lead.id))
        for run in now:
            if run.id != lead.id:
                _in_line(run)

    newest = _newest(project)
    st.session_state[_WATCHED] = lead.id
    watch()


def was_watched(run: Run) -> bool:
    """Whether the user saw it at work and has not looked elsewhere since."""
    return bool(st.session_state.get(_WATCHED) == run.id)


def begin_training(project: Project, recipe: Recipe) -> bool:
    """Start a training; whether it began. Why not stays to be told until the next try or until another page is opened:
    the page is drawn anew at any moment, when a predicted time is known, and would take the sentence away."""
    st.session_state.pop(_REFUSED, None)
    try:
        with st.spinner("Getting the pictures ready"):
            start_training(project, recipe)
    except ImgtagError as error:
        st.session_state[_REFUSED] = (project.name, error)
        return False
    return True


def tell_refusal(project: Project) -> None:
    """Why the last try to train did not begin, if it did not."""
    name, error = st.session_state.get(_REFUSED, ("", None))
    if error and name == project.name:
        show_error(error)


def look_elsewhere() -> None:
    """Another page was opened: what was watched is no news any more, nor what was refused."""
    for key in (_WATCHED, _REFUSED):
        st.session_state.pop(key, None)


def await_news(project: Project) -> None:
    """Notice within seconds when a training begins or ends elsewhere: in another window, on the command line."""

    def latest() -> tuple[str, str] | None:
        return next(((run.id, run.state) for run in list_runs(project)), None)

    known = latest()

    @st.fragment(run_every=2.0)
    def look_again() -> None:
        if latest() != known:
            st.rerun()

    look_again()


def _lead(runs: Sequence[Run]) -> Run:
    """The one that is at work; where none is, the first that will be."""
    return min(runs, key=lambda run: (run.state in _LATER) + (run.state == "waiting"))


def _newest(project: Project) -> str:
    return next((run.id for run in list_runs(project)), "")


# ----------------------------------------------------------------------------- the one at work


def _at_work(run: Run) -> None:
    metrics = run.metrics()
    _headline(run)
    _bar(run)
    st.caption(_facts(run, metrics))
    run_charts(run, metrics)
    _details(run)


def _headline(run: Run) -> None:
    status = run.status
    network = _NETWORKS.get(str(status.get("phase", "")).rpartition(" ")[2], "")
    message = literal(str(status.get("message") or "Starting the trainer")) + network
    if run.state == "stopping":
        message = "Stopping: the best so far is being checked and kept"
    # Stop stands at the right: where “Train” was a moment ago, a second click would hit it.
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{message}**", width="stretch")
        _buttons(run)


def _buttons(run: Run) -> None:
    """Pause or go on, and stop; what was asked and is not done yet is said in their place."""
    if run.state == "stopping":
        st.button("Stopping…", icon=_STOP, key=f"stop {run.id}", disabled=True)
        return
    pausing = (run.path / "pause").exists()
    if run.state == "paused" and pausing:
        st.button("Go on", icon=_GO_ON, key=f"continue {run.id}", on_click=continue_training, args=(run,))
    elif run.state == "running":
        words = "Pausing…" if pausing else "Pause"
        key = f"pause {run.id}"
        st.button(words, icon=_PAUSE, key=key, disabled=pausing, on_click=pause_training, args=(run,))
    words = "Take out of the line" if run.state == "waiting" else "Stop and keep the best so far"
    st.button(words, icon=_STOP, key=f"stop {run.id}", on_click=stop_training, args=(run,))


def _bar(run: Run) -> None:
    """How far the whole is, and its clock."""
    status = run.status
    # The trainer speaks a few times a second; while it is silent (loading the network) the clock goes on here.
    resting = run.state in _LATER
    silent = 0.0 if resting else max(time.time() - float(status.get("updated") or run.created), 0.0)
    spent = float(status.get("seconds") or 0) + silent
    known = status.get("eta_s") is not None and run.state != "stopping"
    eta = max(float(status.get("eta_s") or 0) - silent, 1.0)
    left = f" · {_left(round(eta))} left" if known and not resting else ""
    if status.get("phase") == "tuning" and run.recipe.patience < run.recipe.epochs:
        left = left.replace("about", "at most")  # it ends earlier when more rounds do not help (early stopping)
    text = "Waiting for its turn" if run.state == "waiting" else f"{duration(round(spent))} so far{left}"
    # A bar that goes back looks broken: where the time left grew, it waits.
    key = f"bar {run.id}"
    share = max(spent / (spent + eta) if known else 0.0, st.session_state.get(key, 0.0))
    st.session_state[key] = share
    st.progress(share, text=text)


def _left(seconds: int) -> str:
    """A time to go: counted down in its last minute, before that no more exact than it is."""
    return f"about {duration(seconds)}" if seconds < 60 else roughly(seconds)


def _facts(run: Run, metrics: Sequence[dict[str, Any]]) -> str:
    """Kind, speed and engine in one line."""
    status = run.status
    facts = [recipe_title(run.recipe)]
    phase = str(status.get("phase", ""))
    if phase.startswith(("looking", "checking")) and status.get("rate"):
        facts.append(f"{status['rate']:,.0f} pictures a second")
    elif phase == "tuning":
        speed = next((r.get("pictures_per_second") for r in reversed(metrics) if r["phase"] == "tuning step"), None)
        facts += [f"{speed:,.0f} pictures a second"] if speed else []
    if phase.startswith(("learning", "finding", "measuring", "tuning")) and status.get("learns_on"):
        facts.append(str(status["learns_on"]).split(", because")[0])
    elif status.get("engine"):
        facts += [str(status["engine"]), str(status["reason"]).split(", because")[0].split(".")[0]]
    return " · ".join(literal(fact) for fact in facts)


def run_charts(run: Run, metrics: Sequence[dict[str, Any]]) -> None:
    """Loss, accuracy, learning rate, and what the learning-rate finder saw."""
    curves.learning_curves(metrics, key=f"curves {run.id}")
    curves.finder_curve(metrics, run.status.get("found_rate"), run.recipe.rate, key=f"curves {run.id}")


def _details(run: Run) -> None:
    with st.expander("What it is doing, line by line (log)", key=f"log {run.id}"):
        if run.status.get("reason"):
            st.markdown(literal(str(run.status["reason"])))
        st.code(run.log_text(60) or "Nothing yet.", language=None, height=220, wrap_lines=True)


# ----------------------------------------------------------------------------- the others


def _in_line(run: Run) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        words = {"paused": "paused", "waiting": "waiting for its turn", "starting": "starting"}
        asked = moment(run.created)
        st.markdown(f"**{recipe_title(run.recipe)}** of {asked}: {words.get(run.state, run.state)}", width="stretch")
        _buttons(run)
