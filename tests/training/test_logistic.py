"""The linear head against scikit-learn, the span against the whole space, and the choice of the strength."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from imgtag.training import logistic
from imgtag.training.head import Parameters, Stopped, softmax
from imgtag.training.logistic import CHOICE_FITS, STRENGTHS, Span, choose_strength, grouped_folds


def blobs(seed: int = 0, per_class: int = 30, apart: float = 2.0, width: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping clouds: features (3 * per_class, width) and labels."""
    random = np.random.default_rng(seed)
    centres = apart * np.eye(3, width, dtype=np.float32)
    labels = np.repeat(np.arange(3), per_class)
    features = (centres[labels] + random.normal(size=(3 * per_class, width))).astype(np.float32)
    return features, labels


def standard(features: np.ndarray) -> np.ndarray:
    return np.asarray((features - features.mean(axis=0)) / features.std(axis=0), dtype=np.float32)


def fit(features: np.ndarray, labels: np.ndarray, classes: int = 3, **options: object) -> Parameters:
    """The head over the features themselves, found within their span."""
    span = Span.of(features)
    found = logistic.fit(span, labels, classes, **options)  # type: ignore[arg-type]
    return Parameters(span.out(found.weight), found.bias)


def said(features: np.ndarray, at: Parameters) -> np.ndarray:
    return softmax(features @ at.weight.T + at.bias)


def loss(features: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray, strength: float) -> float:
    """The objective in double precision."""
    logits = features.astype(np.float64) @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    log_chances = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    own = log_chances[np.arange(len(labels)), labels]
    return float(-own.mean() + strength / 2 * (weight.astype(np.float64) ** 2).sum())


# ----------------------------------------------------------------------------- the fit


@pytest.mark.parametrize(("per_class", "width"), [(30, 4), (30, 90), (12, 300)])
def test_the_result_is_scikit_learns_for_the_same_penalty(per_class: int, width: int) -> None:
    """With more pictures than features, as many, and fewer."""
    features, labels = blobs(per_class=per_class, width=width)
    features = standard(features)
    ours = fit(features, labels, strength=0.05, passes=500, tolerance=1e-9)
    theirs = LogisticRegression(C=1 / (0.05 * len(labels)), tol=1e-10, max_iter=5000).fit(features, labels)
    assert ours.weight.shape == (3, width)
    lowest = loss(features, labels, theirs.coef_, theirs.intercept_, 0.05)
    assert loss(features, labels, ours.weight, ours.bias, 0.05) == pytest.approx(lowest, abs=1e-5)
    fresh, _ = blobs(seed=9, per_class=per_class, width=width)
    assert np.abs(said(fresh, ours) - theirs.predict_proba(fresh)).max() < 1e-2


def test_a_small_step_in_any_direction_makes_the_objective_larger() -> None:
    features, labels = blobs(seed=4)
    found = fit(features, labels, strength=0.1, passes=500, tolerance=1e-9)
    weight, bias = found.weight.astype(np.float64), found.bias.astype(np.float64)
    lowest = loss(features, labels, weight, bias, 0.1)
    for place in np.ndindex(3, 5):
        for step in (-0.05, 0.05):
            nudge = np.zeros((3, 5))
            nudge[place] = step
            assert loss(features, labels, weight + nudge[:, :4], bias + nudge[:, 4], 0.1) > lowest, place


