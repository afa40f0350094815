"""Groups of unsorted pictures that look alike, one after the other, to be named in one step each."""

from __future__ import annotations

from collections.abc import Sequence, Set

import streamlit as st

from imgtag.core.words import count
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.ui.accepting import LEAST
from imgtag.ui.orders import CLASS, Arranged, change_order
from imgtag.ui.waiting import keep_result, last_result, worked_out

_ENOUGH = 8  # named groups; on boats-small, more of them saved nothing


def look_alikes(project: Project, dataset: Dataset) -> Arranged:
    """The group that is to be named now."""
    unsorted = [p.id for p in dataset.unsorted]
    network, all_groups = _groups(project, unsorted)
    groups, rest, named = open_groups(project, all_groups, set(unsorted))
    if not groups and not rest:
        st.caption("Groups appear as soon as the pictures have been looked at.")
        return Arranged([])
    number, pages = 1, len(groups) + bool(rest)
    if pages > 1:
        pager = f"group {project.name} {network}"  # with other groups it begins at the first
        number = min(st.pagination(pages, key=pager, persist_state="session"), pages)
    if number > len(groups):
        st.caption(f"{count(len(rest), 'picture')} left over from groups that were named.")
        return Arranged([dataset.by_id[i] for i in rest], page="left over")
    whole, left = groups[number - 1]
    st.session_state[_shown(project)] = whole
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{count(len(left), 'picture')} of one kind, it seems. Click off those that do not belong; then press "
            "the number of a class or type its name, also that of a new one, and those that are chosen go there."
        )
        if named >= _ENOUGH and sum(n >= LEAST for n in dataset.counts.values()) > 1:
            st.button(
                "Go on with suggestions",
                type="primary",
                icon=":material/arrow_forward:",
                help=f"{count(named, 'group is', 'groups are')} named: from here on, suggestions are quicker.",
                on_click=change_order,
                args=(project, CLASS),
            )
    return Arranged([dataset.by_id[i] for i in left], preselect=True, page=f"alike {whole[0]}")


def open_groups(
    project: Project, groups: Sequence[Sequence[str]], there: Set[str]
) -> tuple[list[tuple[Sequence[str], list[str]]], list[str], int]:
    """The groups to name, each whole and what is left of it; the pictures that are left over from those that were
    named; and how many were named.

    A group is named when most of it went in one step. Else it keeps its place until it is empty: where pictures are
    given a class one by one, nothing else comes under a key in the middle of it.
    """
    last: dict[int, int] = st.session_state.setdefault(f"left of groups {project.name}", {})
    named: set[int] = st.session_state.setdefault(f"named groups {project.name}", set())
    to_name: list[tuple[Sequence[str], list[str]]] = []
    rest: list[str] = []
    for group in groups:
        key, left = hash(tuple(group)), [i for i in group if i in there]
        if not left or last.get(key, len(group)) - len(left) > len(group) / 2:
            named.add(key)
        elif len(left) == len(group):  # all of it came back, by an undo
            named.discard(key)
        last[key] = len(left)
        if key in named:
            rest += left
        else:
            to_name.append((group, left))
    return to_name, rest, len(named)


def _groups(project: Project, unsorted: Sequence[str]) -> tuple[str, list[list[str]]]:
    """The network whose features tell what looks alike, and the groups.

    They stay as they are while they are sorted, until most of the pictures have found their place. When the better
    network has looked at all pictures, they are made anew (boats-small took a twentieth fewer actions then), but the
    group that somebody looks at stays.
    """
    there = set(unsorted)
    network = ahead.seen_by(project, unsorted).name
    kept = last_result(project, "look-alikes")
    before: tuple[str, list[list[str]]] = kept[1] if kept and kept[1] else ("", [])
    still = sum(i in there for group in before[1] for i in group)
    good = 2 * still > len(unsorted) > 0
    state = kept[0] if kept and good and before[0] == network else hash((tuple(unsorted), network))
    found = worked_out(project, "look-alikes", state, lambda _: (network, _group(project, unsorted)), quiet=good)
    return _keep_shown(project, found or before, there)


def _keep_shown(project: Project, found: tuple[str, list[list[str]]], there: Set[str]) -> tuple[str, list[list[str]]]:
    """These groups; where they are not those that were drawn last, behind the group that was drawn last."""
    drawn = f"drawn groups {project.name}"
    network, groups = found
    if groups is not st.session_state.get(drawn):
        shown = st.session_state.get(_shown(project), [])
        if network and any(i in there for i in shown):
            groups = behind(shown, groups)
            keep_result(project, "look-alikes", (network, groups))
        st.session_state[drawn] = groups
    return network, groups


def behind(shown: Sequence[str], groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """The groups behind the one that is shown, without its pictures."""
    inside = set(shown)
    others = ([i for i in group if i not in inside] for group in groups)
    return [list(shown), *(group for group in others if group)]


def _group(project: Project, ids: Sequence[str]) -> list[list[str]]:
    from imgtag.training import assistant

    return assistant.look_alikes(ids, ahead.seen(project, ids))


def _shown(project: Project) -> str:
    return f"shown group {project.name}"
