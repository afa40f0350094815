"""Every setting: what may be written for it, what it becomes, and how the rest is refused."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from imgtag.core.errors import BadRecipe
from imgtag.training.options import BY_NAME, OPTIONS
from imgtag.training.recipes import PRESETS, Recipe

TAKEN: dict[str, dict[str, Any]] = {
    "backbone": {"resnet18": "resnet18", " resnet18+resnet50 ": "resnet18+resnet50"},
    "layers": {"frozen": "frozen", "partly": "partly", "all": "all"},
    "mirror": {"yes": True, "No": False, "true": True, "FALSE": False, "1": True, "0": False},
    "refit": {"yes": True, "no": False},
    "hidden": {"512": (512,), "512, 256": (512, 256), "none": (), "": ()},
    "dropout": {"0": 0.0, "0.9": 0.9},
    "strength": {"auto": None, "0.03": 0.03, "1e-3": 0.001},
    "optimizer": {"auto": "auto", "adam": "adam", "adamw": "adamw", "sgd": "sgd", "adadelta": "adadelta"},
    "learning_rate": {"auto": None, "1e-4": 0.0001},
    "find_rate": {"yes": True, "no": False},
    "stage_factor": {"1": 1.0, "0.5": 0.5},
    "schedule": {"one-cycle": "one-cycle", "cosine": "cosine", "step": "step", "constant": "constant"},
    "epochs": {"7": 7, " 7 ": 7},
    "patience": {"3": 3},
    "minutes": {"auto": None, "0.5": 0.5, "15": 15.0},
    "batch_size": {"1": 1, "64": 64},
    "picture_size": {"auto": None, "160": 160},
    "balance": {"none": "none", "weights": "weights", "sampling": "sampling"},
    "label_smoothing": {"0.1": 0.1},
    "mixup": {"0": 0.0, "0.2": 0.2},
    "augmentation": {"flip": ("flip",), "crop, flip": ("crop", "flip"), "none": (), "": ()},
    "seed": {"0": 0, "4294967295": 4294967295},
    "precision": {"auto": "auto", "fp32": "fp32", "bf16": "bf16", "fp16": "fp16"},
    "devices": {"auto": "auto", "2": "2", "cpu": "cpu"},
}  # fmt: skip

REFUSED: dict[str, list[str]] = {
    "layers": ["", "none", "ALL", "frozen,all"],
    "mirror": ["", "maybe", "2"],
    "refit": ["", "maybe"],
    "hidden": ["512;256", "1.5", "auto", "512,1", "-3"],
    "dropout": ["", "half", "nan", "auto"],
    "strength": ["", "x", "nan", "inf", "-inf", "0"],
    "optimizer": ["", "none", "lbfgs"],
    "learning_rate": ["", "0", "fast", "nan"],
    "find_rate": ["auto"],
    "stage_factor": ["0", "auto"],
    "schedule": ["", "triangle"],
    "epochs": ["", "many", "1.5", "auto"],
    "patience": ["", "0", "1.5"],
    "minutes": ["0", "soon", "inf"],
    "batch_size": ["0", "-8", "8.0"],
    "picture_size": ["big", "224.5", "224x224"],
    "balance": ["", "yes"],
    "label_smoothing": ["1", "nan"],
    "mixup": ["-0.1", "nan"],
    "augmentation": ["spin", "flip,spin", "flip crop"],
    "seed": ["", "-1", "1.5"],
    "precision": ["", "fp8"],
}


def test_the_tables_of_this_test_have_every_setting() -> None:
    assert list(TAKEN) == list(BY_NAME) == [option.name for option in OPTIONS]
    assert set(BY_NAME) - set(REFUSED) == {"backbone", "devices"}, "names, which the recipe looks up"


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_written_becomes_a_value(name: str) -> None:
    for text, value in TAKEN[name].items():
        found = BY_NAME[name].read(text)
        assert (found, type(found)) == (value, type(value)), text


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_what_makes_no_sense_is_refused_with_the_name_of_the_setting(name: str, text: str) -> None:
    with pytest.raises(BadRecipe) as refused:
        BY_NAME[name].read(text)
    assert name in refused.value.title
    assert refused.value.explanation.startswith("Expected: ")
    assert refused.value.next_step


@pytest.mark.parametrize("name", [option.name for option in OPTIONS if option.least > -math.inf])
def test_both_ends_of_a_range_belong_to_it_and_nothing_beyond(name: str) -> None:
    option = BY_NAME[name]
    as_value = (lambda x: (x,)) if isinstance(getattr(Recipe(), name), tuple) else (lambda x: x)
    for end in (option.least, option.most):
        assert option.checked(as_value(end)) == as_value(end)
    for beyond in (option.least * 0.9 - 1e-9, option.most * 1.01, math.nan, math.inf):
        with pytest.raises(BadRecipe) as refused:
            option.checked(as_value(beyond))
        assert name in refused.value.title
        assert f"{option.most:.10g}" in refused.value.explanation


def test_the_expected_is_said_in_words() -> None:
    said = {
        name: BY_NAME[name].expected for name in ("layers", "augmentation", "epochs", "minutes", "hidden", "mirror")
    }
    assert said == {
        "layers": "one of frozen, partly, all",
        "augmentation": "any of flip, flip-vertical, crop, rotate, colour, blur, erase",
        "epochs": "a whole number from 1 to 10000",
        "minutes": "a number or “auto” from 0.1 to 10080",
        "hidden": "whole numbers such as 512,256 from 2 to 8192",
        "mirror": "yes or no",
    }
    assert BY_NAME["seed"].expected.endswith("to 4294967295"), "not 4.3e+09"


def test_every_setting_of_a_recipe_has_an_option_and_words() -> None:
    assert {f.name for f in fields(Recipe)} - {"preset"} == set(BY_NAME)
    for option in OPTIONS:
        assert option.title[0].isupper() and option.help.endswith("."), option.name
        for recipe in PRESETS.values():
            option.checked(getattr(recipe, option.name))
