"""The head on toys one can check by hand: gradient, folding of the scaler, choice of the strength, stopping."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from imgtag.training import head
from imgtag.training.head import Head, Parameters, Scaler, Stopped


def blobs(seed: int = 0, per_class: int = 30, apart: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping clouds in 4 dimensions: features (90, 4) and labels (90,)."""
    random = np.random.default_rng(seed)
    centres = apart * np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float32)
    labels = np.repeat(np.arange(3), per_class)
    return (centres[labels] + random.normal(size=(3 * per_class, 4))).astype(np.float32), labels


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


def test_the_result_is_scikit_learns_for_the_same_penalty() -> None:
    features, labels = blobs()
    ours = head.fit(features, labels, 3, strength=0.05, passes=500)
    theirs = LogisticRegression(C=1 / (0.05 * len(labels)), tol=1e-10, max_iter=5000).fit(features, labels)
    chances = head.softmax(features @ ours.weight.T + ours.bias)
    assert np.abs(chances - theirs.predict_proba(features)).max() < 5e-3
    assert np.abs(ours.weight - theirs.coef_).max() < 2e-2


def test_the_gradient_vanishes_where_the_fit_ends() -> None:
    """At the minimum a small step in any direction makes the objective larger (central differences)."""
    features, labels = blobs(seed=4)
    strength = 0.1
    found = head.fit(features, labels, 3, strength=strength, passes=500)

    def objective(weight: np.ndarray, bias: np.ndarray) -> float:
        logits = features.astype(np.float64) @ weight.T + bias
        logits -= logits.max(axis=1, keepdims=True)
        log_chances = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return float(-log_chances[np.arange(len(labels)), labels].mean() + strength / 2 * (weight**2).sum())

    weight, bias = found.weight.astype(np.float64), found.bias.astype(np.float64)
    step = 1e-4
    for place in np.ndindex(weight.shape):
        nudge = np.zeros_like(weight)
        nudge[place] = step
        slope = (objective(weight + nudge, bias) - objective(weight - nudge, bias)) / (2 * step)
        assert abs(slope) < 5e-3, place
    for k in range(3):
        nudge = np.zeros_like(bias)
        nudge[k] = step
        slope = (objective(weight, bias + nudge) - objective(weight, bias - nudge)) / (2 * step)
        assert abs(slope) < 5e-3, k


def test_a_stricter_penalty_gives_smaller_weights() -> None:
    features, labels = blobs()
    sizes = [np.abs(head.fit(features, labels, 3, strength=s).weight).sum() for s in (0.3, 0.03, 0.003)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_class_without_rows_gets_a_small_chance() -> None:
    features, labels = blobs()
    found = head.fit(features, labels, 4, strength=0.01)
    chances = head.softmax(features @ found.weight.T + found.bias)
    assert chances.shape == (90, 4)
    assert chances[:, 3].max() < 0.05


def test_the_scaler_measures_and_leaves_constant_features_alone() -> None:
    features = np.array([[1, 5], [3, 5]], dtype=np.float16)
    scaler = Scaler.of(features)
    assert scaler.mean.tolist() == [2.0, 5.0]
    assert scaler.spread.tolist() == [1.0, 1.0]
    assert scaler.apply(features).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_a_folded_head_gives_the_same_chances_on_raw_features() -> None:
    features, labels = blobs()
    features = features * np.array([100, 0.01, 1, 7], np.float32) + np.array([5, -3, 0, 1000], np.float32)
    scaler = Scaler.of(features)
    scaled = scaler.apply(features)
    found = head.fit(scaled, labels, 3, strength=0.01)
    expected = head.softmax(scaled @ found.weight.T + found.bias)
    folded = scaler.fold_into(found.weight, found.bias)
    assert isinstance(folded, Head)
    assert (folded.weight.dtype, folded.bias.dtype) == (np.float32, np.float32)
    assert np.abs(folded.probabilities(features) - expected).max() < 1e-3


def test_fitting_goes_on_from_a_given_start() -> None:
    features, labels = blobs()
    first = head.fit(features, labels, 3, strength=0.01, passes=300)
    passes: list[int] = []
    again = head.fit(
        features, labels, 3, strength=0.01, start=first, on_pass=lambda number, parameters: passes.append(number)
    )
    assert len(passes) < 5
    assert np.abs(again.weight - first.weight).max() < 0.05


def test_on_pass_counts_from_one_and_may_stop() -> None:
    features, labels = blobs()
    seen: list[tuple[int, Parameters]] = []

    def on_pass(number: int, parameters: Parameters) -> None:
        seen.append((number, parameters))
        if number == 3:
            raise Stopped

    with pytest.raises(Stopped):
        head.fit(features, labels, 3, strength=0.001, on_pass=on_pass)
    assert [number for number, _ in seen] == [1, 2, 3]
    assert seen[-1][1].weight.shape == (3, 4)


# ----------------------------------------------------------------------------- the strength


def test_overlapping_clouds_want_more_strictness_than_clear_ones() -> None:
    noisy, labels = blobs(apart=0.4)
    clear, _ = blobs(apart=8.0)
    groups = np.arange(len(labels))
    strict = head.choose_strength(noisy, labels, groups, 3)
    loose = head.choose_strength(clear, labels, groups, 3)
    assert strict in head.STRENGTHS and loose in head.STRENGTHS
    assert strict > loose


def test_copies_in_one_group_do_not_fool_the_choice() -> None:
    """Labels are pure chance. Copies on both sides make memorising look good; kept together they do not."""
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(40, 60)).astype(np.float32), 3, axis=0)
    labels = np.repeat(random.integers(0, 2, 40), 3)
    together = head.choose_strength(features, labels, np.repeat(np.arange(40), 3), 2)
    torn_apart = head.choose_strength(features, labels, np.arange(120), 2)
    assert together == max(head.STRENGTHS)
    assert torn_apart < together


def test_with_under_three_pictures_a_class_a_middle_value_is_taken() -> None:
    features, labels = blobs(per_class=2)
    assert head.choose_strength(features, labels, np.arange(6), 3) == 0.1


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_one_class_may_be_tiny() -> None:
    features, labels = blobs()
    keep = np.flatnonzero((labels < 2) | (np.arange(90) == 60))
    assert head.choose_strength(features[keep], labels[keep], keep, 3) in head.STRENGTHS


def test_the_choice_can_be_stopped_and_announces_every_fit() -> None:
    features, labels = blobs()
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Stopped

    with pytest.raises(Stopped):
        head.choose_strength(features, labels, np.arange(90), 3, check=check)
    assert calls == 4
    calls = -1000
    head.choose_strength(features, labels, np.arange(90), 3, check=check)
    assert 3 <= calls + 1000 <= head.CHOICE_FITS


def test_the_choice_is_the_same_each_time() -> None:
    features, labels = blobs(apart=1.0)
    chosen = {head.choose_strength(features, labels, np.arange(90), 3, seed=5) for _ in range(3)}
    assert len(chosen) == 1
