"""The figures: equal to scikit-learn's, to numbers worked out by hand, and to published formulas."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from imgtag.core import storage
from imgtag.core.errors import NotFound
from imgtag.data.projects import Project
from imgtag.review.metrics import (
    Prediction,
    evaluate,
    expected_calibration_error,
    read_predictions,
)
from imgtag.training.predictions import PREDICTION_COLUMNS, Predicted, save_predictions
from imgtag.training.recipes import Recipe
from imgtag.training.runs import ManifestRow, Run, create_run
from tests.drawing import picture, write_tree


def run_with_classes(project: Project, classes: Sequence[str]) -> Run:
    for number, name in enumerate(classes):
        write_tree(project.images / name, {f"{n}.png": picture("red", 10 * number + n) for n in range(3)})
    return create_run(project, Recipe())


def written(run: Run, split: str, table: Sequence[tuple[str, Sequence[float]]]) -> Run:
    """A run whose predictions.csv holds (label, probabilities in class order) for a split."""
    rows = [ManifestRow(f"images/{label}/{n}.png", f"{n:064x}", label, split) for n, (label, _) in enumerate(table)]
    save_predictions(run, {split: Predicted(rows, np.array([chances for _, chances in table], dtype=np.float32))})
    return Run(run.path)


@pytest.fixture
def by_hand(project: Project) -> Run:
    """Five pictures of three classes: 3 of 5 right."""
    run = run_with_classes(project, ["a", "b", "c"])
    table = [
        ("a", (0.8, 0.1, 0.1)),  # right
        ("a", (0.2, 0.7, 0.1)),  # called b
        ("b", (0.1, 0.9, 0.0)),  # right
        ("b", (0.6, 0.3, 0.1)),  # called a
        ("c", (0.1, 0.1, 0.8)),  # right
    ]
    return written(run, "val", table)


def test_the_figures_of_five_pictures_by_hand(by_hand: Run) -> None:
    found = evaluate(by_hand, "val")
    assert (found.n, found.right, found.accuracy) == (5, 3, 0.6)
    assert found.confusion.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    a, b, c = found.per_class
    assert (a.label, a.precision, a.recall, a.f1, a.support) == ("a", 0.5, 0.5, 0.5, 2)
    assert (b.precision, b.recall, b.f1, b.support) == (0.5, 0.5, 0.5, 2)
    assert (c.precision, c.recall, c.f1, c.support) == (1.0, 1.0, 1.0, 1)
    assert found.macro_f1 == pytest.approx(2 / 3)
    assert found.log_loss == pytest.approx(-np.log([0.8, 0.2, 0.9, 0.3, 0.8]).mean(), abs=1e-4)


def test_cells_hold_their_pictures_the_surest_first(by_hand: Run) -> None:
    found = evaluate(by_hand, "val")
    (wrong,) = found.in_cell("a", "b")
    assert wrong.path == "images/a/1.png"
    assert not wrong.right
    assert wrong.top == pytest.approx({"b": 0.7, "a": 0.2, "c": 0.1})
    assert found.in_cell("a", "c") == []
    sizes = [[len(found.in_cell(i, j)) for j in found.classes] for i in found.classes]
    assert sizes == found.confusion.tolist()


def test_the_most_surprising_come_first(by_hand: Run) -> None:
    worst = evaluate(by_hand, "val").top_losses(2)
    assert [p.path for p in worst] == ["images/a/1.png", "images/b/3.png"]


def test_a_random_run_agrees_with_scikit_learn(project: Project) -> None:
    classes = ["a", "b", "c", "d"]
    random = np.random.default_rng(0)
    chances = random.dirichlet([0.5] * 4, 300)
    labels = [classes[i] for i in random.integers(0, 3, 300)]  # d never occurs as a label
    run = written(run_with_classes(project, classes), "test", list(zip(labels, chances, strict=True)))
    found = evaluate(run, "test")
    said = [classes[i] for i in chances.argmax(axis=1)]
    assert found.accuracy == pytest.approx(accuracy_score(labels, said))
    assert found.confusion.tolist() == confusion_matrix(labels, said, labels=classes).tolist()
    table = precision_recall_fscore_support(labels, said, labels=classes, zero_division=0.0)
    ours = [(f.precision, f.recall, f.f1, f.support) for f in found.per_class]
    assert np.array(ours) == pytest.approx(np.array(table).T)
    assert found.macro_f1 == pytest.approx(f1_score(labels, said, labels=classes[:3], average="macro"))
    clipped = np.clip(chances, 1e-12, 1)
    assert found.log_loss == pytest.approx(log_loss(labels, clipped, labels=classes), rel=1e-3)


@pytest.mark.parametrize("names", [["accuracy", "macro avg"], ["weighted avg", "micro avg"], ["1", "2"], ["a b", "é"]])
def test_a_class_may_have_any_name(project: Project, names: list[str]) -> None:
    """scikit-learn's report has rows called “accuracy” and “macro avg” of its own."""
    run = run_with_classes(project, names)
    first, second = run.classes
    run = written(run, "val", [(first, (0.9, 0.1)), (first, (0.8, 0.2)), (second, (0.7, 0.3))])
    found = evaluate(run, "val")
    assert [(f.label, f.recall, f.support) for f in found.per_class] == [(first, 1.0, 2), (second, 0.0, 1)]
    assert found.per_class[0].precision == pytest.approx(2 / 3)


