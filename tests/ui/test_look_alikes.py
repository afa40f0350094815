"""Groups of look-alikes: one that was named makes room for the next, one in which single pictures were sorted stays."""

from __future__ import annotations

from imgtag.data.projects import Project
from imgtag.ui.look_alikes import behind, open_groups

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
