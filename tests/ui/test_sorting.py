"""Steps of a sorting grid: each does what it says, and what could not be done is told."""

from __future__ import annotations

import pytest
import streamlit as st

from imgtag.data import edits, history
from imgtag.data.dataset import look
from imgtag.data.importing import import_files
from imgtag.data.projects import Project
from imgtag.data.sources import open_sources
from imgtag.ui.grid import Step, Target
from imgtag.ui.sorting import carry_out, targets_of
from tests.drawing import picture, write_tree


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    st.session_state.clear()


def ids(project: Project, label: str) -> tuple[str, ...]:
    return tuple(p.id for p in look(project).pictures if p.label == label)


def said() -> str:
    """The last message that was left for the page, without the signs that keep it literal; empty where none was."""
    messages = st.session_state.get("_messages")
    return str(messages[-1][0]).replace("\\", "") if messages else ""


def test_pictures_are_moved_trashed_and_given_a_new_class(shapes: Project) -> None:
    carry_out(shapes, Step("move", ids(shapes, "circle")[:3], "square", "circle"))
    carry_out(shapes, Step("class", ids(shapes, "circle")[:1], "ring", "circle"))
    carry_out(shapes, Step("class", ids(shapes, "circle")[:1], "Ring", "circle"))
    carry_out(shapes, Step("trash", ids(shapes, "square")[:2], "", "square"))
    assert said() == "", "the grid says at once what it has done"
    assert look(shapes).counts == {"circle": 7, "ring": 2, "square": 13}
    carry_out(shapes, Step("undo", (), "", ""))
    assert said() == "Taken back: trashing 2 pictures."
    assert look(shapes).counts["square"] == 15


def test_who_comes_second_is_told_where_the_pictures_are(shapes: Project) -> None:
    first, second, third = ids(shapes, "circle")[:3]
    edits.move_pictures(shapes, [first], "square")
    edits.trash_pictures(shapes, [second])
    carry_out(shapes, Step("move", (first, second, third), "square", "circle"))
    assert said() == "1 picture moved to “square”. 1 was moved before in another window: square (1). 1 is gone."
    carry_out(shapes, Step("trash", (first,), "", "circle"))
    assert said() == "0 pictures moved to the trash. 1 was moved before in another window: square (1)."
    assert look(shapes).counts == {"circle": 9, "square": 14}


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Step("undo", (), "", ""), "nothing to undo"),
        (Step("class", ("x",), "CON", ""), "Windows"),
        (Step("move", ("x",), "ring", ""), "There is no class “ring”"),
    ],
)
def test_what_is_refused_is_said_with_its_reason(step: Step, reason: str, shapes: Project) -> None:
    carry_out(shapes, step)
    assert reason in said()
    assert [icon for _, icon in st.session_state["_messages"]] == [":material/error:"]


def test_decisions_about_labels_in_question_are_remembered(shapes: Project) -> None:
    first, second, third = ids(shapes, "circle")[:3]
    carry_out(shapes, Step("keep", (first,), "", None), decides=True)
    carry_out(shapes, Step("accept", (second,), "", None, ("square",)), decides=True)
    carry_out(shapes, Step("move", (third,), "square", None), decides=True)
    assert history.decided(shapes) == {first: "circle", second: "square", third: "square"}
    carry_out(shapes, Step("undo", (), "", None), decides=True)
    assert third not in history.decided(shapes)


def test_accepted_is_what_was_proposed_where_it_was_pressed(shapes: Project) -> None:
    first, second, third = ids(shapes, "circle")[:3]
    carry_out(shapes, Step("accept", (first, second, third), "", "circle", ("square", "", "square")))
    assert {i: look(shapes).by_id[i].label for i in (first, second, third)} == {
        first: "square",
        second: "circle",
        third: "square",
    }


def test_targets_have_names_to_show_numbers_and_keys(shapes: Project) -> None:
    shapes.set_display_names({"square": "Square tile"})
    write_tree(shapes.images / "ring", {"a.png": picture("green", 1)})
    assert targets_of(shapes, look(shapes)) == [
        Target("circle", "circle", 12, 1),
        Target("ring", "ring", 1, 2),
        Target("square", "Square tile", 12, 3),
    ]


def test_a_project_without_classes_offers_those_of_its_model(project: Project) -> None:
    offered = targets_of(project, look(project), {"a": "Apple", "b": "b"})
    assert offered == [Target("a", "Apple", 0, 1), Target("b", "b", 0, 2)]


def test_nobody_takes_back_what_another_did_or_an_import_by_mistake(shapes: Project) -> None:
    some = ids(shapes, "circle")[:2]
    carry_out(shapes, Step("move", some[:1], "square", "circle"))
    edits.move_pictures(shapes, some[1:], "square", who="Ann")
    carry_out(shapes, Step("undo", (), "", ""))
    assert said() == "The last change was moving 1 picture, by Ann. It can be taken back on the page Collect."
    assert look(shapes).counts == {"circle": 10, "square": 14}
    edits.undo(shapes)
    carry_out(shapes, Step("undo", (), "", ""))
    assert said() == "Taken back: moving 1 picture."
    with open_sources([write_tree(shapes.path.parent / "more", {"circle/new.png": picture("green", 1)})]) as groups:
        import_files(shapes, groups, "more")
    carry_out(shapes, Step("undo", (), "", ""))
    assert "an import is taken back on the page Collect" in said()
    assert look(shapes).counts == {"circle": 13, "square": 12}
