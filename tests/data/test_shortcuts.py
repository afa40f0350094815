"""Keys of classes: given once, kept while classes come and go, free again when theirs is gone."""

from __future__ import annotations

from imgtag.data import class_edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.data.shortcuts import class_keys


def test_a_class_keeps_its_key(project: Project) -> None:
    assert class_keys(project, []) == {}
    assert class_keys(project, ["b", "d"]) == {"b": 1, "d": 2}
    assert class_keys(project, ["a", "b", "c", "d"]) == {"b": 1, "d": 2, "a": 3, "c": 4}
    assert class_keys(project, ["a", "c", "d", "e"]) == {"e": 1, "d": 2, "a": 3, "c": 4}


def test_nine_classes_have_one(project: Project) -> None:
    names = [f"class {n}" for n in range(1, 13)]
    assert class_keys(project, names) == {f"class {n}": n for n in range(1, 10)}


def test_nonsense_in_the_settings_is_passed_over(project: Project) -> None:
    project.change_settings(keys="abc")
    assert class_keys(project, ["a"]) == {"a": 1}
    project.change_settings(keys=[1, None, "a", "gone"])
    assert class_keys(project, ["a", "b"]) == {"b": 1, "a": 3}


def test_a_class_keeps_its_key_when_it_gets_another_name(project: Project) -> None:
    for name in ("ant", "bee", "cat"):
        class_edits.add_class(project, name)
    class_keys(project, look(project).class_names)
    class_edits.rename_class(project, "ant", "zebra")
    assert class_keys(project, look(project).class_names) == {"zebra": 1, "bee": 2, "cat": 3}


def test_drawing_a_page_writes_nothing_where_the_settings_are_spoilt(project: Project) -> None:
    (project.path / "project.json").write_text("{")
    assert class_keys(project, ["ant"]) == {"ant": 1}
    assert (project.path / "project.json").read_text() == "{"
