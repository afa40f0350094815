"""Classes are added, renamed, merged and given up; undo brings them back."""

from __future__ import annotations

import os
import threading
import time

import pytest

from imgtag.core import locks
from imgtag.core.errors import BadName, NotFound
from imgtag.data import class_edits, edits
from imgtag.data.dataset import look
from imgtag.data.moves import Change
from imgtag.data.projects import Project
from tests.data.holdings import all_bytes, ids, labels
from tests.drawing import picture, write_tree


def test_a_new_class_is_an_empty_folder(project: Project) -> None:
    assert class_edits.add_class(project, " cafe\u0301 ") == "café"
    assert look(project).counts == {"café": 0}
    for taken in ("café", "CAFÉ", "cafe\u0301"):
        with pytest.raises(BadName, match="already"):
            class_edits.add_class(project, taken)


@pytest.mark.parametrize("name", ["../x", "CON", "a/b", "", ".hidden", "-rf", "x" * 300])
def test_a_name_that_is_no_folder_everywhere_makes_no_class(name: str, shapes: Project) -> None:
    before = sorted(os.listdir(shapes.images))
    for step in (class_edits.add_class, lambda p, n: class_edits.rename_class(p, "circle", n)):
        with pytest.raises(BadName):
            step(shapes, name)
    assert sorted(os.listdir(shapes.images)) == before


def test_a_renamed_class_takes_its_pictures_other_files_and_display_name_along(shapes: Project) -> None:
    write_tree(shapes.images, {"circle/notes.txt": b"mine"})
    shapes.set_display_names({"circle": "Ball"})
    before = labels(shapes)
    assert class_edits.rename_class(shapes, "circle", "disc") == "disc"
    assert look(shapes).counts == {"disc": 12, "square": 12}
    assert (shapes.images / "disc" / "notes.txt").read_bytes() == b"mine"
    assert shapes.display_names() == {"disc": "Ball"}
    edits.undo(shapes)
    assert labels(shapes) == before
    assert list(look(shapes).counts) == ["circle", "square"]
    assert shapes.display_names() == {"circle": "Ball"}


def test_a_class_can_change_only_its_case(shapes: Project) -> None:
    before = labels(shapes)
    write_tree(shapes.images, {"circle/copy.png": (shapes.images / "square/square-0.png").read_bytes()})
    assert class_edits.rename_class(shapes, "circle", "Circle") == "Circle"
    assert sorted(os.listdir(shapes.images)) == ["Circle", "square"]
    assert len(os.listdir(shapes.images / "Circle")) == 13
    edits.undo(shapes)
    assert sorted(os.listdir(shapes.images)) == ["circle", "square"]
    (shapes.images / "circle/copy.png").unlink()
    assert labels(shapes) == before


def test_a_class_cannot_take_the_name_of_another(shapes: Project) -> None:
    with pytest.raises(BadName, match="merge"):
        class_edits.rename_class(shapes, "circle", "Square")
    with pytest.raises(NotFound):
        class_edits.rename_class(shapes, "triangle", "x")
    assert look(shapes).counts == {"circle": 12, "square": 12}


def test_merged_classes_come_apart_again_by_undo(shapes: Project) -> None:
    write_tree(shapes.images, {"square/circle-0.png": picture("green")})
    before = labels(shapes)
    assert class_edits.merge_classes(shapes, "circle", "square") == Change(12)
    assert look(shapes).counts == {"square": 25}
    edits.undo(shapes)
    assert labels(shapes) == before
    assert class_edits.merge_classes(shapes, "circle", "circle") == Change(0)


def test_a_trashed_class_comes_back_by_undo(shapes: Project) -> None:
    before, bytes_ = labels(shapes), all_bytes(shapes)
    assert class_edits.trash_class(shapes, "circle") == Change(12)
    assert look(shapes).counts == {"square": 12}
    assert all_bytes(shapes) == bytes_
    edits.undo(shapes)
    assert labels(shapes) == before


def test_a_class_that_holds_copies_of_another_classs_pictures_can_be_trashed(shapes: Project) -> None:
    write_tree(shapes.images, {"triangle/copy.png": (shapes.images / "circle/circle-0.png").read_bytes()})
    assert class_edits.trash_class(shapes, "triangle") == Change(1)
    assert look(shapes).counts == {"circle": 12, "square": 12}


@pytest.mark.parametrize("step", ["trash", "merge", "rename", "move"])
def test_a_class_removed_by_another_window_meanwhile_is_named(step: str, shapes: Project) -> None:
    moved = ids(shapes, "square")[:1]
    steps = {
        "trash": lambda: class_edits.trash_class(shapes, "circle"),
        "merge": lambda: class_edits.merge_classes(shapes, "circle", "square"),
        "rename": lambda: class_edits.rename_class(shapes, "circle", "disc"),
        "move": lambda: edits.move_pictures(shapes, moved, "circle"),
    }
    found: list[BaseException] = []

    def other_window() -> None:
        try:
            steps[step]()
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=other_window)
    with locks.locked(shapes.lock):
        thread.start()
        time.sleep(0.2)  # it waits for the lock now
        os.rename(shapes.images / "circle", shapes.images / "disc 2")
    thread.join()
    assert [type(e) for e in found] == [NotFound], found
    assert look(shapes).counts == {"disc 2": 12, "square": 12}


def test_a_class_that_was_none_is_unsorted_and_comes_back(shapes: Project) -> None:
    before = {p.id: p.label for p in look(shapes).pictures}
    assert class_edits.unsort_class(shapes, "circle").moved == 12
    assert look(shapes).counts == {"square": 12}
    assert len(look(shapes).unsorted) == 12
    assert edits.undo(shapes).moved == 12
    assert {p.id: p.label for p in look(shapes).pictures} == before
    with pytest.raises(NotFound):
        class_edits.unsort_class(shapes, "triangle")
