"""Groups of look-alikes: one that was named makes room for the next, one in which single pictures were sorted stays."""

from __future__ import annotations

import pytest
import streamlit as st

from imgtag.data.projects import Project
from imgtag.ui.look_alikes import _keep_shown, behind, open_groups


@pytest.fixture(autouse=True)
def new_session() -> None:
    st.session_state.clear()


GROUPS = [list("abcdefgh"), list("mnop"), list("xy")]
ALL = set("abcdefghmnopxy")


def test_a_named_group_makes_room_and_what_was_left_of_it_comes_last(project: Project) -> None:
    assert open_groups(project, GROUPS, ALL) == ([(g, g) for g in GROUPS], [], 0)
    there = ALL - set("abcdef")  # two did not belong
    assert open_groups(project, GROUPS, there) == ([(g, g) for g in GROUPS[1:]], ["g", "h"], 1)
    there -= set("mnop")
    assert open_groups(project, GROUPS, there) == ([(GROUPS[2], GROUPS[2])], ["g", "h"], 2)
    assert open_groups(project, GROUPS, ALL)[2] == 0  # an undo brings them back


def test_a_group_whose_pictures_go_one_by_one_keeps_its_place_until_it_is_empty(project: Project) -> None:
    there = set(ALL)
    for gone, letter in enumerate("abcdefgh", start=1):
        there.discard(letter)
        groups, rest, named = open_groups(project, GROUPS, there)
        assert not rest
        if gone < 8:
            assert groups[0] == (GROUPS[0], GROUPS[0][gone:])
            assert named == 0
    assert groups[0] == (GROUPS[1], GROUPS[1])
    assert named == 1


def test_groups_that_are_made_anew_come_behind_the_one_that_is_looked_at() -> None:
    assert behind(list("mnx"), GROUPS) == [list("mnx"), list("abcdefgh"), list("op"), list("y")]


def test_new_groups_never_replace_the_one_on_the_screen_whenever_they_come(project: Project) -> None:
    kept, shown = "worked out: look-alikes toys", "shown group toys"
    first = ("quick", [list("abcdefgh"), list("mnop"), list("xy")])
    st.session_state[kept] = (1, first)
    assert _keep_shown(project, first, ALL) == first
    st.session_state[shown] = first[1][1]
    better = ("better", [list("xya"), list("bcmn"), list("defghop")])
    st.session_state[kept] = (2, better)  # adopted by a run of the page that was cut off before it drew anything
    expected = ("better", [list("mnop"), list("xya"), list("bc"), list("defgh")])
    assert _keep_shown(project, better, ALL) == expected
    assert st.session_state[kept] == (2, expected)
    st.session_state[shown] = expected[1][1]
    assert _keep_shown(project, st.session_state[kept][1], ALL) == expected  # they stay as they are from then on
