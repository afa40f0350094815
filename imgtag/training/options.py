"""The settings of a training in one table: name, kind, range, and what each means in plain words.

The command line (`--set name=value`), the Train page and the README all read this table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imgtag.core.errors import BadRecipe

LAYERS = ("frozen", "partly", "all")
OPTIMIZERS = ("auto", "adam", "adamw", "sgd", "adadelta")
SCHEDULES = ("one-cycle", "cosine", "step", "constant")
BALANCES = ("none", "weights", "sampling")
AUGMENTATIONS = ("flip", "flip-vertical", "crop", "rotate", "colour", "blur", "erase")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True)
class Option:
    """One setting. `kind` reads its text; `choices` or `least`..`most` say what is allowed."""

    name: str
    title: str
    help: str
    kind: Callable[[str], Any]
    choices: tuple[str, ...] = ()
    least: float = -math.inf
    most: float = math.inf

    @property
    def expected(self) -> str:
        """What may be written, in words."""
        if self.choices:
            return ("any of " if self.kind is _words else "one of ") + ", ".join(self.choices)
        kinds = {int: "a whole number", float: "a number", _yes: "yes or no", _sizes: "whole numbers such as 512,256"}
        words = kinds.get(self.kind, "a number or “auto”" if self.kind in (_number, _whole) else "a name")
        return words if self.least == -math.inf else f"{words} from {self.least:.10g} to {self.most:.10g}"

    def read(self, text: str) -> Any:
        """The value written as `text`. Raises BadRecipe."""
        try:
            return self.checked(self.kind(text.strip()))
        except ValueError as error:
            raise self._refused(text) from error

    def checked(self, value: Any) -> Any:
        """The value itself, if it is allowed. Raises BadRecipe."""
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            wrong = part not in self.choices if self.choices else not self._in_range(part)
            if wrong:
                raise self._refused(part)
        return value

    def _in_range(self, value: Any) -> bool:
        if value is None or isinstance(value, (bool, str)):
            return True
        return bool(self.least <= value <= self.most)

    def _refused(self, text: object) -> BadRecipe:
        return BadRecipe(
            f"“{text}” does not fit the setting {self.name}.",
            f"Expected: {self.expected}.",
            "Correct this setting.",
        )


def _words(text: str) -> tuple[str, ...]:
    """Words with commas between them; “none” is no word at all."""
    return tuple(w.strip() for w in text.split(",") if w.strip() and w.strip() != "none")


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in _words(text))


def _number(text: str) -> float | None:
    return None if text == "auto" else float(text)


def _whole(text: str) -> int | None:
    return None if text == "auto" else int(text)


def _yes(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("yes", "true", "1")


OPTIONS: tuple[Option, ...] = (
    Option(
        "backbone",
        "Pretrained network (backbone)",
        "The network that has already learnt to see on a million photographs. Larger ones are often better and slower. "
        "Several joined with + are asked together and their answers averaged.",
        str,
    ),
    Option(
        "layers",
        "What may change (trainable layers)",
        "frozen: only the last step is learnt, in seconds. partly: the later half of the network adapts to your "
        "pictures. all: the whole network adapts (fine-tuning); needs minutes to hours and many pictures.",
        str,
        LAYERS,
    ),
    Option(
        "mirror",
        "Look at mirrored pictures too",
        "Every picture is also learnt and asked as its mirror image. Switch it off where left and right matter, "
        "such as writing.",
        _yes,
    ),
    Option(
        "refit",
        "Learn from the validation pictures too, at the end",
        "Once they have done their work, the validation pictures are learnt from as well: more to learn from helps a "
        "little. The figures for them are from before; test pictures stay untouched.",
        _yes,
    ),
    Option(
        "hidden",
        "Extra layers (hidden layers of the head)",
        "Sizes of layers between what the network saw and the answer, such as 512 or 512,256. "
        "None is best in most cases; try one when there are many pictures.",
        _sizes,
        least=2,
        most=8192,
    ),
    Option(
        "dropout",
        "Switching off at random (dropout)",
        "Share of what the network saw that is hidden from the last step at random, against learning by heart.",
        float,
        least=0,
        most=0.9,
    ),
    Option(
        "strength",
        "Smoothness of the head (regularisation)",
        "Larger is smoother and more careful. “auto” tries values on parts of the training pictures "
        "(cross-validation).",
        _number,
        least=1e-6,
        most=100,
    ),
    Option(
        "optimizer",
        "Learning method (optimizer)",
        "auto: the best last step is computed directly (L-BFGS); with extra layers, dropout or fine-tuning, learning "
        "goes on in steps (AdamW). The others are for comparing.",
        str,
        OPTIMIZERS,
    ),
    Option(
        "learning_rate",
        "Step size (learning rate)",
        "How far each step goes. Too large forgets what the network knows, too small learns too slowly. "
        "“auto” takes a value known to work for the optimizer.",
        _number,
        least=1e-7,
        most=10,
    ),
    Option(
        "find_rate",
        "Look for the step size first (learning-rate finder)",
        "Tries growing step sizes for some steps, draws the curve, and takes the steepest place before it breaks.",
        _yes,
    ),
    Option(
        "stage_factor",
        "Gentler steps for earlier layers (discriminative learning rates)",
        "Each earlier part of the network learns with this share of the step size of the next one. 1 treats all alike.",
        float,
        least=0.05,
        most=1,
    ),
    Option(
        "schedule",
        "How the step size changes (schedule)",
        "one-cycle: grows, then falls to zero. cosine: falls smoothly. step: ten times smaller after each third. "
        "constant: stays.",
        str,
        SCHEDULES,
    ),
    Option(
        "epochs", "Rounds (epochs)", "How often every training picture is learnt, at most.", int, least=1, most=10_000
    ),
    Option(
        "patience",
        "Patience (early stopping)",
        "Stops when the validation loss has not improved for this many rounds.",
        int,
        least=1,
        most=10_000,
    ),
    Option(
        "minutes",
        "Time budget in minutes",
        "Fewer rounds are learnt where the time is short; more than above never. “auto” sets no limit.",
        _number,
        least=0.1,
        most=10_080,
    ),
    Option(
        "batch_size",
        "Pictures per step (batch size)",
        "Larger is steadier and needs more memory.",
        int,
        least=1,
        most=4096,
    ),
    Option(
        "picture_size",
        "Picture size in pixels",
        "Larger shows finer detail and takes longer. “auto” is the size the network was made for.",
        _whole,
        least=32,
        most=1024,
    ),
    Option(
        "balance",
        "Unequal classes",
        "weights: mistakes on rare classes cost more. sampling: pictures of rare classes are shown more often; "
        "where nothing is learnt in steps, that is the same.",
        str,
        BALANCES,
    ),
    Option(
        "label_smoothing",
        "Softer labels (label smoothing)",
        "Asks for a little less than full certainty, which helps when some labels are wrong.",
        float,
        least=0,
        most=0.5,
    ),
    Option(
        "mixup",
        "Mixing pictures (mixup)",
        "Blends pairs of pictures and their labels. 0 is off, 0.2 blends most pairs a little, 1 blends them evenly.",
        float,
        least=0,
        most=2,
    ),
    Option(
        "augmentation",
        "Random changes to training pictures (augmentation)",
        "Each time a picture is learnt it is changed a little, so that the network sees more variety.",
        _words,
        AUGMENTATIONS,
    ),
    Option(
        "seed",
        "Random seed",
        "Where chance begins. The same seed, pictures and computer give the same result, unless a time budget ends the "
        "rounds or a GPU computes.",
        int,
        least=0,
        most=2**32 - 1,
    ),
    Option(
        "precision",
        "Number format (precision)",
        "How exactly learning in steps computes. auto: 16-bit numbers on NVIDIA GPUs, 32-bit elsewhere (fp32). "
        "bf16 and fp16 are for GPUs.",
        str,
        PRECISIONS,
    ),
    Option(
        "devices",
        "What computes (devices)",
        "auto: all graphics cards (GPUs) of this computer, else its processor (CPU). A number such as 2: that many "
        "GPUs, or processes where there is none. cpu: no GPU.",
        str,
    ),
)  # fmt: skip

BY_NAME = {option.name: option for option in OPTIONS}
