"""Suggestions from file names: only where exactly one class is told, never from the digits of a stored name."""

from __future__ import annotations

from pathlib import Path

from imgtag.data import class_edits, edits
from imgtag.data.dataset import look
from imgtag.data.importing import import_files
from imgtag.data.projects import Project
from imgtag.data.sources import open_sources
from imgtag.data.suggestions import accept_names, names_tell
from tests.drawing import picture, sha, write_tree


def bring_in(project: Project, folder: Path, files: dict[str, bytes]) -> None:
    """Import files as the app does, so that they get their stored names."""
    with open_sources([write_tree(folder, files)]) as groups:
        import_files(project, groups, "test")


def test_names_that_tell_their_class_are_sorted_by_one_click_and_back_by_undo(project: Project, tmp_path: Path) -> None:
    for name in ("walle", "doraemon"):
        class_edits.add_class(project, name)
    files = {"walle.1.png": "red", "doraemon.2.png": "blue", "walle and doraemon.png": "green", "img_4.png": "grey"}
    bring_in(project, tmp_path / "test", {f"x/test/{n}": picture(c) for n, c in files.items()} | {"x/a.txt": b"-"})
    for id_ in [p.id for p in look(project).pictures]:
        edits.move_pictures(project, [id_], "")
    told = {sha(picture("red")): "walle", sha(picture("blue")): "doraemon"}
    assert names_tell(look(project)) == told
    assert accept_names(project) == 2
    assert {p.id: p.label for p in look(project).pictures if p.label} == told
    assert names_tell(look(project)) == {}
    edits.undo(project)
    edits.undo(project)
    assert names_tell(look(project)) == told


def test_the_digits_of_a_stored_name_are_not_taken_for_a_class(project: Project, tmp_path: Path) -> None:
    for name in [*"0123456789", *"abcdef"]:
        class_edits.add_class(project, name)
    folder = write_tree(tmp_path / "loose", {f"photo{'x' * n}.png": picture("red", n) for n in range(40)})
    with open_sources(sorted(folder.iterdir())) as groups:
        import_files(project, groups, "test")
    assert len(look(project).unsorted) == 40
    assert names_tell(look(project)) == {}


def test_two_pictures_of_one_original_name_are_both_told(project: Project, tmp_path: Path) -> None:
    class_edits.add_class(project, "cat")
    for n in range(2):
        with open_sources([write_tree(tmp_path / str(n), {"cat.png": picture("red", n)}) / "cat.png"]) as groups:
            import_files(project, groups, "test")
    assert names_tell(look(project)) == {sha(picture("red", n)): "cat" for n in range(2)}


def test_a_picture_in_doubt_is_left_to_the_person(project: Project, tmp_path: Path) -> None:
    twin = picture("green")
    bring_in(project, tmp_path / "set", {"cat/cat.png": twin, "dog/cat.png": twin})
    assert names_tell(look(project)) == {}
