"""Figures about a run, from its predictions.csv. No model is needed to look at them.

Validation and test pictures were never trained on. Validation pictures chose the round that was kept, so the
test figures are the stricter ones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import NotFound
from imgtag.review.intervals import wilson_interval
from imgtag.training.runs import Run

_ECE_BINS = 10


@dataclass(frozen=True)
class Prediction:
    """One picture of a run: its label, what the model said, and how surprised it was (loss in nats).

    raw_probability: of what it said, before the temperature; familiarity: see `training.trust`.
    """

    path: str
    sha256: str
    split: str
    label: str
    predicted: str
    probability: float
    label_probability: float
    loss: float
    top: dict[str, float]
    raw_probability: float | None = None
    familiarity: float | None = None

    @property
    def right(self) -> bool:
        """Whether the likeliest class is the label."""
        return self.label == self.predicted


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 (0 to 1) of one class, its pictures in this split and in training."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    train_count: int


@dataclass(frozen=True)
class Evaluation:
    """A run on one split. `confusion[i][j]` counts pictures of class i that were called class j."""

    split: str
    classes: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    right: int
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    log_loss: float
    ece: float
    per_class: tuple[ClassFigures, ...]
    confusion: np.ndarray

    @property
    def n(self) -> int:
        """Number of pictures."""
        return len(self.predictions)

    def in_cell(self, label: str, predicted: str) -> list[Prediction]:
        """Pictures of one cell of the confusion matrix, the surest first."""
        cell = [p for p in self.predictions if (p.label, p.predicted) == (label, predicted)]
        return sorted(cell, key=lambda p: -p.probability)

    @property
    def filled_cells(self) -> list[tuple[str, str, int]]:
        """(label, predicted, pictures) of every cell that has pictures: mistakes first, most frequent first."""
        cells = [
            (label, predicted, int(self.confusion[i, j]))
            for i, label in enumerate(self.classes)
            for j, predicted in enumerate(self.classes)
            if self.confusion[i, j]
        ]
        return sorted(cells, key=lambda cell: (cell[0] == cell[1], -cell[2]))

    def top_losses(self, most: int) -> list[Prediction]:
        """The pictures that surprised the model most, worst first."""
        return sorted(self.predictions, key=lambda p: -p.loss)[:most]

    def as_dict(self) -> dict[str, Any]:
        """The shape of `imgtag evaluate --json`."""
        per_class = [
            {
                "class": f.label,
                "precision": round(f.precision, 5),
                "recall": round(f.recall, 5),
                "f1": round(f.f1, 5),
                "support": f.support,
                "train_count": f.train_count,
            }
            for f in self.per_class
        ]
        return {
            "split": self.split,
            "n": self.n,
            "accuracy": round(self.accuracy, 5),
            "macro_f1": round(self.macro_f1, 5),
            "log_loss": round(self.log_loss, 5),
            "ece": round(self.ece, 5),
            "per_class": per_class,
            "confusion": self.confusion.tolist(),
        }


def read_predictions(run: Run) -> list[Prediction]:
    """All predictions of a run; lines that are damaged are passed over."""
    path = run.path / "predictions.csv"
    try:
        now = path.stat()
    except OSError:
        return []
    return list(_predictions_in(path, (now.st_mtime_ns, now.st_size, now.st_ino)))


@lru_cache(maxsize=8)
def _predictions_in(path: Path, _version: tuple[int, ...]) -> tuple[Prediction, ...]:
    """A page is drawn at every click, and asks for the same thousands of lines of the same runs."""
    found = []
    for row in storage.read_csv(path):
        try:
            found.append(
                Prediction(
                    row["path"],
                    row["sha256"],
                    row["split"],
                    row["label"],
                    row["predicted"],
                    float(row["probability"]),
                    float(row["label_probability"]),
                    float(row["loss"]),
                    json.loads(row["top"]),
                    _number(row.get("raw_probability")),
                    _number(row.get("familiarity")),
                )
            )
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def evaluate(run: Run, split: str) -> Evaluation:
    """Figures of a run on “val” or “test”. Raises NotFound when the run has no such pictures."""
    if run.state == "damaged":
        raise NotFound(
            "This run is damaged.",
            "Its list of classes or of pictures is missing or cannot be read.",
            "Train again; your pictures are unchanged.",
        )
    everything = read_predictions(run)
    chosen = [p for p in everything if p.split == split]
    if not chosen:
        name = {"val": "validation", "test": "test"}.get(split, split)
        raise NotFound(
            f"This run has no {name} pictures.",
            f"No picture was set aside as “{split}” when it was trained.",
            "Choose the other set, or add more pictures and train again.",
        )
    trained = Counter(p.label for p in everything if p.split == "train")
    classes = run.classes
    confusion = _confusion(chosen, classes)
    hits, of, called = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    shares = zip(*(hits / np.maximum(1, n) for n in (called, of)), 2 * hits / np.maximum(1, called + of), strict=True)
    per_class = tuple(
        ClassFigures(name, float(precision), float(recall), float(f1), int(support), trained[name])
        for name, support, (precision, recall, f1) in zip(classes, of, shares, strict=True)
    )
    present = [f.f1 for f in per_class if f.support]
    right = sum(p.right for p in chosen)
    return Evaluation(
        split=split,
        classes=tuple(classes),
        predictions=tuple(chosen),
        right=right,
        accuracy=right / len(chosen),
        interval=wilson_interval(right, len(chosen)),
        macro_f1=sum(present) / len(present),
        log_loss=sum(p.loss for p in chosen) / len(chosen),
        ece=expected_calibration_error(chosen),
        per_class=per_class,
        confusion=confusion,
    )


def _confusion(predictions: Sequence[Prediction], classes: Sequence[str]) -> np.ndarray:
    """int (K, K): how many of the pictures of each class (rows) were called each class."""
    at = {name: number for number, name in enumerate(classes)}
    cells = [(at[p.label], at[p.predicted]) for p in predictions if p.label in at and p.predicted in at]
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, tuple(np.array(cells, int).reshape(-1, 2).T), 1)
    return counts


def expected_calibration_error(predictions: Sequence[Prediction]) -> float:
    """Mean gap between how sure the model was and how often it was right, 0 is best (Guo 2017, 10 bins)."""
    return calibration_gap([(p.probability, p.right) for p in predictions])


@dataclass(frozen=True)
class Bin:
    """Answers that were about equally sure: how sure on average, how many were right, of how many."""

    sure: float
    right: int
    n: int


def reliability(answers: Sequence[tuple[float, bool]]) -> list[Bin]:
    """Answers, each with its probability and whether it is right, in ten bins of equal width; empty ones left out."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for answer in answers:
        bins.setdefault(min(int(answer[0] * _ECE_BINS), _ECE_BINS - 1), []).append(answer)
    return [
        Bin(sum(sure for sure, _ in b) / len(b), sum(right for _, right in b), len(b)) for _, b in sorted(bins.items())
    ]


def calibration_gap(answers: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error of answers, each with its probability and whether it is right."""
    return sum(abs(b.sure * b.n - b.right) for b in reliability(answers)) / len(answers)
