"""The head on toys one can check by hand: probabilities, layers, folding of the scaler, figures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from imgtag.training import head
from imgtag.training.head import Head, Scaler

EYE = np.eye(2, dtype=np.float32)
ZERO = np.zeros(2, dtype=np.float32)


def test_softmax_rows_sum_to_one_even_for_huge_numbers() -> None:
    chances = head.softmax(np.array([[0.0, np.log(3.0)], [1e4, -1e4]], dtype=np.float32))
    assert chances.dtype == np.float32
    assert chances == pytest.approx(np.array([[0.25, 0.75], [1.0, 0.0]]))


def test_loss_and_accuracy_of_a_hand_made_table() -> None:
    chances = np.array([[0.5, 0.5, 0.0], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.9, 0.1, 0.0]], dtype=np.float32)
    labels = np.array([0, 1, 2, 1])
    assert head.accuracy(chances, labels) == 0.75
    assert head.mean_loss(chances, labels) == pytest.approx(-np.log([0.5, 0.8, 0.6, 0.1]).mean(), rel=1e-6)
    assert np.isfinite(head.mean_loss(np.array([[1.0, 0.0]], np.float32), np.array([1])))


def test_a_single_layer_is_a_softmax_of_its_sums() -> None:
    one = Head(((np.log(np.array([[1, 1], [3, 1]], np.float32)), ZERO),))
    assert (one.inputs, one.classes) == (2, 2)
    found = one.probabilities(np.array([[1, 5], [0, 0], [-1, 0]], np.float16))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]]), abs=1e-6)


def test_between_layers_what_is_negative_becomes_nought_and_only_there() -> None:
    """(2, -7) → hidden (2, -7, -2) → (2, 0, 0) → sums (2, 0); raw input is not cut at nought."""
    first = (np.array([[1, 0], [0, 1], [-1, 0]], np.float32), np.zeros(3, np.float32))
    second = (np.array([[1, 1, 0], [0, 0, 1]], np.float32), ZERO)
    two = Head((first, second))
    assert (two.inputs, two.classes) == (2, 2)
    expected = head.softmax(np.array([[2, 0], [0, 2]], np.float32))
    assert two.probabilities(np.array([[2, -7], [-2, -7]], np.float32)) == pytest.approx(expected)


def test_no_rows_and_more_rows_than_a_piece_are_fine() -> None:
    one = Head(((EYE, ZERO),))
    assert one.probabilities(np.zeros((0, 2), np.float16)).shape == (0, 2)
    many = np.random.default_rng(0).normal(size=(head._CHUNK + 3, 2)).astype(np.float32)
    assert one.probabilities(many) == pytest.approx(head.softmax(many))


# ----------------------------------------------------------------------------- the scaler


def test_the_scaler_measures_and_leaves_constant_features_alone() -> None:
    features = np.array([[1, 5], [3, 5]], dtype=np.float16)
    scaler = Scaler.of(features)
    assert scaler.mean.tolist() == [2.0, 5.0]
    assert scaler.spread.tolist() == [1.0, 1.0]
    assert scaler.apply(features).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_rounding_noise_is_not_blown_up() -> None:
    """Dead features differ in their last digits on some processors; a new picture may wake them."""
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 20)).astype(np.float32)
    features[:, :12] = 0.5 + 1e-5 * features[:, :12]
    features[:, 19] *= 1e4  # a few features of some networks are huge
    scaler = Scaler.of(features)
    assert np.abs(scaler.apply(np.full((1, 20), 1.0, np.float32))[:, :12]).max() < 1
    assert np.allclose(scaler.spread[12:], features[:, 12:].std(axis=0), rtol=1e-4)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3)])
def test_a_folded_head_gives_the_same_chances_on_raw_features(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(50, 4)).astype(np.float32)
    features = features * np.array([100, 0.01, 1, 7], np.float32) + np.array([5, -3, 0, 1000], np.float32)
    layers = [
        (random.normal(size=(b, a)).astype(np.float32), random.normal(size=b).astype(np.float32))
        for a, b in pairwise(sizes)
    ]
    scaler = Scaler.of(features)
    folded = scaler.fold_into(*layers)
    assert {part.dtype for layer in folded.layers for part in layer} == {np.dtype(np.float32)}
    assert len(folded.layers) == len(layers)
    expected = Head(tuple(layers)).probabilities(scaler.apply(features))
    assert np.abs(folded.probabilities(features) - expected).max() < 1e-3


# ----------------------------------------------------------------------------- figures


@dataclass
class Asked:
    features: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def probabilities(self, fitted: Head) -> np.ndarray:
        return fitted.probabilities(self.features)


def test_figures_are_given_for_the_parts_that_have_pictures() -> None:
    some = Asked(np.log(np.array([[3, 1], [3, 1]], np.float32)), np.array([0, 1]))
    none = Asked(np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
    found = head.values(fitted=Head(((EYE, ZERO),)), train=some, val=none)
    assert found == pytest.approx({"train_loss": -np.log([0.75, 0.25]).mean(), "train_accuracy": 0.5})


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 40])
def test_products_of_few_and_of_many_rows_are_the_same(rows: int) -> None:
    random = np.random.default_rng(rows)
    a, b = random.normal(size=(rows, 300)).astype(np.float32), random.normal(size=(17, 300)).astype(np.float32)
    found = head.products(a, b)
    assert (found.shape, found.dtype) == ((rows, 17), np.float32)
    assert found == pytest.approx(a.astype(np.float64) @ b.T.astype(np.float64), abs=1e-3)
