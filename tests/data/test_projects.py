"""Projects: made, found, renamed, copied, put aside and brought back; a damaged one never hides the others."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from imgtag.core.errors import BadName, NotFound
from imgtag.data.dataset import look
from imgtag.data.projects import (
    Project,
    create_at,
    create_project,
    duplicate_project,
    find_listed,
    find_project,
    list_projects,
    made_moments_ago,
    rename_project,
    restore_project,
    trash_project,
    trashed_projects,
)
from tests.drawing import hashes, picture, write_tree


def names() -> list[str]:
    """Names of the listed projects, in alphabetical order."""
    return sorted(p.name for p in list_projects())


def test_a_new_user_has_no_projects_and_no_error() -> None:
    assert list_projects() == []
    assert trashed_projects() == []


def test_a_new_project_is_an_ordinary_folder(home: Path) -> None:
    project = create_project(" My boats ")
    assert (project.path, project.title) == (home / "My boats", "My boats")
    assert {p.name for p in project.path.iterdir()} == {"images", "unsorted", "project.json"}
    assert find_project("My boats").path == find_listed("My boats").path == project.path


@pytest.mark.parametrize("title", ["boats", "BOATS", " boats "])
def test_two_projects_cannot_have_the_same_name(title: str) -> None:
    create_project("Boats")
    with pytest.raises(BadName, match="already"):
        create_project(title)
    assert names() == ["Boats"]


def test_a_renamed_project_keeps_its_folder_and_its_old_title_is_free_for_nobody_else(project: Project) -> None:
    rename_project(project, "Spielzeug 🧸")
    assert (project.title, project.name) == ("Spielzeug 🧸", "toys")
    with pytest.raises(BadName):
        create_project("spielzeug 🧸")
    rename_project(project, "SPIELZEUG 🧸")
    assert project.title == "SPIELZEUG 🧸"


def test_a_project_cannot_take_the_name_of_another(project: Project) -> None:
    other = create_project("boats")
    with pytest.raises(BadName, match="already"):
        rename_project(other, "Toys")
    assert other.title == "boats"


@pytest.mark.parametrize("name", ["../evil", "", "CON", "a/b", "\0", ".trash", "x" * 300])
def test_a_name_that_could_lead_elsewhere_makes_no_project(name: str, home: Path) -> None:
    with pytest.raises(BadName):
        create_project(name)
    assert not home.exists() or not any(home.iterdir())


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../toys", "toys/", "/etc", "TOYS ", "~nobody-of-this-name", "x" * 5000, "a\0b", "\ud800"]
)
def test_a_project_that_is_not_there_is_not_found_whatever_its_name(name: str, project: Project) -> None:
    with pytest.raises(NotFound):
        find_listed(name)
    if name not in ("toys/", "../toys"):
        with pytest.raises(NotFound):
            find_project(name)


def test_the_name_from_a_browser_never_leads_out_of_the_home_folder(home: Path, tmp_path: Path) -> None:
    create_at(tmp_path / "elsewhere")
    assert find_project(str(tmp_path / "elsewhere")).title == "elsewhere"
    home.mkdir()
    for name in ("../elsewhere", str(tmp_path / "elsewhere"), "..\\elsewhere"):
        with pytest.raises(NotFound):
            find_listed(name)


@pytest.mark.parametrize("damage", [b"", b'{"name": "to', b"[]", b"null", b"\xff\xfe", b'{"name": 5}'])
def test_a_damaged_project_file_costs_only_the_display_name(damage: bytes, shapes: Project) -> None:
    create_project("other")
    (shapes.path / "project.json").write_bytes(damage)
    assert names() == ["other", "toys"]
    assert shapes.title in ("toys", "5")
    assert shapes.display_name("circle") == "circle"
    assert look(shapes).counts == {"circle": 12, "square": 12}
    shapes.set_display_names({"circle": "Ball"})
    assert shapes.display_names() == {"circle": "Ball"}


@pytest.mark.parametrize("classes", [[], None, {"circle": None}, {"circle": "red"}, "x"])
def test_class_entries_edited_wrongly_by_hand_do_not_hide_the_project(classes: object, shapes: Project) -> None:
    shapes.change_settings(classes=classes)
    assert shapes.display_name("circle") == "circle"
    assert shapes.display_names() == {}
    shapes.set_display_names({"circle": "Ball"})
    assert shapes.display_name("circle") == "Ball"


def test_projects_come_with_the_last_changed_first(home: Path) -> None:
    for age, name in ((300, "old"), (100, "new"), (200, "middle")):
        folder = create_project(name).path
        os.utime(folder, (time.time() - age, time.time() - age))
    assert [p.name for p in list_projects()] == ["new", "middle", "old"]


def test_display_names_are_folded_and_an_empty_one_removes_it(shapes: Project) -> None:
    shapes.set_display_names({"circle": "  red__ball ", "square": "box"})
    assert shapes.display_names() == {"circle": "red ball", "square": "box"}
    shapes.set_display_names({"circle": ""})
    assert (shapes.display_name("circle"), shapes.display_name("square")) == ("circle", "box")


def test_a_copy_of_a_project_holds_every_picture_whatever_its_class_is_called(shapes: Project) -> None:
    write_tree(shapes.images, {"uploads/a.png": picture("green", 1), "my.part/b.png": picture("green", 2)})
    write_tree(shapes.unsorted, {"c.png": picture("green", 3)})
    write_tree(shapes.staging, {"0123/left-over.bin": b"half an upload"})
    write_tree(shapes.images, {"circle/.d.png.1234.part": b"half a picture"})
    before = look(shapes)
    copy = duplicate_project(shapes, "toys 2")
    assert copy.title == "toys 2"
    assert set(look(copy).by_id) == set(before.by_id)
    assert look(copy).counts == before.counts
    assert not (copy.staging / "0123").exists()
    assert not list(copy.path.rglob("*.1234.part"))
    with pytest.raises(BadName):
        duplicate_project(shapes, "Toys 2")


def test_a_trashed_project_comes_back_whole(shapes: Project) -> None:
    before = hashes(shapes.path)
    trash_project(shapes)
    assert names() == []
    assert [p.title for p in trashed_projects()] == ["toys"]
    back = restore_project(trashed_projects()[0])
    assert (back.path, hashes(back.path)) == (shapes.path, before)
    assert (names(), trashed_projects()) == (["toys"], [])


def test_a_restored_project_steps_aside_from_a_new_one_of_its_name(shapes: Project) -> None:
    trash_project(shapes)
    new = create_project("toys")
    back = restore_project(trashed_projects()[0])
    assert look(new).pictures == ()
    assert look(back).counts == {"circle": 12, "square": 12}
    assert names() == ["toys", "toys (2)"]


def test_two_projects_of_one_name_trashed_in_the_same_second_both_come_back(home: Path) -> None:
    for colour in ("red", "blue"):
        project = create_project("v1.2")
        write_tree(project.unsorted, {"a.png": picture(colour)})
        trash_project(project)
    assert len(trashed_projects()) == 2
    found = {id_ for p in trashed_projects() for id_ in look(restore_project(p)).by_id}
    assert len(found) == 2


def test_a_project_is_found_again_within_moments_of_its_making_only(home: Path) -> None:
    made = create_project("Twice")
    assert made_moments_ago(" twice ") == made
    assert made_moments_ago("Twice", seconds=0.0) is None
    assert made_moments_ago("Another") is None
    made.change_settings(created="yesterday")
    assert made_moments_ago("Twice") is None


def test_a_spoilt_project_file_is_set_aside_before_a_change_is_written(shapes: Project) -> None:
    (shapes.path / "project.json").write_text('{"name": "Shapes", "classes": {},}')
    shapes.set_display_names({"circle": "Round"})
    assert shapes.display_names() == {"circle": "Round"}
    assert "Shapes" in (shapes.path / "project.json.damaged").read_text()
