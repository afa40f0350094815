"""The page Classify through Streamlit's own test driver: what is said about one picture, many, and none."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from imgtag.data.dataset import look
from imgtag.data.piles import Pile, add_upload, new_pile, remove_pile
from imgtag.training.runs import Run
from tests.data.test_piles import upload
from tests.prepared import bytes_of
from tests.ui.test_pages import MAIN, labelled, texts


def opened(pile: Pile) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=90)
    app.query_params["project"] = pile.project.name
    app.session_state[f"pile {pile.project.name}"] = pile.id
    app.run()
    app.switch_page("../../pages/classify.py").run()
    for _ in range(20):  # the answers are worked out beside the page
        if app.subheader and "classified" in app.subheader[0].value:
            break
        app.run()
    assert not app.exception, app.exception
    return app


def pile_of(run: Run, files: dict[str, bytes]) -> Pile:
    pile = new_pile(run.project)
    add_upload(pile, upload(run.project, files))
    return pile


@pytest.fixture
def many(trained: Run) -> Pile:
    files = {f"red-{n}.png": bytes_of("red", n) for n in range(3)} | {"green.png": bytes_of("green"), "x.png": b"x"}
    return pile_of(trained, files)


def test_many_are_counted_filtered_and_named_with_their_trouble(many: Pile) -> None:
    app = opened(many)
    assert app.subheader[0].value == "4 pictures classified, 1 could not be read"
    assert "**5 files** of 5" in texts(app)
    show = labelled(app, "selectbox", "Show")
    assert show.options == ["All (5)", "two (3)", "one (1)", "Unreadable (1)"]
    show.select("two (3)").run()
    assert "**3 files** of 5" in texts(app)
    labelled(app, "text_input", "Name contains").input("RED-2").run()
    assert "**1 file** of 5" in texts(app)
    labelled(app, "text_input", "Name contains").input("nothing").run()
    assert "No picture is like that" in texts(app)


def test_one_picture_is_told_in_words_and_the_bars_can_be_chosen(trained: Run) -> None:
    app = opened(pile_of(trained, {"a.png": bytes_of("red", 1)}))
    assert [h.value for h in app.header] == ["two"]
    assert "sure \\(probability\\)" in texts(app) or "sure (probability)" in texts(app)
    labelled(app, "number_input", "Bars").set_value(2).run()
    assert not app.exception


def test_those_that_are_sure_join_the_project_to_be_learnt_and_can_be_taken_back(many: Pile) -> None:
    app = opened(many)
    labelled(app, "button", "Add 4 pictures").click().run()
    assert look(many.project).counts == {"1": 13, "2": 15, "10": 12}
    assert "4 pictures joined the project: their classes." in texts(app)
    assert "4 pictures from here wait for the next training." in texts(app)
    app.button(key="joining undo").click().run()
    assert look(many.project).counts == {"1": 12, "2": 12, "10": 12}
    assert "wait for the next training" not in texts(app)


def test_a_pile_that_is_gone_leaves_the_page_as_it_was_at_first(many: Pile) -> None:
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.query_params["project"] = many.project.name
    app.session_state[f"pile {many.project.name}"] = many.id
    remove_pile(many)
    app.run()
    app.switch_page("../../pages/classify.py").run()
    assert not app.exception
    assert not app.subheader
