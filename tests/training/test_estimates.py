"""How long it will take: from speeds that were measured on this machine, written here by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imgtag.core import storage
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.training import estimates
from imgtag.training.backbones import Backbone, at_size
from imgtag.training.estimates import Estimate, predict, remember_step, seconds_per_step
from imgtag.training.extractor import made_for
from imgtag.training.recipes import PRESETS, Recipe
from tests.drawing import picture, write_tree
from tests.prepared import LARGER, ROW

TUNE = Recipe(layers="all", epochs=10)


def measured(home: Path, row: Backbone, speed: float) -> None:
    """As if the network had been measured here: so many pictures a second."""
    found = {"made_for": made_for(), "engine": "openvino", "precision": "f32", "pictures_per_second": {"f32": speed}}
    storage.write_json(home / ".cache" / "backbones" / row.cache_key / "engine.json", found)


def guess(project: Project, recipe: Recipe) -> Estimate:
    return predict(project, look(project), recipe)


def test_the_whole_is_the_sum_of_the_phases_and_the_start() -> None:
    assert Estimate({"looking": 2.0, "fitting": 1.5}).seconds == pytest.approx(3.5 + estimates._START_S)
    assert Estimate({"looking": 2.0}, ("EfficientNet-Lite0",)).seconds is None


def test_a_network_that_was_never_measured_is_named_and_no_time_is_promised(home: Path, shapes: Project) -> None:
    measured(home, ROW, 10)
    found = guess(shapes, PRESETS["balanced"])
    assert (found.unknown, found.seconds) == ((LARGER.title,), None)
    measured(home, LARGER, 5)
    assert guess(shapes, PRESETS["balanced"]).seconds is not None
    assert guess(shapes, Recipe(picture_size=160)).unknown == (ROW.title,), "another size has another speed"
    measured(home, at_size(ROW, 160), 20)
    assert guess(shapes, Recipe(picture_size=160)).seconds is not None


def test_looking_takes_as_long_as_the_measured_speed_says(home: Path, shapes: Project) -> None:
    """24 pictures at 2 a second, and at 1 a second in the larger network, both ways round where asked."""
    measured(home, ROW, 2)
    measured(home, LARGER, 1)
    quick, balanced = guess(shapes, PRESETS["quick"]).phases, guess(shapes, PRESETS["balanced"]).phases
    assert quick["looking"] == pytest.approx(12, abs=1)
    assert balanced["looking"] == pytest.approx(24, abs=1)
    assert balanced["looking 1"] == pytest.approx(48, abs=1)
    assert list(quick) == ["looking", "choosing", "fitting", "checking"]
    assert list(balanced) == ["looking", "looking 1", "choosing", "fitting", "choosing 1", "fitting 1", "checking"]


def test_more_pictures_take_longer(home: Path, shapes: Project) -> None:
    measured(home, ROW, 10)
    before = guess(shapes, Recipe()).seconds
    write_tree(shapes.images / "circle", {f"more-{n}.png": picture("red", 200 + n) for n in range(24)})
    after = guess(shapes, Recipe()).seconds
    assert before is not None and after is not None
    assert after > before + 2


def test_what_was_looked_at_is_not_counted_again(numbers: Project) -> None:
    """Plain features of all 36 pictures are there, mirrored ones and those of the other network are not."""
    assert guess(numbers, Recipe()).phases["looking"] == 0
    assert guess(numbers, Recipe(mirror=True)).phases["looking"] > 0
    assert guess(numbers, Recipe(backbone=LARGER.name)).phases["looking"] > 0
    write_tree(numbers.images / "2", {"new.png": picture("red", 301)})
    assert 0 < guess(numbers, Recipe()).phases["looking"] < guess(numbers, Recipe(mirror=True)).phases["looking"]


def test_nothing_to_train_takes_no_time_and_is_no_error(home: Path, project: Project) -> None:
    assert guess(project, Recipe()).phases == {}
    assert estimates.decode_seconds(ROW, [Path("/nowhere/at/all.png")]) > 0


# ----------------------------------------------------------------------------- fine-tuning


def test_fine_tuning_is_known_once_a_step_was_measured(home: Path, shapes: Project) -> None:
    """24 pictures, 17 to learn from: at 32 a step and 2 s a step, ten rounds take 10 s or more."""
    measured(home, ROW, 10)
    assert guess(shapes, TUNE).unknown == (f"{ROW.title} in fine-tuning",)
    remember_step(TUNE, 2.0)
    found = guess(shapes, TUNE)
    assert found.unknown == ()
    assert 10 < found.phases["tuning"] < 20
    assert list(found.phases)[-3:] == ["measuring", "tuning", "checking"]
    remember_step(TUNE, 4.0)
    assert guess(shapes, TUNE).phases["tuning"] > found.phases["tuning"] + 5


def test_a_time_budget_is_not_exceeded(home: Path, shapes: Project) -> None:
    measured(home, ROW, 10)
    budget = Recipe(layers="all", epochs=1000, minutes=1)
    remember_step(budget, 2.0)
    found = guess(shapes, budget)
    assert found.phases["tuning"] > 20
    assert sum(found.phases.values()) <= 60 and not found.too_short


def test_a_time_budget_without_room_for_a_round_is_told(home: Path, shapes: Project) -> None:
    measured(home, ROW, 10)
    recipe = Recipe(layers="all", epochs=10, minutes=1)
    assert not guess(shapes, recipe).too_short, "not known yet"
    remember_step(recipe, 60.0)
    found = guess(shapes, recipe)
    assert found.too_short and found.phases["tuning"] == 0
    assert not guess(shapes, Recipe()).too_short


def test_the_finder_takes_time_too(home: Path, shapes: Project) -> None:
    measured(home, ROW, 10)
    remember_step(TUNE, 2.0)
    assert guess(shapes, replace(TUNE, find_rate=True)).phases["finding"] == 2.0 * estimates.FINDER_STEPS


def test_steps_are_remembered_for_what_they_depend_on(home: Path) -> None:
    remember_step(TUNE, 1.5)
    remember_step(Recipe(layers="partly"), 0.5)
    assert seconds_per_step(TUNE) == seconds_per_step(Recipe(layers="all", seed=7)) == 1.5
    assert seconds_per_step(Recipe(layers="partly")) == 0.5
    assert seconds_per_step(Recipe(layers="all", picture_size=ROW.preprocessing.size)) == 1.5
    for other in (Recipe(layers="all", batch_size=8), Recipe(layers="all", picture_size=128)):
        assert seconds_per_step(other) is None
    kept = json.loads(estimates.speeds_file().read_text())
    storage.write_json(estimates.speeds_file(), {**kept, "made_for": "another machine"})
    assert seconds_per_step(TUNE) is None
    remember_step(Recipe(layers="partly"), 0.25)
    assert (seconds_per_step(TUNE), seconds_per_step(Recipe(layers="partly"))) == (None, 0.25)
