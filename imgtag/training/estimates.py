"""How long a training will take, from short measurements on this machine and a few of its pictures.

No torch here: pages ask. What can only be measured with torch (the speed of a network) is measured once by a process
of its own (`measure`) and kept in IMGTAG_HOME/.cache.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import BadPicture
from imgtag.core.settings import home
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.data.splits import SHARES
from imgtag.training.backbones import Backbone, at_size, backbone
from imgtag.training.extractor import known_speed, made_for
from imgtag.training.features import VIEWS, cached_ids, network_input
from imgtag.training.logistic import CHOICE_FITS, CHOICE_PASSES, CHOICE_ROWS, USUAL_PASSES
from imgtag.training.recipes import Recipe

_SAMPLED = 5
_START_S = 1.2  # the process and its imports; measured: 0.9 to 1.5 on the machines seen
_TORCH_START_S = 8.0  # with torch and Lightning
_CONVERSION_S = 6.0  # of a fine-tuned network, for the engine that looks at pictures
MEASURED_STEPS = 3
FINDER_STEPS = 40
_OBJECTIVE_OVERHEAD = 2.0  # softmax and bookkeeping beside the two products


@dataclass(frozen=True)
class Estimate:
    """Predicted seconds of a training, by phase. `unknown` names networks whose speed was never measured here."""

    phases: dict[str, float]
    unknown: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """The whole, or None while something is not measured yet."""
        return None if self.unknown else sum(self.phases.values()) + _START_S

    @property
    def too_short(self) -> bool:
        """Whether the time budget allows not a single round of fine-tuning."""
        return not self.unknown and self.phases.get("tuning") == 0


def predict(project: Project, dataset: Dataset, recipe: Recipe) -> Estimate:
    """How long training the project's pictures as they are now would take."""
    pictures = [(p.id, "") for p in dataset.for_training]
    classes = len({p.label for p in dataset.for_training})
    found = phases(project, pictures, classes, recipe, some([p.path for p in dataset.for_training]))
    rows = [backbone(name) for name in recipe.backbones]
    unknown = [row.title for row in rows if known_speed(_sized(row, recipe)) is None]
    if recipe.tunes_network and seconds_per_step(recipe) is None and not unknown:
        unknown.append(f"{rows[0].title} in fine-tuning")
    return Estimate(found, tuple(unknown))


