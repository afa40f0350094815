"""The curves: what is chosen to be looked at closely stays so while new points arrive."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest

ROUNDS = [
    {
        "phase": "learning",
        "t": float(n),
        "epoch": n,
        "train_loss": 1 / n,
        "val_loss": 2 / n,
        "val_accuracy": 1 - 0.5 / n,
    }
    for n in range(1, 11)
]


def page() -> None:
    import streamlit as st

    from imgtag.ui.curves import learning_curves

    learning_curves(st.session_state["metrics"], key="curves")


def shown(app: AppTest) -> list[dict[str, Any]]:
    """The specifications of the charts, as the browser gets them."""
    return [json.loads(element.proto.spec) for element in app.get("echarts_chart")]


def app_with(metrics: list[dict[str, Any]]) -> AppTest:
    app = AppTest.from_function(page)
    app.session_state["metrics"] = metrics
    return app.run()


def test_the_whole_is_shown_first() -> None:
    charts = shown(app_with(ROUNDS))
    assert len(charts) == 2
    assert all("dataZoom" not in chart for chart in charts)
    assert [chart["yAxis"]["min"] for chart in charts] == [0, 0]


def test_a_part_that_was_chosen_stays_chosen_while_rounds_are_added() -> None:
    app = app_with(ROUNDS[:5])
    app.slider[0].set_value((40, 90)).run()
    for count in (6, 10):
        app.session_state["metrics"] = ROUNDS[:count]
        app.run()
        assert app.slider[0].value == (40, 90)
        for chart in shown(app):
            assert (chart["dataZoom"][0]["start"], chart["dataZoom"][0]["end"]) == (40, 90)
            assert chart["xAxis"]["max"] == count


def looking(*counts: int) -> list[dict[str, Any]]:
    return [{"phase": "looking", "t": 0.1, "pictures": n, "train_loss": 0.1, "val_loss": 0.2} for n in counts]


def test_first_impressions_are_drawn_over_the_pictures_and_learning_over_its_rounds() -> None:
    first = shown(app_with(looking(24, 48)))
    assert [chart["xAxis"]["name"] for chart in first] == ["pictures looked at"] * 2
    later = app_with([*looking(24, 48), *ROUNDS, *({**row, "phase": "learning 1"} for row in ROUNDS)])
    assert shown(later)[0]["xAxis"]["name"] == "rounds (epochs)"
    assert "Learning, second network" in str(later.get("button_group")[0].proto)


def test_a_single_point_is_no_stage_of_its_own_beside_others() -> None:
    assert not app_with([*looking(24), *ROUNDS]).get("button_group")


def test_before_the_first_point_there_is_nothing_to_choose() -> None:
    app = app_with([])
    assert not app.slider and not app.exception
