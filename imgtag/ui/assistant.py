"""Unsorted pictures in the order that makes sorting fastest: by suggestion, least sure first, look-alikes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from imgtag.core.words import count
from imgtag.data import history
from imgtag.data.dataset import Dataset, Picture
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.ui.accepting import LEAST, accept_many, last_check, tell_check, warn_of_thin
from imgtag.ui.text import literal
from imgtag.ui.waiting import MANY, get_ready, last_result, looked_at, worked_out

if TYPE_CHECKING:
    from imgtag.training.assistant import Reliability, Suggestions

ADDED, CLASS, UNSURE, ALIKE = "As they came", "By suggestion", "Least sure first", "Look-alikes"
_ALL = "All"
_SUGGESTED_PAGE = 30  # after each page the suggestions learn from what was corrected


@dataclass(frozen=True)
class Arranged:
    """Unsorted pictures to show. tags: the suggested class and its probability by id; page: names what is shown."""

    pictures: list[Picture]
    tags: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    preselect: bool = False
    page: str = ""


def order_choice(project: Project) -> str:
    """Where the user chooses the order of the unsorted pictures."""
    order: str = st.pills(  # they wrap on a phone
        "Order",
        [ADDED, CLASS, UNSURE, ALIKE],
        default=st.session_state.get(_begin_with(project), ADDED),
        required=True,
        key=f"order {project.name}",
        persist_state="session",
    )
    return order


def begin_with_look_alikes(project: Project) -> None:
    """Show look-alikes first when the page Label is opened: nothing has a class yet."""
    st.session_state[_begin_with(project)] = ALIKE


def _begin_with(project: Project) -> str:
    return f"first order {project.name}"


def arranged(project: Project, dataset: Dataset, order: str) -> Arranged:
    """The unsorted pictures in this order."""
    if order == ADDED:
        _offer_help(project, dataset)
        return Arranged(dataset.unsorted)
    if not looked_at(project, dataset):
        return Arranged([])
    return _look_alikes(project, dataset) if order == ALIKE else _suggested(project, dataset, order == UNSURE)


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
    """Pictures that stay on the screen until all of them are decided: nothing moves while somebody sorts."""

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
        waiting = sorted((i for i in order if i in tags), key=lambda i: skipped[i])[:_SUGGESTED_PAGE]
        undecided = {i: tags[i] for i in waiting}
        page = _show_page(project, view, undecided)
    check = last_check(project)
    if check and page.tags is check.tags:
        first = f"Drawn by chance from those with {check.least} % or more."
    else:
        first = "Least sure first: what you decide here teaches the most." if least_sure else "Surest first."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{first} Point at a wrong one and press the number of its class, then accept the rest.")
        others = sum(i in tags for i in order) > len(undecided)
        if others and st.button("Later", icon=":material/skip_next:", help="Show others first"):
            skipped.update(list(undecided))
            st.session_state[_page_key(project)] = _Page(view, page.number, {})
            st.rerun()
    warn_of_thin(project, dataset)
    return Arranged([dataset.by_id[i] for i in undecided], undecided, page=f"suggested {view} {page.number}")


def _suggestions(project: Project, dataset: Dataset, *, fresh: bool) -> Suggestions | None:
    """Suggestions from what is sorted now, or where those will do, the last ones."""
    kept = last_result(project, "suggestions")
    if kept and kept[1] and not fresh:
        return kept[1]  # type: ignore[no-any-return]
    ids = [p.id for p in dataset.pictures]
    missing = ahead.not_seen(project, ids)
    state = hash((tuple((p.id, p.label) for p in dataset.pictures), missing, ahead.seen_by(project, ids).name))
    return worked_out(project, "suggestions", state, lambda _: _work_out(project, dataset, ids))  # type: ignore[no-any-return]


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


def _work_out(project: Project, dataset: Dataset, ids: Sequence[str]) -> Suggestions | None:
    from imgtag.training.assistant import suggest

    steps, unchecked = history.sorting_steps(project)
    unsorted = [p.id for p in dataset.unsorted]
    return suggest(dataset.labelled, unsorted, ahead.seen(project, ids), LEAST, steps, unchecked)


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


# ----------------------------------------------------------------------------- look-alikes


def _look_alikes(project: Project, dataset: Dataset) -> Arranged:
    unsorted = [p.id for p in dataset.unsorted]
    there = set(unsorted)
    kept = last_result(project, "look-alikes")
    still = sum(i in there for group in (kept[1] if kept else []) for i in group)
    # The groups stay as they are while they are sorted, until most of the pictures have found their place.
    state = (
        kept[0]
        if kept and 2 * still > len(unsorted) > 0
        else hash((tuple(unsorted), ahead.not_seen(project, unsorted)))
    )
    found = worked_out(project, "look-alikes", state, lambda _: _group(project, unsorted))
    # A group keeps its place and its name until it is empty: nothing else comes under a key in the middle of it.
    groups = [(g[0], left) for g, left in ((g, [i for i in g if i in there]) for g in found or []) if left]
    if not groups:
        st.caption("Groups appear as soon as the pictures have been looked at.")
        return Arranged([])
    number = 1
    if len(groups) > 1:
        number = st.pagination(len(groups), key=f"group {project.name}", persist_state="session")
    name, group = groups[min(number, len(groups)) - 1]
    st.caption(
        f"{count(len(group), 'picture')} of one kind, it seems. Click off those that do not belong; then press the "
        "number of a class or type its name, also that of a new one, and those that are chosen go there."
    )
    return Arranged([dataset.by_id[i] for i in group], preselect=True, page=f"alike {name}")


def _group(project: Project, ids: Sequence[str]) -> list[list[str]]:
    from imgtag.training.assistant import look_alikes

    return look_alikes(ids, ahead.seen(project, ids))
