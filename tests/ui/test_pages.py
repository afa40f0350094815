"""Every page in every state of a project, through Streamlit's own test driver: no page fails, each says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgtag.data import edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import create_run
from tests.drawing import picture, write_tree

MAIN = str(Path(__file__).resolve().parents[2] / "imgtag" / "ui" / "main.py")
PAGES = ("home", "collect", "label", "train", "review", "classify")


def opened(page: str, project: Project | None) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    if project:
        app.query_params["project"] = project.name
    app.run()
    if page != "home":
        app.switch_page(f"../../pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    return " ".join(
        str(e.value) for kind in ("title", "markdown", "caption", "info", "error") for e in getattr(app, kind)
    )


def test_an_empty_installation_greets_the_newcomer() -> None:
    app = opened("home", None)
    assert app.title[0].value == "Welcome to imgtag"
    assert any("handwritten digits" in b.label for b in app.button)


@pytest.mark.parametrize("page", PAGES[1:])
def test_without_a_project_every_page_says_where_to_get_one(page: str) -> None:
    assert "No project is open" in texts(opened(page, None))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_an_empty_project(page: str, project: Project) -> None:
    opened(page, project)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_an_untrained_project(page: str, shapes: Project) -> None:
    opened(page, shapes)


def test_training_is_refused_with_a_reason_while_there_is_one_class(project: Project) -> None:
    write_tree(project.images / "disc", {f"{n}.png": picture("red", n) for n in range(3)})
    app = opened("train", project)
    assert "At least two classes" in texts(app)
    assert app.button(key="train").disabled


@pytest.mark.parametrize("damage", ["config.json", "status.json", "manifest.csv"])
def test_a_damaged_run_does_not_break_the_pages(shapes: Project, damage: str) -> None:
    run = create_run(shapes, make_recipe())
    (run.path / damage).write_text("{")
    for page in ("home", "train", "review", "classify"):
        opened(page, shapes)


def test_the_label_page_offers_to_sort_by_name(shapes: Project) -> None:
    write_tree(shapes.unsorted, {"circle.7.png": picture("green", 1), "holiday.png": picture("green", 2)})
    app = opened("label", shapes)
    next(b for b in app.button if b.label == "Sort them by name").click().run()
    assert look(shapes).counts["circle"] == 13
    assert [p.name for p in look(shapes).unsorted] == ["holiday.png"]


def test_a_class_is_added_renamed_and_merged_on_the_collect_page(shapes: Project) -> None:
    app = opened("collect", shapes)
    next(t for t in app.text_input if t.label == "New class").input("ring")
    next(b for b in app.button if b.label == "Add class").click().run()
    assert "ring" in look(shapes).class_names
    app.selectbox(key="class to edit").select_index(list(look(shapes).class_names).index("ring")).run()
    app.text_input(key="folder ring").input("hoop").run()
    next(b for b in app.button if b.label == "Rename folder").click().run()
    assert "hoop" in look(shapes).class_names
    edits.merge_classes(shapes, "circle", "hoop")
    assert look(shapes).counts == {"hoop": 12, "square": 12}
