"""The Train page as a form: which recipe comes out of cards and fields, and what is said about trainings at work."""

from __future__ import annotations

import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from imgtag.core import storage
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.training import jobs
from imgtag.training.estimates import Estimate
from imgtag.training.options import OPTIONS
from imgtag.training.recipes import PRESETS, Recipe, make_recipe
from imgtag.training.runs import Run, create_run, list_runs
from imgtag.ui import live
from imgtag.ui.forecast import Forecast
from imgtag.ui.own_settings import GROUPS, applies
from imgtag.ui.recipes import changes
from imgtag.ui.runs import last_ended
from tests.ui.test_pages import labelled, opened, texts


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes of the trainings that the page asked for; none is really started."""
    found: list[Recipe] = []
    monkeypatch.setattr(live, "start_training", lambda project, recipe: found.append(recipe))
    monkeypatch.setattr(jobs, "measure", lambda recipe: pytest.fail("a page that was only opened measures nothing"))
    return found


def press(app: AppTest, label: str) -> AppTest:
    labelled(app, "button", label).click().run()
    assert not app.exception, app.exception
    return app


def train(app: AppTest) -> AppTest:
    app.button(key="train").click().run()
    return app


def field(app: AppTest, kind: str, label: str) -> Any:
    return labelled(app, kind, label)


# ----------------------------------------------------------------------------- presets


def test_the_first_training_is_quick_unless_another_card_is_chosen(shapes: Project, started: list[Recipe]) -> None:
    app = opened("train", shapes)
    assert labelled(app, "button", ":primary[**Quick is chosen**]")
    train(app)
    train(press(app, "Choose Balanced"))
    train(press(app, "Choose Best"))
    assert started == [PRESETS["quick"], PRESETS["balanced"], PRESETS["best"]]


def test_the_time_budget_of_best_is_the_users(shapes: Project, started: list[Recipe]) -> None:
    app = press(opened("train", shapes), "Choose Best")
    field(app, "select_slider", "Time budget").set_value(60).run()
    train(app)
    assert started[0].preset == "best"
    assert started[0].minutes == 60


def test_the_next_training_is_like_the_last(shapes: Project, started: list[Recipe]) -> None:
    ended(create_run(shapes, make_recipe("balanced")))
    train(opened("train", shapes))
    ended(create_run(shapes, make_recipe("custom", ["dropout=0.2", "hidden=32"])))
    app = opened("train", shapes)
    assert "Your own settings, as in training No. 2" in texts(app)
    train(app)
    assert started[0] == PRESETS["balanced"]
    assert started[1] == make_recipe("custom", ["dropout=0.2", "hidden=32"])


# ----------------------------------------------------------------------------- own settings


def test_every_setting_has_its_place_in_the_form() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(option.name for option in OPTIONS)


def test_a_changed_setting_makes_a_custom_recipe_and_can_be_taken_back(shapes: Project, started: list[Recipe]) -> None:
    app = opened("train", shapes)
    field(app, "text_input", "Extra layers (hidden layers of the head)").input("64,16").run()
    assert "hidden layers of the head\\): **64\\, 16**" in texts(app)
    train(app)
    press(app, "Take back my settings")
    train(app)
    # Rounds for learning step by step, not the hundred of the exact head.
    assert started == [make_recipe("custom", ["hidden=64,16"]), PRESETS["quick"]]


def test_what_does_not_apply_is_not_shown(shapes: Project) -> None:
    app = opened("train", shapes)

    def shown() -> set[str]:
        return {e.label for kind in ("number_input", "selectbox", "toggle", "text_input") for e in getattr(app, kind)}

    gentler = "Gentler steps for earlier layers (discriminative learning rates)"
    assert "Smoothness of the head (regularisation)" in shown()
    assert not {gentler, "Rounds (epochs)", "Step size (learning rate)"} & shown()
    field(app, "selectbox", "What may change (trainable layers)").select("all").run()
    assert {gentler, "Rounds (epochs)", "Step size (learning rate)", "Time budget in minutes"} <= shown()


def test_fields_of_all_kinds_reach_the_recipe(shapes: Project, started: list[Recipe]) -> None:
    app = opened("train", shapes)
    field(app, "selectbox", "What may change (trainable layers)").select("partly").run()
    field(app, "selectbox", "Pretrained network (backbone)").select("efficientnet_lite1")
    field(app, "multiselect", "Networks beside it (ensemble)").set_value(["efficientnet_lite2"])
    field(app, "selectbox", "Learning method (optimizer)").select("sgd")
    field(app, "number_input", "Step size (learning rate)").set_value(0.002)
    field(app, "number_input", "Rounds (epochs)").set_value(3)
    field(app, "number_input", "Picture size in pixels").set_value(160)
    field(app, "toggle", "Look at mirrored pictures too").set_value(True)
    field(app, "button_group", "Random changes to training pictures (augmentation)").set_value(["crop", "flip"])
    train(app.run())
    (recipe,) = started
    assert recipe == make_recipe(
        "custom",
        ["backbone=efficientnet_lite1+efficientnet_lite2", "layers=partly", "optimizer=sgd", "learning_rate=0.002",
         "epochs=3", "picture_size=160", "mirror=yes", "augmentation=flip,crop"],
    )  # fmt: skip


def test_a_value_that_makes_no_sense_is_explained_and_not_trained(shapes: Project) -> None:
    app = opened("train", shapes)
    field(app, "text_input", "Extra layers (hidden layers of the head)").input("many").run()
    assert "does not fit the setting hidden" in texts(app)
    assert app.button(key="train").disabled
    field(app, "text_input", "Extra layers (hidden layers of the head)").input("8").run()
    assert not app.button(key="train").disabled


def test_a_network_that_must_be_downloaded_says_so_and_is_exchanged_by_one_click(
    shapes: Project, started: list[Recipe]
) -> None:
    app = opened("train", shapes)
    field(app, "selectbox", "Pretrained network (backbone)").select("resnet50").run()
    assert any("ResNet\\-50 \\(98 MB\\) will be downloaded" in w.value for w in app.warning)
    press(app, "Take EfficientNet-Lite2 (included)")
    assert not any("downloaded" in w.value for w in app.warning)
    train(app)
    assert started[0].backbone == "efficientnet_lite2"


def test_a_network_of_timm_is_taken_by_name(shapes: Project, started: list[Recipe]) -> None:
    app = opened("train", shapes)
    field(app, "text_input", "Another network of timm instead").input("vit_small_patch16_224").run()
    train(app)
    assert started[0].backbone == "timm:vit_small_patch16_224"
    field(app, "text_input", "Another network of timm instead").input("no such name!").run()
    assert "There is no backbone" in texts(app)


@pytest.mark.parametrize("name", ["epochs", "learning_rate", "dropout", "precision"])
def test_steps_matter_only_where_there_are_steps(name: str) -> None:
    assert not applies(name, PRESETS["balanced"])
    assert applies(name, make_recipe("quick", ["hidden=8"]))
    assert applies(name, PRESETS["best"])


def test_only_what_differs_is_told() -> None:
    assert changes(PRESETS["best"]) == []
    told = changes(make_recipe("custom", ["mirror=yes", "hidden=8,4", "mixup=0.2"]))
    assert [value for _, value in told] == ["yes", "8, 4", "0.2"]


# ----------------------------------------------------------------------------- predicted times


def test_a_predicted_time_appears_without_holding_up_the_page(shapes: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "measure", lambda recipe: None)
    network_to_download = make_recipe("custom", ["backbone=resnet18"])
    forecast = Forecast(shapes, look(shapes), [], busy=False)
    assert forecast.words(PRESETS["quick"]) == "working out the time…"
    assert forecast.words(network_to_download) == "time known after the first training"
    assert said(forecast, PRESETS["quick"]) == "measuring this computer…"
    busy = Forecast(shapes, look(shapes), [], busy=True)
    assert said(busy, PRESETS["quick"]) == "time known when this computer is free"


def test_on_a_known_computer_the_cards_tell_the_time(ready: Path, shapes: Project) -> None:
    assert said(Forecast(shapes, look(shapes), [], busy=False), PRESETS["quick"]) == "some seconds"


def said(forecast: Forecast, recipe: Recipe) -> str:
    for _ in range(100):
        if "working" not in (words := forecast.words(recipe)):
            return words
        time.sleep(0.05)
    raise AssertionError("nothing was predicted")


# ----------------------------------------------------------------------------- at work and ended


def ended(run: Run, **more: Any) -> Run:
    storage.write_json(run.path / "status.json", {"state": "finished", "updated": time.time(), "seconds": 3.0, **more})
    return run


def working(run: Run, **more: Any) -> Run:
    status = {"state": "running", "updated": time.time(), "seconds": 3.0, "done": 1, "total": 4, "eta_s": 130.0}
    storage.write_json(run.path / "status.json", {**status, **more})
    return run


def test_one_works_another_waits_and_a_third_can_be_set_up(shapes: Project, started: list[Recipe]) -> None:
    first = working(create_run(shapes, make_recipe("best")), phase="tuning", message="Learning, round 1 of at most 4")
    for epoch in (0.5, 1.0):
        row = {"t": epoch, "phase": "tuning step", "step": 1, "epoch": epoch, "train_loss": 0.4, "rate": 1e-4,
               "pictures_per_second": 17.0}  # fmt: skip
        storage.append_json_line(first.path / "metrics.jsonl", row)
    second = working(create_run(shapes, make_recipe("balanced")), phase="waiting", message="Waiting")
    with FileLock(first.path / "lock"), FileLock(second.path / "lock"):
        app = opened("train", shapes)
        told = texts(app)
        assert "Learning\\, round 1 of at most 4" in told
        assert "17 pictures a second" in told
        assert "waiting for its turn" in told
        assert "A training is running. 1 more in line." in told
        press(app, "Take out of the line")
        assert (second.path / "stop").exists()
        assert not (first.path / "stop").exists()
        train(app)
        assert len(started) == 1


def test_a_second_one_waits_only_for_one_that_works(shapes: Project) -> None:
    run = working(create_run(shapes, make_recipe()), phase="looking", message="Looking")
    with FileLock(run.path / "lock"):
        app = opened("train", shapes)
        assert labelled(app, "button", "Put in line")
        assert "begins when the others have ended" in texts(app)
        working(run, phase="paused", message="Paused")
        app.run()
        assert labelled(app, "button", "Train")
        assert "this one begins at once" in texts(app)


def test_a_stop_is_told_at_once(shapes: Project) -> None:
    run = working(create_run(shapes, make_recipe()), phase="looking", message="Looking")
    with FileLock(run.path / "lock"):
        app = press(opened("train", shapes), "Stop and keep the best so far")
        assert "Stopping: the best so far" in texts(app)
        assert "left" not in app.get("progress")[0].proto.text
        assert labelled(app, "button", "Stopping…").disabled


def test_a_budget_without_room_for_a_round_is_said_before_the_start(
    home: Path, shapes: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgtag.ui.forecast.predict", lambda *_: Estimate({"looking": 5.0, "tuning": 0.0}))
    monkeypatch.setattr("imgtag.ui.forecast._pool", AtOnce())
    app = opened("train", shapes)
    assert not app.warning
    press(app, "Choose Best")
    assert any("no room for a single round" in w.value for w in app.warning)


class AtOnce:
    """An executor without a thread."""

    def submit(self, what: Any, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(what(*args))
        return future


def test_a_paused_training_goes_on_at_a_click(shapes: Project) -> None:
    run = working(create_run(shapes, make_recipe()), phase="looking", message="Looking")
    with FileLock(run.path / "lock"):
        app = press(opened("train", shapes), "Pause")
        assert (run.path / "pause").exists()
        assert labelled(app, "button", "Pausing…").disabled
        working(run, phase="paused", message="Paused")
        app.run()
        press(app, "Go on")
        assert not (run.path / "pause").exists()


def test_the_outcome_tells_settings_finder_and_tensorboard(shapes: Project) -> None:
    run = create_run(shapes, make_recipe("custom", ["layers=all", "find_rate=yes", "epochs=2"]))
    ended(run, message="Kept round 1.", note="Fine-tuning did not help.", found_rate=1e-3, val_accuracy=0.75,
          pictures={"train": 16, "val": 4})  # fmt: skip
    for rate in (1e-6, 1e-3, 1.0):
        storage.append_json_line(run.path / "metrics.jsonl", {"t": 1, "phase": "finding", "rate": rate, "loss": 1.0})
    storage.append_json_line(run.path / "metrics.jsonl", {"t": 2, "phase": "tuning", "epoch": 1, "val_loss": 0.5})
    storage.write_json(run.path / "model" / "model.json", {})
    storage.write_json(run.path / "tb" / "events.json", {})
    app = opened("train", shapes)
    told = texts(app)
    assert "Chosen: 0.001" in told
    (success,) = app.success
    assert "Fine\\-tuning did not help" in success.value and "Own settings" in success.value
    assert "Of 4 pictures that it had not learnt from, it has 3 right" in success.value
    assert "Kept round 1" in told
    assert any(f'tensorboard.main --logdir "{shapes.runs}"' in c.value for c in app.code)
    assert "Rounds" in str(app.table[0].value)


def test_a_training_is_compared_with_the_one_before_and_each_can_be_looked_at(shapes: Project) -> None:
    for number, accuracy in enumerate((0.5, 0.75)):
        run = ended(create_run(shapes, make_recipe()), val_accuracy=accuracy, note=f"Note {number}.")
        storage.write_json(run.path / "config.json", {**run.config, "created": 100.0 + number})
        storage.write_json(run.path / "model" / "model.json", {})
    app = opened("train", shapes)
    (metric,) = [m for m in app.metric if m.label == "Right (validation)"]
    assert (metric.value, metric.delta) == ("75 %", "25.0")
    assert "Note 0" not in texts(app)
    newest = max(run.id for run in list_runs(shapes))
    app.session_state[f"runs toys {newest}"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert "Note 0" in str([s.value for s in app.success])


def test_the_outcome_is_that_of_the_run_that_ended_last(shapes: Project) -> None:
    older, younger = create_run(shapes, make_recipe()), create_run(shapes, make_recipe("balanced"))
    ended(younger, updated=time.time() - 60)
    ended(older)  # it was paused meanwhile
    found = last_ended([Run(younger.path), Run(older.path)])
    assert found and found.id == older.id
    assert last_ended([]) is None
