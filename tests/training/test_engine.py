"""The training itself, in this process: from a manifest to predictions, model and honest words."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from imgtag.core import storage
from imgtag.core.errors import NotEnough
from imgtag.data import class_edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.review.metrics import evaluate, read_predictions
from imgtag.serving.predictor import load_predictor
from imgtag.training import engine
from imgtag.training.features import cached_features
from imgtag.training.model import load_model
from imgtag.training.progress import Watch
from imgtag.training.runs import Run
from tests.drawing import picture, write_tree
from tests.prepared import LARGER, ROW, a_run, copy_balanced, draw_numbers


def train(project: Project, **recipe: object) -> Run:
    run = a_run(project, **recipe)
    engine.train(run, Watch(run.path))
    return Run(run.path)


def test_two_shapes_are_learnt_completely(ready: Path, shapes: Project) -> None:
    run = train(shapes)
    status = run.status
    assert run.state == "finished"
    assert status["val_accuracy"] == 1.0
    assert status["train_accuracy"] == 1.0
    assert status["unreadable"] == []
    assert status["cached"] == 0
    assert sum(status["pictures"].values()) == 24
    assert status["engine"] and status["reason"]
    assert evaluate(run, "val").accuracy == 1.0


def test_the_figures_in_status_are_those_of_the_predictions(ready: Path, numbers: Project, trained: Run) -> None:
    for split in ("train", "val", "test"):
        chosen = [p for p in read_predictions(trained) if p.split == split]
        assert len(chosen) == trained.status["pictures"][split] > 0
        assert trained.status[f"{split}_accuracy"] == pytest.approx(
            sum(p.right for p in chosen) / len(chosen), abs=1e-4
        )
        assert trained.status[f"{split}_loss"] == pytest.approx(sum(p.loss for p in chosen) / len(chosen), abs=1e-4)


def test_there_is_a_prediction_for_every_picture_of_the_manifest(trained: Run) -> None:
    manifest = {(m.path, m.sha256, m.split, m.label) for m in trained.manifest()}
    predicted = {(p.path, p.sha256, p.split, p.label) for p in read_predictions(trained)}
    assert len(manifest) == 36
    assert predicted == manifest


def test_numbers_as_names_keep_their_pictures(trained: Run) -> None:
    """Sorted as text, “10” stands before “2”, and the last two names would be swapped."""
    assert trained.classes == ["1", "2", "10"]
    with open(trained.path / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = {"1": "circle", "2": "circle", "10": "square"}  # the file names tell what was drawn
    assert all(shown[row["predicted"]] in row["path"] for row in rows)
    assert all(row["predicted"] == row["label"] for row in rows)
    for row in rows:
        top = json.loads(row["top"])
        assert list(top) == sorted(top, key=lambda name: -top[name])
        assert set(top) == {"1", "2", "10"}
        assert sum(top.values()) == pytest.approx(1, abs=1e-3)
        assert float(row["probability"]) == pytest.approx(top[row["predicted"]], abs=1e-4)
        assert float(row["loss"]) == pytest.approx(-np.log(float(row["label_probability"])), abs=1e-3)


def test_the_saved_model_gives_the_written_predictions(trained: Run) -> None:
    model = load_model(trained)
    seen = cached_features(trained.project.cache, ROW, [m.sha256 for m in trained.manifest()])
    for p in read_predictions(trained):
        chances = model.members[0].head.probabilities(seen[p.sha256][None])[0]
        assert chances[model.classes.index(p.predicted)] == pytest.approx(p.probability, abs=1e-4)


def test_the_curve_ends_at_the_kept_round_or_later(trained: Run) -> None:
    rows = [row for row in trained.metrics() if row["phase"] == "fitting"]
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
    best = min(rows, key=lambda row: row["val_loss"])
    assert best["val_loss"] == pytest.approx(trained.status["val_loss"], abs=1e-4)
    assert trained.status["best_epoch"] <= len(rows)
    assert [row["t"] for row in trained.metrics()] == sorted(row["t"] for row in trained.metrics())


def test_curves_move_while_pictures_are_still_looked_at(ready: Path, project: Project) -> None:
    draw_numbers(project, 20)
    run = train(project)
    looks = [row for row in run.metrics() if row["phase"] == "looking"]
    assert looks
    assert all({"pictures", "train_loss", "val_loss", "val_accuracy"} <= set(row) for row in looks)
    assert all(24 <= row["pictures"] <= 60 for row in looks)


def test_an_unreadable_picture_is_left_out_and_named(ready: Path, shapes: Project) -> None:
    cut = picture("red", 77)[:200]
    write_tree(shapes.images / "circle", {"cut off.png": cut, "page.jpg": b"<!DOCTYPE html><p>404"})
    run = train(shapes)
    assert run.state == "finished"
    named = {Path(path).name: reason for path, reason in run.status["unreadable"]}
    assert set(named) == {"cut off.png", "page.jpg"}
    assert "web page" in named["page.jpg"]
    assert len(read_predictions(run)) == 24
    assert run.status["val_accuracy"] == 1.0
    assert len(run.manifest()) == 26


def test_a_picture_that_vanished_meanwhile_is_named_by_its_place_and_the_run_goes_on(
    ready: Path, shapes: Project
) -> None:
    run = a_run(shapes)
    (shapes.images / "square" / "square-5.png").unlink()
    engine.train(run, Watch(run.path))
    (item,) = Run(run.path).status["unreadable"]
    assert item[0] == "images/square/square-5.png"
    assert Run(run.path).state == "finished"


def test_a_class_without_a_readable_picture_is_refused_in_words(ready: Path, shapes: Project) -> None:
    for number, path in enumerate((shapes.images / "square").iterdir()):
        path.write_bytes(b"broken %d" % number)
    run = a_run(shapes)
    with pytest.raises(NotEnough) as refused:
        engine.train(run, Watch(run.path))
    assert "12 pictures could not be read" in refused.value.explanation


def test_a_second_run_looks_at_new_pictures_only(ready: Path, numbers: Project) -> None:
    again = train(numbers)
    assert again.status["cached"] == 36
    write_tree(numbers.images / "2", {"new-1.png": picture("red", 301), "new-2.png": picture("red", 302)})
    third = train(numbers)
    assert third.status["cached"] == 36
    assert sum(third.status["pictures"].values()) == 38


def test_without_validation_pictures_the_training_loss_decides(ready: Path, shapes: Project) -> None:
    storage.write_csv(shapes.path / "splits.csv", ("sha256", "split"), [(p.id, "train") for p in look(shapes).labelled])
    run = train(shapes)
    assert run.state == "finished"
    assert "val_accuracy" not in run.status
    assert run.status["pictures"] == {"train": 24, "val": 0, "test": 0}
    assert "cross-validation on the training pictures" in run.status["message"]
    assert "loss on validation" not in run.status["message"]


def test_the_reason_of_the_strength_is_told_truly(ready: Path, numbers: Project) -> None:
    chosen, given = train(numbers), train(numbers, strength=0.02)
    assert "chosen by cross-validation" in chosen.status["message"]
    assert given.status["strength"] == 0.02
    assert "0.02" in given.status["message"]
    assert "cross-validation" not in given.status["message"]


def test_the_number_of_rounds_is_kept_to(ready: Path, numbers: Project) -> None:
    run = train(numbers, epochs=2, strength=0.01)
    assert [row["epoch"] for row in run.metrics() if row["phase"] == "fitting"] == [1, 2]
    assert run.status["best_epoch"] in (1, 2)


@pytest.mark.parametrize("recipe", [{}, {"hidden": (8,), "epochs": 3}, {"optimizer": "sgd", "epochs": 3}])
def test_the_same_pictures_and_seed_give_the_same_predictions(
    ready: Path, numbers: Project, recipe: dict[str, object]
) -> None:
    first, second = train(numbers, seed=7, **recipe), train(numbers, seed=7, **recipe)
    written = (first.path / "predictions.csv").read_bytes()
    assert written == (second.path / "predictions.csv").read_bytes()
    if recipe:
        assert (train(numbers, seed=8, **recipe).path / "predictions.csv").read_bytes() != written


def test_classes_with_two_or_three_pictures_can_be_trained(ready: Path, project: Project) -> None:
    for label, colour, count in (("a", "red", 2), ("b", "blue", 2), ("c", "green", 3)):
        write_tree(project.images / label, {f"{n}.png": picture(colour, n) for n in range(count)})
    run = train(project)
    assert run.state == "finished"
    assert run.status["pictures"]["train"] >= 3
    assert np.isfinite(run.status["train_loss"])


# ----------------------------------------------------------------------------- several networks, hidden layers


def test_two_networks_share_the_say_and_look_at_mirrored_pictures(ready: Path) -> None:
    run = copy_balanced(ready)
    assert run.state == "finished"
    assert run.status["val_accuracy"] == run.status["test_accuracy"] == 1.0
    model = load_model(run)
    assert [(m.row, m.share, m.tuned) for m in model.members] == [(ROW, 0.5, None), (LARGER, 0.5, None)]
    assert model.mirror
    phases = {row["phase"] for row in run.metrics()}
    assert {"fitting", "fitting 1"} <= phases
    ids = [m.sha256 for m in run.manifest()]
    for row in (ROW, LARGER):
        for view in ("plain", "mirrored"):
            assert len(cached_features(run.project.cache, row, ids, view)) == 36


def test_the_written_answers_are_the_mean_over_networks_and_views(ready: Path) -> None:
    run = copy_balanced(ready)
    ids = [m.sha256 for m in run.manifest()]
    answers = []
    for member in load_model(run).members:
        for view in ("plain", "mirrored"):
            seen = cached_features(run.project.cache, member.row, ids, view)
            answers.append(member.head.probabilities(np.stack([seen[id_] for id_ in ids])))
    expected = dict(zip(ids, np.mean(answers, axis=0), strict=True))
    for p in read_predictions(run):
        assert [p.top[c] for c in run.classes] == pytest.approx(expected[p.sha256], abs=1e-4)


def test_a_picture_that_only_one_network_could_see_is_left_out(ready: Path) -> None:
    """The first network knows it from its cache; the other one meets a file that is gone."""
    project = copy_balanced(ready).project
    write_tree(project.images / "2", {"new.png": picture("red", 301)})
    train(project)
    run = a_run(project, backbone=f"{ROW.name}+{LARGER.name}")
    (project.images / "2" / "new.png").unlink()
    engine.train(run, Watch(run.path))
    again = Run(run.path)
    assert again.state == "finished"
    assert [path for path, _ in again.status["unreadable"]] == ["images/2/new.png"]
    assert len(read_predictions(again)) == sum(again.status["pictures"].values()) == 36


def test_hidden_layers_are_learnt_step_by_step_and_saved(ready: Path, numbers: Project) -> None:
    run = train(numbers, hidden=(16, 8), dropout=0.2, epochs=30, patience=30, batch_size=8)
    assert run.state == "finished"
    assert run.status["train_accuracy"] >= 0.9
    assert run.status["strength"] is None
    assert "smoothness" not in run.status["message"]
    (member,) = load_model(run).members
    assert [weight.shape for weight, _ in member.head.layers] == [(16, ROW.dimensions), (8, 16), (3, 8)]
    curve = [row for row in run.metrics() if row["phase"] == "learning"]
    assert [row["epoch"] for row in curve] == list(range(1, 31))
    best = min(curve, key=lambda row: row["val_loss"])
    assert best["epoch"] == run.status["best_epoch"]
    assert best["val_loss"] == pytest.approx(run.status["val_loss"], abs=1e-3)


def test_after_a_refit_the_figures_for_validation_pictures_are_from_before(ready: Path, numbers: Project) -> None:
    plain, refitted = (train(numbers, strength=30.0, refit=refit) for refit in (False, True))
    assert refitted.status["refit"] and "refit" not in plain.status
    of = {run: {p.path: p for p in read_predictions(run)} for run in (plain, refitted)}
    changed = {p.split for path, p in of[plain].items() if of[refitted][path].top != p.top}
    assert changed == {"train", "test"}
    tested = [p for p in of[refitted].values() if p.split == "test"]
    answers = load_predictor(refitted).classify((p.path, numbers.path / p.path) for p in tested)
    for p, answer in zip(tested, answers, strict=True):
        assert {t.label: t.probability for t in answer.tags} == pytest.approx(p.top, abs=1e-3)


@pytest.mark.slow
def test_a_tuned_network_is_saved_with_the_model_and_answers_as_written(ready: Path, numbers: Project) -> None:
    """So strong a regularisation leaves the first head clueless: tuning must help. Small pictures, to be quick."""
    run = train(numbers, layers="partly", epochs=2, batch_size=8, picture_size=64, strength=100.0, mirror=True)
    assert run.state == "finished", run.status
    assert "Fine-tuning made it better" in run.status["message"]
    assert run.status["val_loss"] < 0.9, "ln 3 = 1.1 knows nothing"
    first = load_model(run).members[0]
    assert first.tuned is not None
    assert first.row.preprocessing.size == 64
    assert not (run.path / "checking").exists()
    predictions = read_predictions(run)
    assert len(predictions) == 36
    answers = load_predictor(run).classify((p.path, run.project.path / p.path) for p in predictions)
    for p, answer in zip(predictions, answers, strict=True):
        assert {t.label: t.probability for t in answer.tags} == pytest.approx(p.top, abs=0.02)


# ----------------------------------------------------------------------------- stop


def test_a_stop_before_the_first_picture_learns_nothing_and_says_so(ready: Path, shapes: Project) -> None:
    run = a_run(shapes)
    (run.path / "stop").touch()
    engine.train(run, Watch(run.path))
    again = Run(run.path)
    assert again.state == "stopped"
    assert "nothing was learnt" in again.status["message"]
    assert not again.has_model


class StopAt(Watch):
    """A watch beside which somebody presses Stop in a certain phase."""

    def __init__(self, folder: Path, phase: str, done: int) -> None:
        super().__init__(folder)
        self.at = (phase, done)

    def phase(self, name: str, message: str, total: int = 0, done: int = 0) -> None:
        super().phase(name, message, total, done)
        if name == self.at[0] and done >= self.at[1]:
            (self.folder / "stop").touch()


@pytest.mark.parametrize(("phase", "done"), [("looking", 16), ("choosing", 2), ("fitting", 2)])
def test_a_stop_in_any_phase_keeps_the_best_so_far(ready: Path, shapes: Project, phase: str, done: int) -> None:
    run = a_run(shapes)
    engine.train(run, StopAt(run.path, phase, done))
    again = Run(run.path)
    assert again.state == "stopped"
    assert "kept" in again.status["message"]
    assert again.status["best_epoch"] >= 1
    assert load_model(again).classes == ("circle", "square")
    seen = len(read_predictions(again))
    assert (16 <= seen < 24) if phase == "looking" else seen == 24
    assert again.status["train_accuracy"] >= 0.9


@pytest.mark.parametrize(
    ("phase", "done", "networks", "least"),
    [("looking", 16, 1, 16), ("looking 1", 16, 1, 24), ("fitting", 2, 2, 24), ("choosing 1", 2, 2, 24)],
)
def test_a_stop_with_two_networks_keeps_what_got_furthest(
    ready: Path, shapes: Project, phase: str, done: int, networks: int, least: int
) -> None:
    run = a_run(shapes, backbone=f"{ROW.name}+{LARGER.name}", mirror=True)
    engine.train(run, StopAt(run.path, phase, done))
    again = Run(run.path)
    assert again.state == "stopped"
    assert "kept" in again.status["message"]
    members = load_model(again).members
    assert [(m.row, m.share) for m in members] == [(row, 1 / networks) for row in (ROW, LARGER)[:networks]]
    assert least <= len(read_predictions(again)) <= 24
    assert again.status["train_accuracy"] >= 0.9


def test_a_stop_while_hidden_layers_are_learnt_keeps_the_best_so_far(ready: Path, shapes: Project) -> None:
    run = a_run(shapes, hidden=(8,), epochs=50, batch_size=4)
    engine.train(run, StopAt(run.path, "learning", 2))
    again = Run(run.path)
    assert again.state == "stopped"
    assert again.status["best_epoch"] >= 1
    assert len(load_model(again).members[0].head.layers) == 2


def test_unreadable_pictures_are_named_after_a_stop_too(ready: Path, shapes: Project) -> None:
    for number in range(12):
        write_tree(shapes.images / "circle", {f"bad-{number}.png": b"bad %d" % number})
    run = a_run(shapes)
    engine.train(run, StopAt(run.path, "looking", 16))
    again = Run(run.path)
    assert again.state == "stopped"
    assert again.status["unreadable"], "half of the circles are broken: some were met before the stop"


@pytest.mark.slow
def test_a_stop_while_the_tuned_network_is_checked_does_without_it(ready: Path, numbers: Project) -> None:
    run = a_run(numbers, layers="partly", epochs=1, batch_size=8, picture_size=64)
    engine.train(run, StopAt(run.path, "checking", 1))
    again = Run(run.path)
    assert again.state == "stopped"
    assert "it was not used" in again.status["message"]
    assert [member.tuned for member in load_model(again).members] == [None]


def test_a_class_renamed_after_the_start_is_found_again(ready: Path, shapes: Project) -> None:
    run = a_run(shapes)
    class_edits.rename_class(shapes, "circle", "disc")
    engine.train(run, Watch(run.path))
    again = Run(run.path)
    assert again.status["unreadable"] == []
    assert again.classes == ["circle", "square"]
    assert len(read_predictions(again)) == 24
