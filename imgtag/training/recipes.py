"""Recipes: the settings of a run. A preset is a recipe with a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from imgtag.core.errors import BadRecipe
from imgtag.training.backbones import at_size, backbone
from imgtag.training.options import BY_NAME

DEFAULT_RATES = {"adam": 1e-3, "adamw": 1e-3, "sgd": 1e-2, "adadelta": 1.0}
# A network that goes on from a fitted head is easily undone by large steps (measured on boats).
_TUNING_RATES = {"adam": 1.5e-4, "adamw": 1.5e-4, "sgd": 2e-3, "adadelta": 0.1}


@dataclass(frozen=True)
class Recipe:
    """What a run does; each setting is explained in `options.OPTIONS`. None means: chosen by the trainer."""

    preset: str = "quick"
    backbone: str = "efficientnet_lite0"
    layers: str = "frozen"
    mirror: bool = False
    refit: bool = False
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    strength: float | None = None
    optimizer: str = "auto"
    learning_rate: float | None = None
    find_rate: bool = False
    stage_factor: float = 0.7
    schedule: str = "one-cycle"
    epochs: int = 100
    patience: int = 20
    minutes: float | None = None
    batch_size: int = 32
    picture_size: int | None = None
    balance: str = "none"
    label_smoothing: float = 0.0
    mixup: float = 0.0
    augmentation: tuple[str, ...] = ()
    seed: int = 0
    precision: str = "auto"
    devices: str = "auto"

    @property
    def backbones(self) -> tuple[str, ...]:
        """The networks whose answers are averaged; where one is fine-tuned, it is the first."""
        return tuple(name.strip() for name in self.backbone.split("+"))

    @property
    def tunes_network(self) -> bool:
        """Whether pictures pass through the network while it learns: layers change, or pictures do."""
        return self.layers != "frozen" or bool(self.augmentation) or self.mixup > 0

    @property
    def fits_exactly(self) -> bool:
        """Whether the head is the one of lowest loss (logistic regression by L-BFGS), or learnt step by step."""
        return not self.hidden and (self.tunes_network or (self.optimizer == "auto" and not self.dropout))

    @property
    def head_rounds(self) -> tuple[int, int]:
        """Rounds of the exact head, and how many without gain end it.

        Where the network learns as well, `epochs` and `patience` are of its rounds, which take a thousand times longer.
        """
        usual = Recipe.epochs, Recipe.patience
        return usual if self.tunes_network else (self.epochs, self.patience)

    @property
    def rate(self) -> float:
        """The largest learning rate, unless the finder is asked for one."""
        usual = _TUNING_RATES if self.tunes_network else DEFAULT_RATES
        return self.learning_rate or usual[self.steps_with]

    @property
    def steps_with(self) -> str:
        """The optimizer of step-by-step learning."""
        return "adamw" if self.optimizer == "auto" else self.optimizer

    def as_dict(self) -> dict[str, Any]:
        """The shape stored in config.json."""
        return asdict(self)


PRESETS: dict[str, Recipe] = {
    "quick": Recipe(),
    "balanced": Recipe("balanced", "efficientnet_lite0+efficientnet_lite2", mirror=True),
    "best": Recipe(
        "best",
        "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2",
        mirror=True,
        refit=True,
        layers="partly",  # half the time of all layers, and small sets are not forgotten for their noise
        epochs=5,
        patience=5,  # to the end: the last, smallest steps of one-cycle are worth most, and the end can be told before
        minutes=15,
        augmentation=("flip", "crop"),
    ),
    "custom": Recipe("custom", epochs=20, patience=5),
}


def make_recipe(preset: str = "quick", changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a preset with `key=value` changes. Raises BadRecipe."""
    if preset not in PRESETS:
        raise BadRecipe(f"There is no preset “{preset}”.", f"There is: {', '.join(PRESETS)}.", "Choose one of these.")
    values: dict[str, Any] = {}
    for change in changes:
        key, _, text = change.partition("=")
        if key not in BY_NAME:
            raise BadRecipe(
                f"There is no setting “{key}”.", f"There is: {', '.join(BY_NAME)}.", "Write --set key=value."
            )
        values[key] = BY_NAME[key].read(text)
    return changed(PRESETS[preset], values)


def changed(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe with other values, checked: each alone and all together. Raises BadRecipe."""
    result = replace(recipe, **values)
    for name, option in BY_NAME.items():
        option.checked(getattr(result, name))
    for name in result.backbones:
        row = backbone(name)
        if result.picture_size and row.library != "timm":  # only timm knows what its networks take
            at_size(row, result.picture_size)
    if result.devices not in ("auto", "cpu") and not (result.devices.isdecimal() and int(result.devices)):
        raise BadRecipe("The devices are not clear.", "Expected: auto, cpu, or a number.", "Correct this setting.")
    if len(set(result.backbones)) < len(result.backbones):
        raise BadRecipe("The same backbone is named twice.", "", "Name each once.")
    if result.tunes_network and not recipe.tunes_network and not {"epochs", "patience"} & set(values):
        result = replace(result, epochs=20, patience=5)  # a hundred rounds are for heads, which take milliseconds
    return result


def recipe_from(stored: dict[str, Any]) -> Recipe:
    """The recipe of a config.json; settings of other versions are passed over."""
    known = {f.name for f in fields(Recipe)}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k in known}
    return Recipe(**values)