def test_training_counts_come_from_the_run(trained: Run) -> None:
    found = evaluate(trained, "val")
    assert {f.label: f.train_count for f in found.per_class} == {
        label: sum(m.label == label and m.split == "train" for m in trained.manifest()) for label in ("1", "2", "10")
    }
    assert [f.label for f in found.per_class] == ["1", "2", "10"]


def test_the_dictionary_has_the_promised_keys_and_is_json(by_hand: Run) -> None:
    said = json.loads(json.dumps(evaluate(by_hand, "val").as_dict()))
    assert set(said) >= {"split", "n", "accuracy", "macro_f1", "log_loss", "ece", "per_class", "confusion"}
    assert set(said["per_class"][0]) == {"class", "precision", "recall", "f1", "support", "train_count"}
    assert said["confusion"] == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("split", ["test", "train2", ""])
def test_a_split_without_pictures_is_refused_in_words(by_hand: Run, split: str) -> None:
    with pytest.raises(NotFound) as refused:
        evaluate(by_hand, split)
    assert refused.value.next_step


def test_a_run_without_predictions_is_refused(project: Project) -> None:
    with pytest.raises(NotFound):
        evaluate(run_with_classes(project, ["a", "b"]), "val")


def test_damaged_lines_of_the_predictions_are_passed_over(by_hand: Run) -> None:
    path = by_hand.path / "predictions.csv"
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("0.7", "x.7")
    path.write_text("\n".join([*lines[:5], lines[5][:30]]))
    assert [p.path for p in read_predictions(by_hand)] == ["images/a/0.png", "images/b/2.png", "images/b/3.png"]


def test_predictions_with_other_columns_are_passed_over(by_hand: Run) -> None:
    storage.write_csv(by_hand.path / "predictions.csv", PREDICTION_COLUMNS[:4], [("a", "b", "val", "a")])
    assert read_predictions(by_hand) == []


def test_predictions_that_were_written_anew_are_read_anew(by_hand: Run) -> None:
    before = read_predictions(by_hand)
    before.clear()  # nobody else loses them
    again = read_predictions(by_hand)
    assert again
    rows = storage.read_csv(by_hand.path / "predictions.csv")[1:]
    storage.write_csv(by_hand.path / "predictions.csv", PREDICTION_COLUMNS, [list(row.values()) for row in rows])
    assert read_predictions(by_hand) == again[1:]
    (by_hand.path / "predictions.csv").unlink()
    assert read_predictions(by_hand) == []


# ----------------------------------------------------------------------------- uncertainty


def sure(probability: float, right: bool) -> Prediction:
    return Prediction("p", "s", "val", "a", "a" if right else "b", probability, 0.0, 0.0, {})


def test_calibration_error_of_a_toy() -> None:
    """Ten times 0.95 sure and nine times right: gap 0.05. Ten times 0.65 sure and four right: gap 0.25."""
    high = [sure(0.95, n < 9) for n in range(10)]
    middle = [sure(0.65, n < 4) for n in range(10)]
    assert expected_calibration_error(high) == pytest.approx(0.05)
    assert expected_calibration_error(middle) == pytest.approx(0.25)
    assert expected_calibration_error([*high, *middle]) == pytest.approx(0.15)
    assert expected_calibration_error([sure(1.0, True)] * 3) == 0.0
    assert expected_calibration_error([sure(1.0, False)]) == 1.0
