"""Recipes: the settings of a run. A preset is a recipe with a name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from imgtag.core.errors import BadRecipe, NotYet
from imgtag.training.backbones import backbone


@dataclass(frozen=True)
class Recipe:
    """What a run does. `strength` None means: chosen by cross-validation on the training pictures."""

    preset: str = "quick"
    backbone: str = "efficientnet_lite0"
    strength: float | None = None
    epochs: int = 100
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The shape stored in config.json."""
        return asdict(self)


PRESETS: dict[str, Recipe] = {"quick": Recipe()}
_PLANNED = ("balanced", "best")


def make_recipe(preset: str = "quick", changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a preset with `key=value` changes. Raises BadRecipe or NotYet."""
    if preset in _PLANNED:
        raise NotYet(
            f"The preset “{preset}” is not in this version yet.",
            "It is planned; “quick” already trains on all your pictures.",
            "Use “quick”.",
        )
    if preset not in PRESETS:
        raise BadRecipe(f"There is no preset “{preset}”.", f"There is: {', '.join(PRESETS)}.", "Choose one of these.")
    recipe = PRESETS[preset]
    for change in changes:
        recipe = _changed(recipe, change)
    backbone(recipe.backbone)
    strength_fits = recipe.strength is None or 0 < recipe.strength < math.inf
    if recipe.epochs < 1 or not 0 <= recipe.seed < 2**32 or not strength_fits:
        raise BadRecipe(
            "A setting is out of range.",
            "epochs must be at least 1, strength a number above 0, and seed from 0 to 4294967295.",
            "Correct the value after --set.",
        )
    return recipe


def recipe_from(stored: dict[str, Any]) -> Recipe:
    """The recipe of a config.json; settings of other versions are passed over."""
    known = {f.name for f in fields(Recipe)}
    return Recipe(**{k: v for k, v in stored.items() if k in known})


def _changed(recipe: Recipe, change: str) -> Recipe:
    key, _, text = change.partition("=")
    kinds: dict[str, Any] = {"backbone": str, "strength": float, "epochs": int, "seed": int}
    if key not in kinds:
        raise BadRecipe(f"There is no setting “{key}”.", f"There is: {', '.join(kinds)}.", "Write --set key=value.")
    try:
        value: Any = None if (key, text) == ("strength", "auto") else kinds[key](text)
    except ValueError as error:
        raise BadRecipe(
            f"“{text}” does not fit the setting {key}.",
            f"A {'whole number' if kinds[key] is int else 'number'} is expected.",
            "Correct the value after --set.",
        ) from error
    return replace(recipe, **{key: value})