def test_a_stricter_penalty_gives_smaller_weights() -> None:
    features, labels = blobs()
    sizes = [np.abs(fit(features, labels, strength=s).weight).sum() for s in (0.3, 0.03, 0.003)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_class_without_rows_gets_a_small_chance() -> None:
    features, labels = blobs()
    chances = said(features, fit(features, labels, 4, strength=0.01))
    assert chances.shape == (90, 4)
    assert chances[:, 3].max() < 0.05


def test_a_row_of_weight_two_counts_like_two_rows() -> None:
    features, labels = blobs(apart=1.0)
    weights = np.where(labels == 2, 2.0, 1.0).astype(np.float32)
    twice = np.concatenate([np.arange(90), np.flatnonzero(labels == 2)])
    weighted = fit(features, labels, strength=0.05, tolerance=1e-9, row_weights=weights / weights.mean())
    repeated = fit(features[twice], labels[twice], strength=0.05, tolerance=1e-9)
    plain = fit(features, labels, strength=0.05, tolerance=1e-9)
    assert said(features, weighted) == pytest.approx(said(features, repeated), abs=2e-3)
    assert said(features, weighted)[:, 2].mean() > said(features, plain)[:, 2].mean() + 0.05


def test_smoothing_asks_for_less_than_certainty() -> None:
    """Features that say nothing but which class: with smoothing 0.3 of 3 classes the best answer is 0.8, 0.1, 0.1."""
    labels = np.repeat(np.arange(3), 20)
    features = np.eye(3, dtype=np.float32)[labels]
    found = fit(features, labels, strength=1e-6, smoothing=0.3, passes=500, tolerance=1e-9)
    expected = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    assert said(np.eye(3, dtype=np.float32), found) == pytest.approx(expected, abs=2e-3)


def test_fitting_goes_on_from_a_given_start() -> None:
    features, labels = blobs()
    first = fit(features, labels, strength=0.01, passes=300)
    passes: list[int] = []
    again = fit(features, labels, strength=0.01, start=first, on_pass=lambda number, _: passes.append(number))
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
        fit(features, labels, strength=0.001, on_pass=on_pass)
    assert [number for number, _ in seen] == [1, 2, 3]
    assert seen[-1][1].weight.shape == (3, 4)


# ----------------------------------------------------------------------------- the span


def test_the_span_keeps_every_angle_and_length() -> None:
    features = standard(blobs(per_class=8, width=200)[0])
    span = Span.of(features)
    assert span.rows.shape == (24, 24)
    assert span.rows @ span.rows.T == pytest.approx(features @ features.T, abs=0.05)
    assert span.into(features) == pytest.approx(span.rows, abs=1e-2)
    weight = np.random.default_rng(1).normal(size=(3, 24)).astype(np.float32)
    strange = np.random.default_rng(2).normal(size=(5, 200)).astype(np.float32)
    assert span.into(strange) @ weight.T == pytest.approx(strange @ span.out(weight).T, abs=1e-3)


def test_in_the_span_the_same_head_is_found_as_in_the_whole_space() -> None:
    features, labels = blobs(per_class=8, width=200)
    features = standard(features)
    within = fit(features, labels, strength=0.05, passes=500, tolerance=1e-9)
    whole = logistic.fit(Span(features), labels, 3, strength=0.05, passes=500, tolerance=1e-9)
    strange, _ = blobs(seed=3, per_class=8, width=200)
    assert said(strange, within) == pytest.approx(said(strange, whole), abs=5e-3)


def test_with_more_pictures_than_features_nothing_is_changed() -> None:
    features, _ = blobs()
    span = Span.of(features)
    assert span.rows is features and span.factor is None
    assert span.into(features) is features and span.out(features) is features


def test_for_a_few_columns_the_coordinates_are_not_changed() -> None:
    """24 pictures of 200 features: the change costs as much as 24 * 200 products, and each column saves 2 * 176."""
    features, _ = blobs(per_class=8, width=200)
    assert Span.of(features, 13).factor is None
    assert Span.of(features, 14).factor is not None


def test_pictures_that_are_alike_leave_the_span_usable() -> None:
    features, labels = blobs(per_class=4, width=50)
    features, labels = np.repeat(features, 3, axis=0), np.repeat(labels, 3)
    found = fit(standard(features), labels, strength=0.01)
    assert np.isfinite(found.weight).all()
    assert (said(standard(features), found).argmax(axis=1) == labels).all()


def test_pictures_that_are_all_the_same_give_even_chances() -> None:
    """A thousand white pages in two classes: nothing to learn, and no reason to fail."""
    nothing, labels = np.zeros((6, 20), np.float32), np.repeat([0, 1], 3)
    assert said(nothing, fit(nothing, labels, 2, strength=0.1)) == pytest.approx(0.5)


# ----------------------------------------------------------------------------- folds


def test_folds_spread_every_class_evenly() -> None:
    labels = np.repeat([0, 1, 2], [30, 10, 4])
    fold = grouped_folds(labels, np.arange(44), 3)
    counts = [sorted(np.bincount(fold[labels == k], minlength=3).tolist()) for k in range(3)]
    assert counts == [[10, 10, 10], [3, 3, 4], [1, 1, 2]]
    assert np.ptp(np.bincount(fold)) <= 2
    assert np.array_equal(fold, grouped_folds(labels, np.arange(44), 3))
    assert not np.array_equal(fold, grouped_folds(labels, np.arange(44), 3, seed=1))


def test_rows_of_one_group_stay_together_wherever_they_stand() -> None:
    random = np.random.default_rng(0)
    groups = random.permutation(np.repeat(np.arange(12), 5))
    labels = groups % 2
    fold = grouped_folds(labels, groups, 3)
    assert all(len(set(fold[groups == g])) == 1 for g in range(12))
    assert [np.bincount(fold[labels == k]).tolist() for k in (0, 1)] == [[10, 10, 10]] * 2


# ----------------------------------------------------------------------------- the strength


def test_overlapping_clouds_want_more_strictness_than_clear_ones() -> None:
    noisy, labels = blobs(apart=0.4)
    clear, _ = blobs(apart=8.0)
    groups = np.arange(len(labels))
    strict = choose_strength(noisy, labels, groups, 3)
    loose = choose_strength(clear, labels, groups, 3)
    assert strict in STRENGTHS and loose in STRENGTHS
    assert strict > loose


def test_copies_in_one_group_do_not_fool_the_choice() -> None:
    """Labels are pure chance. Copies on both sides make memorising look good; kept together they do not."""
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(40, 60)).astype(np.float32), 3, axis=0)
    labels = np.repeat(random.integers(0, 2, 40), 3)
    together = choose_strength(features, labels, np.repeat(np.arange(40), 3), 2)
    torn_apart = choose_strength(features, labels, np.arange(120), 2)
    assert together == max(STRENGTHS)
    assert torn_apart < together


def test_with_under_three_pictures_a_class_a_middle_value_is_taken() -> None:
    features, labels = blobs(per_class=2)
    assert choose_strength(features, labels, np.arange(6), 3) == 0.1


def test_one_class_may_be_tiny() -> None:
    features, labels = blobs()
    keep = np.flatnonzero((labels < 2) | (np.arange(90) == 60))
    assert choose_strength(features[keep], labels[keep], keep, 3) in STRENGTHS


def test_the_choice_can_be_stopped_and_announces_every_fit() -> None:
    features, labels = blobs()
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Stopped

    with pytest.raises(Stopped):
        choose_strength(features, labels, np.arange(90), 3, check=check)
    assert calls == 4
    calls = -1000
    choose_strength(features, labels, np.arange(90), 3, check=check)
    assert 3 <= calls + 1000 <= CHOICE_FITS


def test_the_choice_is_the_same_each_time() -> None:
    features, labels = blobs(apart=1.0)
    chosen = {choose_strength(features, labels, np.arange(90), 3, seed=5) for _ in range(3)}
    assert len(chosen) == 1
