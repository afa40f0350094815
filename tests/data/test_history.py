"""The history as people read it, and what suggestions may learn from it."""

from __future__ import annotations

from imgtag.data import class_edits, edits, history
from imgtag.data.dataset import look
from imgtag.data.projects import Project


def ids(project: Project, label: str) -> list[str]:
    return [p.id for p in look(project).pictures if p.label == label]


def test_it_tells_who_did_what_newest_first_and_what_was_taken_back(shapes: Project) -> None:
    assert history.entries(shapes) == []
    assert history.size(shapes) == 0
    edits.move_pictures(shapes, ids(shapes, "circle")[:3], "square", who="Ann")
    edits.trash_pictures(shapes, ids(shapes, "circle")[:1], who="Ben")
    edits.undo(shapes, who="Ann")
    found = history.entries(shapes)
    assert [(e.who, e.what, e.undone) for e in found] == [
        ("Ann", "taking back: moving 1 picture", False),
        ("Ben", "trashing 1 picture", True),
        ("Ann", "moving 3 pictures to “square”", False),
    ]
    assert history.entries(shapes, most=1) == found[:1]
    before = history.size(shapes)
    class_edits.rename_class(shapes, "square", "box")
    assert history.size(shapes) > before
    assert history.entries(shapes)[0].what == "renaming the class of 15 pictures"


def test_steps_of_sorting_are_told_apart_and_those_nobody_looked_at(shapes: Project) -> None:
    circles = ids(shapes, "circle")
    edits.move_pictures(shapes, circles[:2], "square")
    edits.sort_pictures(shapes, {circles[2]: "square", circles[3]: "square"}, unseen="yes")
    steps, unseen = history.sorting_steps(shapes)
    assert steps[circles[0]] == steps[circles[1]] != steps[circles[2]] == steps[circles[3]]
    assert unseen == {circles[2], circles[3]}
    edits.move_pictures(shapes, circles[2:3], "circle")
    assert history.sorting_steps(shapes)[1] == {circles[3]}
