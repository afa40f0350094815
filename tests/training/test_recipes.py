"""Recipes: presets, --set key=value, what a recipe asks for, and clear refusals."""

from __future__ import annotations

import json

import pytest

from imgtag.core.errors import BadRecipe
from imgtag.training.recipes import PRESETS, Recipe, changed, make_recipe, recipe_from


def test_quick_is_there_and_is_the_default() -> None:
    assert make_recipe() == make_recipe("quick") == PRESETS["quick"] == Recipe()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_named_like_its_key_and_passes_its_own_checks(preset: str) -> None:
    assert make_recipe(preset) == PRESETS[preset]
    assert PRESETS[preset].preset == preset


def test_presets_do_what_their_names_promise() -> None:
    quick, balanced, best, custom = (PRESETS[p] for p in ("quick", "balanced", "best", "custom"))
    assert (quick.backbones, quick.mirror, quick.tunes_network) == (("efficientnet_lite0",), False, False)
    assert (len(balanced.backbones), balanced.mirror, balanced.tunes_network) == (2, True, False)
    assert set(best.backbones) > set(balanced.backbones)
    assert best.tunes_network and best.minutes
    assert changed(custom, {"preset": "quick", "epochs": quick.epochs, "patience": quick.patience}) == quick


def test_settings_are_changed_one_by_one() -> None:
    recipe = make_recipe("quick", ["epochs=7", "strength=0.5", "seed=3", "backbone=efficientnet_lite2"])
    assert recipe == Recipe(epochs=7, strength=0.5, seed=3, backbone="efficientnet_lite2")
    assert make_recipe("quick", ["strength=0.5", "strength=auto"]).strength is None
    wide = make_recipe("custom", ["hidden=512,256", "augmentation=flip,crop", "mirror=yes"])
    assert (wide.hidden, wide.augmentation, wide.mirror) == ((512, 256), ("flip", "crop"), True)


@pytest.mark.parametrize(
    "change",
    ["epochs=0", "epochs=-3", "epochs=many", "epochs=1.5", "epochs", "strength=0", "strength=-1", "strength=x",
     "strength=nan", "strength=inf", "seed=", "seed=-1", "backbone=resnet9", "colour=red", "=3", "", "preset=best",
     "backbone=", "backbone=efficientnet_lite0+", "backbone=efficientnet_lite0+resnet9",
     "backbone=efficientnet_lite0 + efficientnet_lite0", "devices=gpu", "devices=0", "devices=-1", "devices=1.5"],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_in_words(change: str) -> None:
    with pytest.raises(BadRecipe) as refused:
        make_recipe("quick", [change])
    assert refused.value.title and refused.value.next_step


def test_values_that_do_not_come_from_text_are_checked_too() -> None:
    assert changed(Recipe(), {"dropout": 0.5}).dropout == 0.5
    with pytest.raises(BadRecipe) as refused:
        changed(Recipe(), {"dropout": 0.95})
    assert "dropout" in refused.value.title


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRecipe) as refused:
        make_recipe("fastest")
    assert all(preset in refused.value.explanation for preset in PRESETS)


# ----------------------------------------------------------------------------- what a recipe asks for


def test_backbones_are_joined_with_plus() -> None:
    assert make_recipe("quick", ["backbone=efficientnet_lite2 + resnet18"]).backbones == (
        "efficientnet_lite2",
        "resnet18",
    )


@pytest.mark.parametrize(
    ("changes", "tunes", "exactly"),
    [
        ({}, False, True),
        ({"layers": "partly"}, True, True),
        ({"layers": "all"}, True, True),
        ({"augmentation": ("flip",)}, True, True),
        ({"mixup": 0.2}, True, True),
        ({"mirror": True}, False, True),
        ({"optimizer": "adamw"}, False, False),
        ({"optimizer": "adamw", "layers": "all"}, True, True),
        ({"hidden": (64,)}, False, False),
        ({"hidden": (64,), "layers": "all"}, True, False),
    ],
)
def test_the_way_of_learning_follows_from_the_settings(changes: dict[str, object], tunes: bool, exactly: bool) -> None:
    """A network learns where it or its pictures change; a head is exact unless it is learnt step by step."""
    recipe = Recipe(**changes)  # type: ignore[arg-type]
    assert (recipe.tunes_network, recipe.fits_exactly) == (tunes, exactly)


def test_each_optimizer_has_its_usual_rate_unless_one_is_given() -> None:
    assert (Recipe().steps_with, Recipe().rate) == ("adamw", 1e-3)
    assert Recipe(optimizer="sgd").rate == 1e-2
    assert Recipe(optimizer="adadelta").rate == 1.0
    assert Recipe(optimizer="sgd", learning_rate=0.5).rate == 0.5


def test_a_hundred_rounds_are_for_heads_alone() -> None:
    assert make_recipe("quick").epochs == 100
    tuned = make_recipe("quick", ["layers=all"])
    assert (tuned.epochs, tuned.patience) == (20, 5)
    assert make_recipe("quick", ["layers=all", "epochs=60"]).epochs == 60
    assert make_recipe("best", ["mixup=0.2"]).epochs == PRESETS["best"].epochs


# ----------------------------------------------------------------------------- stored


@pytest.mark.parametrize("preset", PRESETS)
def test_a_stored_preset_comes_back(preset: str) -> None:
    assert recipe_from(json.loads(json.dumps(PRESETS[preset].as_dict()))) == PRESETS[preset]


def test_foreign_settings_are_passed_over_and_missing_ones_are_usual() -> None:
    recipe = Recipe(epochs=5, strength=0.2, seed=9, hidden=(64, 32), augmentation=("blur",))
    stored = json.loads(json.dumps(recipe.as_dict()))
    assert recipe_from({**stored, "of_tomorrow": 1}) == recipe
    assert recipe_from({}) == Recipe()
    of_version_one = {"preset": "quick", "backbone": "efficientnet_lite0", "strength": None, "epochs": 100, "seed": 0}
    assert recipe_from(of_version_one) == Recipe()
