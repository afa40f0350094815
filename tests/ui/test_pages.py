"""Every page in every state of a project, through Streamlit's own test driver: no page fails, each says what to do."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from imgtag.core import locks
from imgtag.data import edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import create_run, list_runs
from imgtag.ui.runs import run_numbers
from tests.drawing import picture, write_tree

MAIN = str(Path(__file__).resolve().parents[2] / "imgtag" / "ui" / "main.py")
PAGES = ("home", "collect", "label", "train", "review", "classify", "share")


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


def test_a_new_project_is_opened_even_while_another_one_is(shapes: Project) -> None:
    app = opened("home", shapes)
    app.text_input(key="new-name").set_value("Small")
    next(b for b in app.button if b.label == "Create project").click().run()
    assert not app.exception
    assert app.session_state["project"] == "Small"
    assert app.query_params["project"] in ("Small", ["Small"])


def test_training_is_refused_with_a_reason_while_there_is_one_class(project: Project) -> None:
    write_tree(project.images / "disc", {f"{n}.png": picture("red", n) for n in range(3)})
    app = opened("train", project)
    assert "At least two classes" in texts(app)
    assert app.button(key="train").disabled


def test_why_a_training_did_not_begin_stays_when_the_page_is_drawn_anew(shapes: Project) -> None:
    with locks.locked(shapes.cache / "importing" / "one.lock"):  # as an import holds it
        app = opened("train", shapes)
        app.button(key="train").click().run()
        assert "Pictures are still coming in" in texts(app)
        app.run()
        assert "Pictures are still coming in" in texts(app)
        assert list_runs(shapes) == []
    app.switch_page("../../pages/label.py").run()
    app.switch_page("../../pages/train.py").run()
    assert "Pictures are still coming in" not in texts(app)


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


def labelled(app: AppTest, kind: str, label: str) -> Any:
    """The first element of a kind with that label."""
    return next(e for e in getattr(app, kind) if e.label == label)


def test_a_class_is_added_renamed_and_merged_on_the_collect_page(shapes: Project) -> None:
    app = opened("collect", shapes)
    labelled(app, "text_input", "New class").input("ring")
    labelled(app, "button", "Add class").click().run()
    assert "ring" in look(shapes).class_names
    labelled(app, "selectbox", "Class").select_index(look(shapes).class_names.index("ring")).run()
    labelled(app, "text_input", "Folder").input("hoop")
    labelled(app, "button", "Rename folder").click().run()
    assert "hoop" in look(shapes).class_names
    assert labelled(app, "selectbox", "Class").value == "hoop"  # the next step must not hit another class
    assert labelled(app, "button", "Merge").disabled
    others = [name for name in look(shapes).class_names if name != "hoop"]
    labelled(app, "selectbox", "Merge into").select_index(others.index("circle")).run()
    labelled(app, "button", "Merge “hoop” into “circle”").click().run()
    assert look(shapes).counts == {"circle": 12, "square": 12}


def test_a_refused_class_name_stays_in_the_field(shapes: Project) -> None:
    app = opened("collect", shapes)
    labelled(app, "text_input", "New class").input("CON")
    labelled(app, "button", "Add class").click().run()
    assert "reserved by Windows" in texts(app)
    assert labelled(app, "text_input", "New class").value == "CON"


def test_a_link_to_a_project_that_is_gone_says_so(shapes: Project) -> None:
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.query_params["project"] = "nonexistent"
    app.switch_page("../../pages/train.py").run()
    assert "There is no project" in texts(app)


@pytest.mark.parametrize("page", ["collect", "label"])
def test_one_folder_of_mixed_photographs_can_be_sorted(page: str, project: Project) -> None:
    write_tree(project.images / "holiday", {f"{n}.png": picture("red", n) for n in range(5)})
    app = opened(page, project)
    next(b for b in app.button if b.label.startswith("They show different things")).click().run()
    assert not app.exception
    assert len(look(project).unsorted) == 5
    assert look(project).class_names == ()
    edits.undo(project)
    assert look(project).counts == {"holiday": 5}


def test_thin_classes_are_left_out_in_one_window_and_in_the_other(shapes: Project) -> None:
    write_tree(shapes.images / "star", {f"{n}.png": picture("green", n) for n in range(3)})
    windows = [AppTest.from_function(_health, default_timeout=60, args=(shapes.path,)) for _ in range(2)]
    for window in windows:
        window.session_state["health toys"] = True  # somebody opened this part
        window.run()
        assert not window.exception
    windows[0].button_group[0].set_value(["star"]).run()
    assert look(shapes).left_out == {"star"}
    windows[1].run()
    assert windows[1].button_group[0].value == ["star"]
    assert look(shapes).left_out == {"star"}
    windows[1].button_group[0].set_value([]).run()
    windows[0].run()
    assert windows[0].button_group[0].value == []
    assert look(shapes).left_out == set()


def _health(path):  # type: ignore[no-untyped-def]  # its text alone is run, which knows no imports
    from imgtag.data.dataset import look
    from imgtag.data.projects import Project
    from imgtag.ui.health import health_area

    health_area(Project(path), look(Project(path)))


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("part", ["Overview", "Mistakes", "Wrong labels?", "Trust", "Comparison"])
def test_every_part_of_the_review_opens(part: str, split: str, numbers: Project) -> None:
    app = opened("review", numbers)
    app.session_state["part"] = part
    app.session_state["split"] = split
    app.run()
    assert not app.exception, app.exception


def test_a_model_of_an_earlier_version_is_reviewed_without_what_it_lacks(numbers: Project) -> None:
    (run,) = list_runs(numbers)
    table = run.path / "predictions.csv"
    lines = [line.rsplit(",", 2)[0] for line in table.read_text("utf-8").splitlines()]  # the last two columns are new
    table.write_text("\n".join(lines) + "\n", "utf-8")
    app = opened("review", numbers)
    app.session_state["part"] = "Trust"
    app.run()
    assert not app.exception, app.exception
    assert "earlier version" in texts(app)


def test_trainings_have_the_same_numbers_on_every_page(numbers: Project) -> None:
    create_run(numbers, make_recipe("quick"))  # comes to nothing
    (made,) = (run for run in list_runs(numbers) if run.has_model)
    assert run_numbers(numbers)[made.id] == 1
    again = numbers.runs / "99991231-000000-quick"
    shutil.copytree(made.path, again)
    config = json.loads((again / "config.json").read_text())
    (again / "config.json").write_text(json.dumps({**config, "created": time.time() + 60}))
    app = opened("review", numbers)
    assert [line.split(",")[0] for line in app.selectbox(key="run").options] == ["No. 3", "No. 1"]
