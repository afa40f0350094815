"""Accepting many suggestions at once, and how far that can be trusted.

Two figures are shown. Held-out answers about sorted pictures are there at once but flatter: what is sorted first is
easy, and of a class that nobody has named yet nothing can be known (boats-small after the first groups: 97 % of the
sorted, 67 % of the others). So some of the pictures in question can be drawn at random and looked at.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from imgtag.core.words import count, percent
from imgtag.data import edits
from imgtag.data.dataset import UNSORTED, Dataset
from imgtag.data.projects import Project
from imgtag.review.intervals import wilson_interval
from imgtag.ui.errors import shown_errors
from imgtag.ui.text import literal
from imgtag.ui.who import who
from imgtag.ui.widgets import flash

if TYPE_CHECKING:
    from imgtag.training.assistant import Reliability

Tags = Mapping[str, tuple[str, float]]  # by picture id: the suggested class and its probability
LEAST = 3  # pictures of a class before it is suggested
_RARE = 10  # pictures: a smaller class is suggested too rarely beside large ones
_ENOUGH = 20  # held-out answers before their share says anything
_DRAWN = 20
_TRUSTED = 0.8  # the lowest share to expect, from which accepting all is recommended


@dataclass(frozen=True)
class Check:
    """Suggestions drawn at random from those of `view` (a class or all) with at least `least` per cent."""

    view: str
    least: int
    tags: Tags


def last_check(project: Project) -> Check | None:
    """The check that somebody asked for last in this window."""
    check: Check | None = st.session_state.get(f"check {project.name}")
    return check


def accept_many(
    project: Project,
    dataset: Dataset,
    reliability: Reliability,
    view: str,
    tags: Tags,
    show: Callable[[Tags], object],
) -> None:
    """Buttons that accept all of these suggestions, or those that are sure enough. `show` puts some on the page."""
    key = f"accept many {project.name}"
    opened = st.popover("Accept many", icon=":material/done_all:", key=key, on_change="rerun")
    if not opened.open:
        return

    def check_some(above: Tags, least: int) -> None:
        drawn = {i: above[i] for i in random.sample(sorted(above), _DRAWN)}
        st.session_state[f"check {project.name}"] = Check(view, least, drawn)
        st.session_state[key] = False
        show(drawn)

    with opened:
        _choices(project, dataset, reliability, view, tags, check_some)


def _choices(
    project: Project,
    dataset: Dataset,
    reliability: Reliability,
    view: str,
    tags: Tags,
    check_some: Callable[[Tags, int], None],
) -> None:
    warn_of_thin(project, dataset)
    st.markdown("**Accept without looking**")
    least = st.slider(
        "Those that are at least so sure",
        50,
        99,
        95,
        format="%d %%",
        key=f"accept from {project.name}",
        persist_state="session",
    )
    above = {i: tag for i, tag in tags.items() if 100 * tag[1] >= least}
    _held_out(reliability, least)
    lowest = _checked(project, dataset, view, least)
    trusted = lowest is not None and lowest >= _TRUSTED
    if len(above) > _DRAWN:
        if lowest is None:
            st.caption(
                "Those that are still unsorted can be harder, above all while a class has few pictures. "
                f"Look at {_DRAWN} of these {len(above)}, drawn by chance, to know."
            )
        st.button(
            f"Check {_DRAWN} of them first" if lowest is None else f"Check {_DRAWN} more",
            type="secondary" if trusted else "primary",
            icon=":material/fact_check:",
            on_click=check_some,
            args=(above, least),
        )
    if st.button(
        f"Accept all {len(above)} from {least} %", type="primary" if trusted else "secondary", disabled=not above
    ):
        _accept_unseen(project, above)
    st.markdown(f"**Accept all {len(tags)} that are left**")
    st.caption("The last ones are the hardest: look at a page of them first.")
    if st.button(f"Accept the rest: {len(tags)}"):
        _accept_unseen(project, tags)


def _held_out(reliability: Reliability, least: int) -> None:
    right, asked = reliability.above(least / 100)
    if asked < _ENOUGH:
        st.caption("Too few pictures are sorted to measure how often suggestions as sure as this are right.")
    else:
        st.caption(
            f"On your sorted pictures, suggestions as sure as this are right {percent(right / asked)} of the time "
            f"({right:,} of {asked:,}). For this, each was left out of what is learnt from, together with the pictures "
            "that were sorted in the same step."
        )


def tell_check(project: Project, dataset: Dataset) -> None:
    """How the check went, once on the page where it was made."""
    check = last_check(project)
    words = _outcome(check, dataset)[0] if check else ""
    if words and st.session_state.get(f"check told {project.name}") is not check:
        st.session_state[f"check told {project.name}"] = check
        flash(f"{words.replace('**', '')} “Accept many” goes on from there.")
        st.rerun()


def _checked(project: Project, dataset: Dataset, view: str, least: int) -> float | None:
    """Say how the check of these suggestions went; returns the lowest share to expect, None when there was none."""
    check = last_check(project)
    if check is None or (check.view, check.least) != (view, least):
        return None
    words, lowest, perfect = _outcome(check, dataset)
    if not words:
        return None
    st.markdown(f":material/fact_check: {words}")
    if not perfect:
        st.caption("Since then, the suggestions have learnt from your corrections: check again to know more.")
    return lowest


def _outcome(check: Check, dataset: Dataset) -> tuple[str, float, bool]:
    """A check in words, the lowest share to expect, whether all were right; no words until it is through."""
    decided = {i: dataset.by_id[i].label for i in check.tags if i in dataset.by_id}
    if not decided or UNSORTED in decided.values():
        return "", 0.0, False
    right = sum(label == check.tags[i][0] for i, label in decided.items())
    low, high = wilson_interval(right, len(decided))
    words = (
        f"Of {len(decided)} suggestions from {check.least} %, drawn by chance, **{right} were right** when you looked: "
        f"between {percent(low)} and {percent(high)} of the others were right at that time."
    )
    return words, low, right == len(decided)


def _accept_unseen(project: Project, tags: Tags) -> None:
    with shown_errors():
        labels = {i: name for i, (name, _) in tags.items()}
        done = edits.sort_pictures(project, labels, seen=UNSORTED, accepted="yes", unseen="yes", who=who())
        flash(f"{count(done.moved, 'suggestion')} accepted. This can be undone.")
        st.rerun()


def warn_of_thin(project: Project, dataset: Dataset) -> None:
    """Pictures of a class that cannot be suggested get a wrong suggestion."""
    thin = [literal(project.display_name(name)) for name, number in dataset.counts.items() if number < LEAST]
    if thin:
        st.caption(
            f":orange[:material/warning:] Not suggested yet, since they hold fewer than {LEAST} pictures: "
            f"{', '.join(thin)}. Their pictures stand among the others here."
        )
    small = [literal(project.display_name(name)) for name, n in dataset.counts.items() if LEAST <= n < _RARE]
    if small and max(dataset.counts.values()) >= 3 * _RARE:
        st.caption(f"Suggested too rarely while they hold fewer than {_RARE} pictures: {', '.join(small)}.")
