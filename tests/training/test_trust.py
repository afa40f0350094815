"""Honest probabilities, and an answer for what the model does not know: on drawn answers and on a trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from imgtag.core.errors import BadModel
from imgtag.data.projects import Project
from imgtag.review.metrics import calibration_gap, read_predictions
from imgtag.serving.predictor import load_predictor
from imgtag.training.head import softmax
from imgtag.training.jobs import start_training, wait_for
from imgtag.training.model import load_model, set_refusal
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run
from imgtag.training.trust import Familiar, Refusal, fit_refusal, fit_temperature, tempered
from tests.drawing import encode, picture, scene, write_tree
from tests.training.test_model import replace_weights

HOT = 2.5


def too_sure(number: int = 4000, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Answers that are 2.5 times too sure, and labels drawn from the honest ones."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (number, classes)).astype(np.float32)
    honest = softmax(logits)
    labels = (honest.cumsum(axis=1) > random.random((number, 1))).argmax(axis=1)
    return softmax(HOT * logits), labels


def gap(probabilities: np.ndarray, labels: np.ndarray) -> float:
    right = probabilities.argmax(axis=1) == labels
    return calibration_gap(list(zip(probabilities.max(axis=1).tolist(), right.tolist(), strict=True)))


def test_the_temperature_undoes_what_made_the_answers_too_sure() -> None:
    answers, labels = too_sure()
    assert fit_temperature(answers, labels) == pytest.approx(HOT, rel=0.1)
    fitted = fit_temperature(answers[:2000], labels[:2000])
    others = tempered(answers[2000:], fitted)
    assert gap(others, labels[2000:]) < 0.03 < 0.1 < gap(answers[2000:], labels[2000:])
    assert (others.argmax(axis=1) == answers[2000:].argmax(axis=1)).all()
    assert others.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_few_or_perfect_answers_do_not_make_it_extreme() -> None:
    answers, labels = too_sure(19)
    assert fit_temperature(answers, labels) == 1.0
    sure = np.tile(np.array([[0.99, 0.01]], np.float32), (60, 1))
    assert 0.4 < fit_temperature(sure, np.zeros(60, int)) < 1


@pytest.mark.parametrize("cost", [0.0, 0.02, 0.05, 0.2])
def test_no_more_right_answers_are_refused_than_was_asked_for(cost: float) -> None:
    random = np.random.default_rng(1)
    sure, alike = random.random(500), random.random(500)
    right = random.random(500) < 0.8
    refusal = fit_refusal(sure, alike, right, cost)
    assert refusal
    lost = refusal.refuses(sure[right], alike[right]).mean()
    assert lost <= cost
    assert lost >= cost - 0.02
    assert refusal.refuses(np.array([0.99]), np.array([-0.5]))[0], "less familiar than any that was right"


def test_too_few_right_answers_fit_nothing() -> None:
    assert fit_refusal(np.ones(30), None, np.arange(30) < 19) is None
    refusal = fit_refusal(np.linspace(0, 1, 30), None, np.ones(30, bool), 0.1)
    assert refusal
    assert refusal.familiarity is None
    assert refusal.refuses(np.array([0.05, 0.5]), None).tolist() == [True, False]


def test_what_is_like_the_training_pictures_is_more_familiar() -> None:
    random = np.random.default_rng(2)
    kinds = random.normal(0, 2, (3, 64))
    pictures = np.concatenate([kind + random.normal(0, 1, (1600, 64)) for kind in kinds])
    familiar = Familiar.of(pictures[:3200].astype(np.float16))  # of two kinds
    assert familiar.references.shape == (2000, 64)
    assert familiar.references.dtype == np.float16
    own, strange = familiar.measure(pictures[1550:1650]), familiar.measure(pictures[3200:])
    assert own.shape == (100,)
    assert own.min() > strange.max()
    assert (own <= 1.001).all()


def test_a_trained_model_says_unknown_to_a_stranger_and_knows_its_own(ready: Path, shapes: Project) -> None:
    for name, colour in (("circle", "red"), ("square", "blue")):
        drawn = {f"more-{n}.png": picture(colour, 100 + n, shape=name) for n in range(70)}
        write_tree(shapes.images / name, drawn)
    run = wait_for(start_training(shapes, make_recipe("quick")))
    model = load_model(run)
    assert model.trust.familiar
    assert model.trust.refusal
    assert model.trust.refusal.cost == 0.05
    held_out = [p for p in read_predictions(run) if p.split == "val"]
    assert all(p.familiarity is not None and p.raw_probability is not None for p in held_out)

    predictor = load_predictor(run)
    known = max(held_out, key=lambda p: p.familiarity or 0)
    stranger = encode(scene(3))
    own, strange = predictor.classify([("own", shapes.path / known.path), ("stranger", stranger)])
    assert own.unknown is False
    assert own.tags[0].probability == pytest.approx(known.probability, abs=0.02)
    assert strange.unknown is True
    assert strange.tags, "the best guess is told all the same"

    set_refusal(run, Refusal(0.0, None, 0.0))
    assert load_predictor(run).classify([("stranger", stranger)])[0].unknown is False


def test_a_model_whose_memory_does_not_fit_is_refused(trained: Run) -> None:
    tensors = load_file(trained.path / "model" / "model.safetensors")
    if "familiar.mean" not in tensors:
        pytest.fail("the model remembers nothing of its training pictures")
    tensors["familiar.mean"] = tensors["familiar.mean"][:-1]
    replace_weights(trained, save(tensors), vouched=True)
    with pytest.raises(BadModel):
        load_model(trained)