def phases(
    project: Project, pictures: Sequence[tuple[str, str]], classes: int, recipe: Recipe, samples: Sequence[Path]
) -> dict[str, float]:
    """Seconds by phase for (sha256, split) pairs; "" as split counts by the usual shares.

    samples: files of some of the pictures, to measure how long decoding takes.
    """
    count = len(pictures)
    if not count or classes < 2:
        return {}
    train = sum(split == "train" for _, split in pictures) or round(SHARES["train"] * count)
    cores = os.cpu_count() or 1
    views = 2 if recipe.mirror else 1
    speed = _products_per_second()
    looking: dict[str, float] = {}
    learning: dict[str, float] = {}
    ids = {sha for sha, _ in pictures}
    for number, name in enumerate(recipe.backbones):
        row = _sized(backbone(name), recipe)
        tail = f" {number}" if number else ""
        missing = [len(ids - cached_ids(project.cache, row, view)) for view in VIEWS[:views]]
        forward = sum(missing) / (known_speed(row) or _guess(row))
        looking[f"looking{tail}"] = max(missing) * decode_seconds(row, samples) / cores + forward
        width = row.dimensions or 1024
        if recipe.fits_exactly:
            learning.update(_head_seconds(train, views, width, classes, recipe, speed, tail))
        else:
            steps = min(recipe.epochs, 30) * max(1, train * views // recipe.batch_size)
            learning[f"learning{tail}"] = _TORCH_START_S + 0.003 * steps
    checking = 0.3
    tuning: dict[str, float] = {}
    if recipe.tunes_network:
        tuned = _sized(backbone(recipe.backbones[0]), recipe)
        checking += _CONVERSION_S + count * decode_seconds(tuned, samples) / cores
        checking += count * views / (known_speed(tuned) or _guess(tuned))
        before = sum(looking.values()) + sum(learning.values()) + checking
        tuning = _tuning_seconds(count, train, recipe, before)
    return {**looking, **learning, **tuning, "checking": checking}


def some(paths: Sequence[Path]) -> list[Path]:
    """A few of many files, spread evenly."""
    return list(paths[:: max(1, len(paths) // _SAMPLED)][:_SAMPLED])


def decode_seconds(row: Backbone, samples: Sequence[Path]) -> float:
    """Seconds to read and scale one picture on one core, measured on a few of them."""
    times = []
    for sample in samples:
        began = time.perf_counter()
        try:
            network_input(sample, row.preprocessing)
        except BadPicture:
            continue
        times.append(time.perf_counter() - began)
    return float(np.mean(times)) if times else 0.003


def seconds_per_step(recipe: Recipe) -> float | None:
    """Seconds of one fine-tuning step, if it was measured on this machine."""
    found = storage.read_json(speeds_file(), {})
    value = found.get(step_key(recipe)) if found.get("made_for") == made_for() else None
    return float(value) if isinstance(value, (int, float)) else None


def remember_step(recipe: Recipe, seconds: float) -> None:
    """Keep a measured step for later predictions."""
    found = storage.read_json(speeds_file(), {})
    if found.get("made_for") != made_for():
        found = {"made_for": made_for()}
    storage.write_json(speeds_file(), {**found, step_key(recipe): round(seconds, 4)})


def step_key(recipe: Recipe) -> str:
    """What the time of a step depends on."""
    size = recipe.picture_size or backbone(recipe.backbones[0]).preprocessing.size
    return f"{recipe.backbones[0]} {size} {recipe.layers} {recipe.batch_size} {recipe.precision} {recipe.devices}"


def speeds_file() -> Path:
    """Where measured speeds are kept."""
    return home() / ".cache" / "speeds.json"


def _sized(row: Backbone, recipe: Recipe) -> Backbone:
    return at_size(row, recipe.picture_size) if recipe.picture_size else row


def _guess(row: Backbone) -> float:
    """Pictures a second of a network that was never measured, by its work; only to have an order of magnitude."""
    return 60.0 / max(row.gflops or 4.0, 0.1)


def _head_seconds(
    train: int, views: int, width: int, classes: int, recipe: Recipe, speed: float, tail: str
) -> dict[str, float]:
    def fits(rows: int, passes: float) -> float:
        span = min(rows, width)
        rotation = rows * span * width / speed * 2 if rows < width else 0.0  # in double precision
        return rotation + passes * 2 * rows * span * classes / speed * _OBJECTIVE_OVERHEAD

    rows = train * views
    fold = min(train, CHOICE_ROWS) * 2 // 3
    watching = USUAL_PASSES * (rows * 1.3) * min(rows, width) * classes / speed  # the curve's figures after each round
    choice = 0.0 if recipe.strength else 0.2 + CHOICE_FITS * fits(fold, CHOICE_PASSES)
    plan = {f"choosing{tail}": choice, f"fitting{tail}": fits(rows, USUAL_PASSES) + watching}
    if recipe.refit:
        plan[f"refitting{tail}"] = fits(round(rows * (1 + SHARES["val"] / SHARES["train"])), USUAL_PASSES)
    return plan


def _tuning_seconds(count: int, train: int, recipe: Recipe, before: float) -> dict[str, float]:
    step = seconds_per_step(recipe)
    if step is None:
        row = backbone(recipe.backbones[0])
        step = 3.5 * recipe.batch_size / _guess(row)
    val = max(0, round(SHARES["val"] * count))
    per_epoch = step * (train / recipe.batch_size + 0.35 * val / recipe.batch_size)
    plan: dict[str, float] = {"measuring": _TORCH_START_S + MEASURED_STEPS * step}
    if recipe.find_rate:
        plan["finding"] = FINDER_STEPS * step
    epochs: float = recipe.epochs
    if recipe.minutes:
        left = 60 * recipe.minutes - before - sum(plan.values())
        epochs = max(0, min(epochs, left // (1.1 * per_epoch)))
    return {**plan, "tuning": epochs * per_epoch}


def _products_per_second() -> float:
    """Multiply-adds a second of numpy here, on a product like those of the head."""
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((512, 1024), (1024, 64)))
    a @ b
    began = time.perf_counter()
    for _ in range(4):
        a @ b
    return 4 * 512 * 1024 * 64 / max(time.perf_counter() - began, 1e-6)
