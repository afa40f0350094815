"""Unsorted pictures in the order that makes sorting fastest; here, with suggestions: the surest or the least sure
first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from imgtag.data import history
from imgtag.data.dataset import UNSORTED, Dataset
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.ui.accepting import LEAST, Tags, accept_many, last_check, tell_check, warn_of_thin
from imgtag.ui.look_alikes import look_alikes
from imgtag.ui.orders import ADDED, ALIKE, CLASS, UNSURE, Arranged
from imgtag.ui.text import literal
from imgtag.ui.waiting import MANY, get_ready, last_result, looked_at, worked_out

if TYPE_CHECKING:
    from imgtag.training.assistant import Reliability, Suggestions

_ALL = "All"
# Pictures on a page: as many as probably hold two wrong ones, so that there are fewer pages of sure ones. In
# simulations on boats-small that took a quarter fewer pages and no more corrections.
_FEWEST, _MOST, _WRONG_ONES = 30, 90, 2.0
_FOLLOWS_FROM = 0.5


def arranged(project: Project, dataset: Dataset, order: str) -> Arranged:
    """The unsorted pictures in this order."""
    if order == ADDED:
        _offer_help(project, dataset)
        return Arranged(dataset.unsorted)
    if not looked_at(project, dataset):
        return Arranged([])
    return look_alikes(project, dataset) if order == ALIKE else _suggested(project, dataset, order == UNSURE)


def _offer_help(project: Project, dataset: Dataset) -> None:
    """Say which order would save work now, and get what it needs ready meanwhile."""
    if len(dataset.unsorted) < MANY:
        return
    taught = sum(number >= LEAST for number in dataset.counts.values())
    if taught < 2:
        text = f"“{ALIKE}” shows groups of similar pictures, to be named in one step."
    else:
        text = f"“{CLASS}” proposes a class for each picture: accept a page at once, correct the rest."
    get_ready(project, dataset)
    st.caption(f":material/lightbulb: {text}")


# ----------------------------------------------------------------------------- suggestions


@dataclass(frozen=True)
class _Page:
    """Pictures that stay on the screen until all of them are decided: nothing moves while somebody sorts.

    tags: what was suggested when the page was opened. Those not yet decided follow what the others teach.
    """

    view: str
    number: int
    tags: Mapping[str, tuple[str, float]]


def _page_key(project: Project) -> str:
    return f"suggested page {project.name}"


def _show_page(project: Project, view: str, tags: Mapping[str, tuple[str, float]]) -> _Page:
    """Put these suggestions on the page, in place of those that are there."""
    before = st.session_state.get(_page_key(project))
    page = st.session_state[_page_key(project)] = _Page(view, before.number + 1 if before else 0, tags)
    return page


def _suggested(project: Project, dataset: Dataset, least_sure: bool) -> Arranged:
    tell_check(project, dataset)
    unsorted = _open_questions(dataset)
    page: _Page | None = st.session_state.get(_page_key(project))
    undecided = {i: tag for i, tag in page.tags.items() if i in unsorted and tag[0] in dataset.by_class} if page else {}
    found: Suggestions | None = _suggestions(project, dataset, fresh=not undecided)
    if found is None:
        taught = sum(number >= LEAST for number in dataset.counts.values())
        if taught >= 2:
            if last_result(project, "suggestions"):
                st.info("The pictures that are left could not be looked at. Sort them under “As they came”.")
            return Arranged([])
        st.info(
            f"Suggestions begin when two classes hold {LEAST} pictures each. Sort a few by hand, or name whole groups "
            f"of “{ALIKE}”.",
            icon=":material/lightbulb:",
        )
        return Arranged([])
    by_class = _still_there(found.by_class(), dataset)
    tags = {i: (name, chance) for name, rows in by_class.items() for i, chance in rows}
    skipped: Counter[str] = st.session_state.setdefault(f"skipped {project.name}", Counter())
    chosen = _ALL if least_sure else _class_choice(project, dataset, by_class, found.reliability)
    rows = [r for name, rows in by_class.items() if chosen in (_ALL, name) for r in rows]
    order = found.least_sure() if least_sure else [i for i, _ in sorted(rows, key=lambda r: -r[1])]
    view = UNSURE if least_sure else chosen
    if page is None or page.view != view or not undecided:
        waiting = sorted((i for i in order if i in tags), key=lambda i: skipped[i])
        undecided = _page_of({i: tags[i] for i in waiting})
        page = _show_page(project, view, undecided)
    check = last_check(project)
    if check and page.tags is check.tags:  # it is about the suggestions that were drawn: they stay
        first = f"Drawn by chance from those with {check.least} % or more."
    else:
        undecided = _following(page, undecided, tags, dataset)
        first = "Least sure first: what you decide here teaches the most." if least_sure else "Surest first."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{first} Point at a wrong one and press the number of its class, then accept the rest.")
        others = sum(i in tags for i in order) > len(undecided)
        if others and st.button("Later", icon=":material/skip_next:", help="Show others first"):
            skipped.update(list(undecided))
            st.session_state[_page_key(project)] = _Page(view, page.number, {})
            st.rerun()
    warn_of_thin(project, dataset)
    changed = frozenset(i for i, (name, _) in undecided.items() if name != page.tags[i][0])
    shown = [dataset.by_id[i] for i in undecided]
    return Arranged(shown, undecided, page=f"suggested {view} {page.number}", changed=changed)


def _page_of(waiting: Tags) -> dict[str, tuple[str, float]]:
    """The first of them that make a page."""
    doubts = np.cumsum([1 - chance for _, chance in waiting.values()])
    number = min(max(int(np.searchsorted(doubts, _WRONG_ONES)), _FEWEST), _MOST)
    return dict(islice(waiting.items(), number))


def _following(page: _Page, undecided: Tags, now: Tags, dataset: Dataset) -> dict[str, tuple[str, float]]:
    """What is suggested for the undecided pictures of a page after some of it were corrected.

    Only what they were corrected to is taken up. In simulations on the stored features that saved a tenth of the
    actions on monkeys-small; taking up every change spoilt as many proposals as it mended.
    """
    labels = {i: dataset.by_id[i].label for i in page.tags if i in dataset.by_id}
    given = {label for i, label in labels.items() if label not in (UNSORTED, page.tags[i][0])}
    follows = {i for i, (name, chance) in now.items() if name in given and chance >= _FOLLOWS_FROM}
    return {i: now[i] if i in follows else tag for i, tag in undecided.items()}


def _suggestions(project: Project, dataset: Dataset, *, fresh: bool) -> Suggestions | None:
    """Suggestions from what is sorted now. Where they need not be measured anew, they come in the background."""
    kept = last_result(project, "suggestions")
    before: Suggestions | None = None if fresh or not kept else kept[1]
    ids = [p.id for p in dataset.pictures]
    missing = ahead.not_seen(project, ids)
    looks = tuple((row.cache_key, views) for row, views in ahead.looks(project, ids))
    state = hash((tuple((p.id, p.label) for p in dataset.pictures), missing, looks))
    return worked_out(  # type: ignore[no-any-return]
        project, "suggestions", state, lambda _: _work_out(project, dataset, ids, before), quiet=before is not None
    )


def _class_choice(
    project: Project, dataset: Dataset, by_class: Mapping[str, list[tuple[str, float]]], reliability: Reliability
) -> str:
    """Where the user chooses of which class suggestions are shown, and accepts many of them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.pills(
            "Show those suggested as",
            [_ALL, *by_class],
            format_func=lambda n: n if n == _ALL else f"{literal(project.display_name(n))} {len(by_class[n])}",
            default=_ALL,
            required=True,
            key=f"suggested class {project.name}",
            persist_state="session",
        )
        rows = {i: (name, p) for name, rows in by_class.items() if chosen in (_ALL, name) for i, p in rows}
        accept_many(project, dataset, reliability, chosen, rows, lambda drawn: _show_page(project, chosen, drawn))
    return chosen


def _work_out(project: Project, dataset: Dataset, ids: Sequence[str], before: Suggestions | None) -> Suggestions | None:
    from imgtag.training.assistant import suggest, suggest_again

    unsorted = [p.id for p in dataset.unsorted]
    if before:
        return suggest_again(before, dataset.labelled, unsorted, ahead.seen_looks(project, ids), LEAST)
    steps, unchecked = history.sorting_steps(project)
    return suggest(dataset.labelled, unsorted, ahead.seen_looks(project, ids), LEAST, steps, unchecked)


def _open_questions(dataset: Dataset) -> set[str]:
    """The unsorted pictures that can be suggested a class; those that came under several stay for “As they came”."""
    return {p.id for p in dataset.unsorted} - history.doubts(dataset.project).keys()


def _still_there(
    suggested: Mapping[str, list[tuple[str, float]]], dataset: Dataset
) -> dict[str, list[tuple[str, float]]]:
    """Suggestions for pictures that are unsorted and classes that exist now: they may be a moment old."""
    unsorted = _open_questions(dataset)
    left = {name: [r for r in rows if r[0] in unsorted] for name, rows in suggested.items() if name in dataset.by_class}
    return {name: rows for name, rows in left.items() if rows}
