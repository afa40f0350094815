"""How long trainings would take, worked out beside the page: a page never waits for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import streamlit as st

from imgtag.core.errors import BadRecipe
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.training import jobs
from imgtag.training.backbones import backbone
from imgtag.training.estimates import Estimate, predict
from imgtag.training.recipes import Recipe
from imgtag.training.runs import Run
from imgtag.training.weights import availability

_MOST_KEPT = 100
_LOOK_EVERY_S = 1.0
_pool = ThreadPoolExecutor(1, thread_name_prefix="forecast")
_kept: OrderedDict[Hashable, _Entry] = OrderedDict()
_lock = threading.Lock()


@dataclass
class _Entry:
    """One prediction. `turn` counts: worked out, worked out again, measured, worked out with what was measured."""

    future: Future[Estimate]
    turn: int = 0


class Forecast:
    """Predictions for a project as it is now, kept until its pictures or its trainings change.

    `busy`: a training is at work, so that nothing can be measured now.
    """

    def __init__(self, project: Project, dataset: Dataset, runs: Sequence[Run], *, busy: bool) -> None:
        self._project, self._dataset, self._busy = project, dataset, busy
        pictures = hash(tuple((p.id, p.label) for p in dataset.pictures))
        # What was looked at before is faster; only trainings change that, when they end.
        ended = next((run.id for run in runs if not run.active), "")
        self._state = (str(project.path), pictures, ended)
        self._shown: dict[Recipe, str] = {}

    def words(self, recipe: Recipe) -> str:
        """The predicted time in a few words; what is in the way while it is not known."""
        self._shown[recipe] = found = self._words(recipe)
        return found

    def too_short(self, recipe: Recipe) -> bool:
        """Whether it is known already that the time budget leaves no room for fine-tuning."""
        if not recipe.tunes_network or not recipe.minutes or not _predictable(recipe):
            return False
        future = self._entry(recipe).future
        return future.done() and not future.exception() and future.result().too_short

    def keep_fresh(self) -> None:
        """Look every second whether something is known by now, as long as anything is not; measure what is missing."""
        if not any(self._unsettled(recipe) for recipe in self._shown):
            return

        @st.fragment(run_every=_LOOK_EVERY_S)
        def look_again() -> None:
            # The first look belongs to the page itself: nothing is started for someone who only passes by.
            if st.session_state.get("_forecast looks") != id(self):
                st.session_state["_forecast looks"] = id(self)
                return
            self._advance()
            if any(self._words(recipe) != words for recipe, words in self._shown.items()):
                st.rerun()

        look_again()

    def _entry(self, recipe: Recipe) -> _Entry:
        key = (self._state, recipe)
        with _lock:
            if key not in _kept:
                _kept[key] = _Entry(_pool.submit(predict, self._project, self._dataset, recipe))
            _kept.move_to_end(key)
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
            return _kept[key]

    def _words(self, recipe: Recipe) -> str:
        if "timm:" in recipe.backbone:
            return "time not known before"
        if not _predictable(recipe):
            return "time known after the first training"
        entry = self._entry(recipe)
        if not entry.future.done():
            return "working out the time…"
        if entry.future.exception():
            return "time not known"
        seconds = entry.future.result().seconds
        if seconds is not None:
            return roughly(seconds)
        if self._busy:
            return "time known when this computer is free"
        return "measuring this computer…" if entry.turn < 3 else "time not known"

    def _unsettled(self, recipe: Recipe) -> bool:
        if not _predictable(recipe):
            return False
        entry = self._entry(recipe)
        if not entry.future.done():
            return True
        unknown = not entry.future.exception() and entry.future.result().seconds is None
        return unknown and not self._busy and entry.turn < 3

    def _advance(self) -> None:
        """One step towards knowing: predict again (another window may have measured), measure, predict again."""
        for recipe in list(self._shown):
            if not self._unsettled(recipe) or not self._entry(recipe).future.done() or jobs.measuring():
                continue
            entry = self._entry(recipe)
            if entry.turn == 1:
                jobs.measure(recipe)
            else:
                entry.future = _pool.submit(predict, self._project, self._dataset, recipe)
            entry.turn += 1


def _predictable(recipe: Recipe) -> bool:
    """Whether its networks are known and here. Measuring would download others, which only users may ask for."""
    try:
        rows = [backbone(name) for name in recipe.backbones]
    except BadRecipe:
        return False
    return all(row.library != "timm" and availability(row) != "download" for row in rows)


def roughly(seconds: float) -> str:
    """A predicted time, no more exact than it is.

    >>> roughly(3.2), roughly(33), roughly(397), roughly(4500)
    ('some seconds', 'about 35 s', 'about 7 min', 'about 1 h 15 min')
    """
    if seconds < 8:
        return "some seconds"
    if seconds < 58:
        return f"about {max(10, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"about {minutes} min"
    minutes = 5 * round(minutes / 5)
    return f"about {minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
