"""In which orders unsorted pictures can be shown, and what is shown in one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from imgtag.data.dataset import Picture
from imgtag.data.projects import Project

ADDED, CLASS, UNSURE, ALIKE = "As they came", "By suggestion", "Least sure first", "Look-alikes"


@dataclass(frozen=True)
class Arranged:
    """Unsorted pictures to show. tags: the suggested class and its probability by id; changed: those with another one
    than when the page was opened; page: names what is shown."""

    pictures: list[Picture]
    tags: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    preselect: bool = False
    page: str = ""
    changed: frozenset[str] = frozenset()


def order_choice(project: Project) -> str:
    """Where the user chooses the order of the unsorted pictures."""
    turn, first = st.session_state.get(_first(project), (0, ADDED))
    order: str = st.pills(  # they wrap on a phone
        "Order",
        [ADDED, CLASS, UNSURE, ALIKE],
        default=first,
        required=True,
        key=f"order {project.name} {turn}",
        persist_state="session",
    )
    return order


def change_order(project: Project, order: str) -> None:
    """Show them in this order from the next drawing of the page on."""
    turn, _ = st.session_state.get(_first(project), (0, ADDED))
    st.session_state[_first(project)] = (turn + 1, order)


def _first(project: Project) -> str:
    return f"first order {project.name}"
