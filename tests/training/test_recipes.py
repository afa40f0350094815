"""Recipes: presets, --set key=value, and clear refusals."""

from __future__ import annotations

import pytest

from imgtag.core.errors import BadRecipe, NotYet
from imgtag.training.recipes import PRESETS, Recipe, make_recipe, recipe_from


def test_quick_is_there_and_is_the_default() -> None:
    assert make_recipe() == make_recipe("quick") == PRESETS["quick"]


def test_settings_are_changed_one_by_one() -> None:
    recipe = make_recipe("quick", ["epochs=7", "strength=0.5", "seed=3", "backbone=efficientnet_lite0"])
    assert (recipe.epochs, recipe.strength, recipe.seed) == (7, 0.5, 3)
    assert make_recipe("quick", ["strength=0.5", "strength=auto"]).strength is None


@pytest.mark.parametrize("preset", ["balanced", "best"])
def test_planned_presets_say_so(preset: str) -> None:
    if preset in PRESETS:
        pytest.skip(f"the preset {preset} is there by now")
    with pytest.raises(NotYet) as refused:
        make_recipe(preset)
    assert preset in refused.value.title


@pytest.mark.parametrize(
    "change",
    ["epochs=0", "epochs=-3", "epochs=many", "epochs=1.5", "epochs", "strength=0", "strength=-1", "strength=x",
     "strength=nan", "strength=inf", "seed=", "seed=-1", "backbone=resnet9", "colour=red", "=3", ""],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_in_words(change: str) -> None:
    with pytest.raises(BadRecipe) as refused:
        make_recipe("quick", [change])
    assert refused.value.title and refused.value.next_step


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRecipe) as refused:
        make_recipe("fastest")
    assert "quick" in refused.value.explanation


def test_a_stored_recipe_comes_back_and_foreign_settings_are_passed_over() -> None:
    recipe = Recipe(epochs=5, strength=0.2, seed=9)
    assert recipe_from(recipe.as_dict()) == recipe
    assert recipe_from({**recipe.as_dict(), "of_tomorrow": 1}) == recipe
    assert recipe_from({}) == Recipe()
