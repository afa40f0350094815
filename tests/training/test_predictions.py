"""predictions.csv: every picture with its class, its chances and its loss, to be read by people and spreadsheets."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from imgtag.review.metrics import read_predictions
from imgtag.training.predictions import PREDICTION_COLUMNS, Predicted, save_predictions
from imgtag.training.runs import ManifestRow, Run


def table(run: Run) -> list[dict[str, str]]:
    with open(run.path / "predictions.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_says_what_the_numbers_say(trained: Run) -> None:
    """Classes in the order 1, 2, 10; the picture is a 2 and was taken for a 10."""
    row = ManifestRow("images/2/a, b.png", "f" * 64, "2", "val")
    save_predictions(
        trained,
        {
            "val": Predicted([row], np.array([[0.1, 0.25, 0.65]], np.float32), np.array([0.7]), np.array([0.25])),
            "test": Predicted([], np.zeros((0, 3))),
        },
    )
    (line,) = table(trained)
    assert tuple(line) == PREDICTION_COLUMNS
    assert (line["path"], line["sha256"], line["split"]) == ("images/2/a, b.png", "f" * 64, "val")
    assert (line["label"], line["predicted"]) == ("2", "10")
    assert float(line["probability"]) == pytest.approx(0.65)
    assert float(line["label_probability"]) == pytest.approx(0.25)
    assert float(line["loss"]) == pytest.approx(np.log(4), abs=1e-4)
    assert list(json.loads(line["top"]).items()) == [("10", 0.65), ("2", 0.25), ("1", 0.1)]
    (read,) = read_predictions(trained)
    assert (read.raw_probability, read.familiarity) == (0.7, 0.25)
    assert (read.predicted, read.top) == ("10", {"10": 0.65, "2": 0.25, "1": 0.1})


def test_a_chance_of_nought_has_a_large_but_finite_loss(trained: Run) -> None:
    row = ManifestRow("a.png", "0" * 64, "1", "train")
    save_predictions(trained, {"train": Predicted([row], np.array([[0.0, 1.0, 0.0]], np.float32))})
    assert 20 < float(table(trained)[0]["loss"]) < 30


def test_pictures_and_answers_must_be_as_many(trained: Run) -> None:
    row = ManifestRow("a.png", "0" * 64, "1", "train")
    before = table(trained)
    with pytest.raises(ValueError, match="shorter"):
        save_predictions(trained, {"train": Predicted([row, row], np.array([[0.0, 1.0, 0.0]], np.float32))})
    assert table(trained) == before
