"""Suggestions: right where the features tell, honest about how often; surest first, or least sure first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imgtag.data.dataset import Picture
from imgtag.training.assistant import (
    Reliability,
    Suggestions,
    cross_validate,
    fitted_head,
    look_alikes,
    most_like,
    suggest,
    suggest_again,
)

CLASSES = ("ant", "bee", "cat")


def planted(number: int, spread: float = 0.6, seed: int = 0) -> tuple[list[Picture], dict[str, np.ndarray]]:
    """Pictures whose features lie around the middle of their class; the wider the spread, the harder."""
    random = np.random.default_rng(seed)
    middles = random.standard_normal((len(CLASSES), 24)) * 2
    pictures, features = [], {}
    for n in range(number):
        label = CLASSES[n % len(CLASSES)]
        id_ = f"{n:064x}"
        pictures.append(Picture(id_, Path(f"{n}.jpg"), label, 1))
        features[id_] = (middles[n % len(CLASSES)] + spread * random.standard_normal(24)).astype(np.float16)
    return pictures, features


def test_what_the_features_tell_is_suggested() -> None:
    pictures, features = planted(90)
    found = suggest(pictures[:30], [p.id for p in pictures[30:]], [features])
    assert found
    assert found.classes == CLASSES
    assert found.chances.shape == (60, 3)
    assert np.allclose(found.chances.sum(axis=1), 1, atol=1e-5)
    truth = {p.id: p.label for p in pictures}
    by_class = found.by_class()
    assert sum(map(len, by_class.values())) == 60
    assert all(truth[id_] == name for name, rows in by_class.items() for id_, _ in rows)
    for rows in by_class.values():
        assert [p for _, p in rows] == sorted((p for _, p in rows), reverse=True)


def test_a_second_view_is_learnt_from_and_asked_and_never_betrays_what_was_held_out() -> None:
    pictures, one = planted(150, spread=5.0)
    random = np.random.default_rng(5)
    other = {i: (row + 3 * random.standard_normal(24)).astype(np.float16) for i, row in one.items()}
    known, asked = pictures[:60], [p.id for p in pictures[60:]]
    found = suggest(known, asked, [one, other])
    assert found
    assert found.chances.shape == (90, 3)
    assert len(found.reliability.chances) == 60
    plain, second = suggest(known, asked, [one]), suggest(known, asked, [other])
    assert plain and second
    assert np.abs(found.chances - plain.chances).max() > 0.02 < np.abs(found.chances - second.chances).max()
    again = suggest_again(found, known, asked, [one, other])
    assert again and np.allclose(again.chances, found.chances, atol=1e-4)
    drawn = [Picture(p.id, p.path, str(random.choice(CLASSES)), 1) for p in pictures]
    by_lot = suggest(drawn[:120], asked, [one, one])
    assert by_lot
    right, number = by_lot.reliability.above(0.0)
    assert 0.2 < right / number < 0.5, "a picture's other view is held out with it"


def test_reliability_is_measured_on_pictures_that_were_not_learnt() -> None:
    """With labels drawn by lot nothing can be known: learnt ones would seem right, held-out ones are not."""
    pictures, features = planted(150, spread=1.0)
    random = np.random.default_rng(3)
    drawn = [Picture(p.id, p.path, str(random.choice(CLASSES)), 1) for p in pictures]
    found = suggest(drawn[:120], [p.id for p in drawn[120:]], [features])
    assert found
    right, asked = found.reliability.above(0.0)
    assert asked == 120
    assert 0.2 < right / asked < 0.5
    told = suggest(pictures[:120], [p.id for p in pictures[120:]], [features])
    assert told
    assert told.reliability.above(0.5)[0] > 0.95 * told.reliability.above(0.5)[1] > 100


def test_reliability_counts_what_is_sure_enough() -> None:
    found = Reliability(np.array([0.99, 0.96, 0.7, 0.6], np.float32), np.array([True, False, True, True]))
    assert found.above(0.95) == (1, 2)
    assert found.above(0.5) == (3, 4)
    assert found.above(1.0) == (0, 0)


def test_least_sure_comes_first() -> None:
    chances = np.array([[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.5, 0.2, 0.3]], np.float32)
    nothing = Reliability(np.zeros(0, np.float32), np.zeros(0, bool))
    assert Suggestions(("sure", "torn", "open"), CLASSES, chances, nothing, 0.1).least_sure() == [
        "torn",
        "open",
        "sure",
    ]


@pytest.mark.parametrize("number", [0, 1, 7])
def test_without_two_classes_to_learn_nothing_is_suggested(number: int) -> None:
    pictures, features = planted(60)
    one = [p for p in pictures if p.label == "ant"][:10]
    assert suggest(one, [p.id for p in pictures[30:]], [features]) is None
    few = pictures[: min(number, 4)]
    assert suggest(few, [p.id for p in pictures[30:]], [features]) is None


def test_thin_classes_are_not_suggested_and_unseen_pictures_are_left_out() -> None:
    pictures, features = planted(60)
    known = [p for p in pictures[:30] if p.label != "cat"] + [p for p in pictures if p.label == "cat"][:1]
    del features[pictures[40].id]
    found = suggest(known, [p.id for p in pictures[30:]], [features])
    assert found
    assert found.classes == ("ant", "bee")
    assert len(found.ids) == 29
    assert suggest(known, [], [features]) is None


def test_suggestions_follow_corrections_in_one_fit_as_if_all_were_worked_out_anew() -> None:
    pictures, features = planted(90)
    known = [p for p in pictures[:30] if p.label != "cat"]
    before = suggest(known, [p.id for p in pictures[30:]], [features])
    assert before
    assert before.classes == ("ant", "bee")
    corrected = [*known, *[p for p in pictures[30:] if p.label == "cat"][:3]]
    asked = [p.id for p in pictures[30:] if p not in corrected]
    again = suggest_again(before, corrected, asked, [features])
    assert again
    assert set(again.classes) == {"ant", "bee", "cat"}
    assert again.ids == tuple(asked)
    assert again.reliability is before.reliability
    label = {p.id: p.label for p in pictures}
    assert all(label[i] == name for name, rows in again.by_class().items() for i, _ in rows)
    anew = suggest(corrected, asked, [features])
    assert anew
    assert (anew.chances.argmax(axis=1) == again.chances.argmax(axis=1)).all()
    assert suggest_again(before, [], asked, [features]) is None
    assert suggest_again(before, corrected, [], [features]) is None


def test_evened_out_a_small_class_is_asked_for_more_often() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(220, 6)).astype(np.float32)
    labels = np.array([0] * 200 + [1] * 20)
    rows[labels == 1, 0] += 1.5
    plain, evened = (fitted_head(rows, labels, 2, 0.01, evened=e).probabilities(rows) for e in (False, True))
    assert evened[:, 1].mean() > 1.5 * plain[:, 1].mean()


def test_the_first_groups_show_different_things() -> None:
    pictures, features = planted(180)
    label = {p.id: p.label for p in pictures}
    groups = look_alikes([p.id for p in pictures], features)
    assert {label[group[0]] for group in groups[:3]} == {"ant", "bee", "cat"}


def test_look_alikes_are_mostly_of_one_class_and_nobody_is_forgotten() -> None:
    pictures, features = planted(180)
    groups = look_alikes([p.id for p in pictures], features)
    assert sorted(i for g in groups for i in g) == sorted(p.id for p in pictures)
    label = {p.id: p.label for p in pictures}
    assert 6 <= len(groups) <= 20
    assert all(len({label[i] for i in group}) == 1 for group in groups)
    assert look_alikes([], features) == []
    assert look_alikes([p.id for p in pictures[:5]], features) == [[p.id for p in pictures[:5]]]


def test_the_most_alike_come_first_beginning_with_the_picture_itself() -> None:
    pictures, features = planted(60)
    found = most_like(pictures[7].id, features, most=15)
    assert found[0] == pictures[7].id
    label = {p.id: p.label for p in pictures}
    assert {label[i] for i in found} == {pictures[7].label}
    assert most_like("unknown", features) == []


def test_what_was_sorted_in_one_step_is_held_out_together() -> None:
    """Each class was named in two groups that look quite different: knowing one says nothing about the other."""
    random = np.random.default_rng(1)
    pictures, features, steps = [], {}, {}
    for group in range(6):
        middle = random.standard_normal(24) * 3
        for n in range(10):
            id_ = f"{group}-{n}"
            pictures.append(Picture(id_, Path(f"{id_}.jpg"), CLASSES[group % 3], 1))
            features[id_] = (middle + 0.3 * random.standard_normal(24)).astype(np.float16)
            steps[id_] = str(group)
    unsorted = ["new"]
    features["new"] = features["0-0"]
    one_by_one = suggest(pictures, unsorted, [features])
    in_steps = suggest(pictures, unsorted, [features], steps=steps)
    assert one_by_one
    assert in_steps
    assert one_by_one.reliability.above(0.0) == (60, 60)
    right, asked = in_steps.reliability.above(0.0)
    assert asked > 0
    assert right / asked < 0.7


def test_what_nobody_looked_at_and_what_could_not_be_known_is_no_evidence() -> None:
    pictures, features = planted(60)
    known, unsorted = pictures[:45], [p.id for p in pictures[45:]]
    unchecked = {p.id for p in known[:20]}
    found = suggest(known, unsorted, [features], unchecked=unchecked)
    assert found
    assert found.reliability.above(0.0)[1] == 25
    in_one_step = dict.fromkeys((p.id for p in known if p.label == "cat"), "all cats")
    found = suggest(known, unsorted, [features], steps=in_one_step)
    assert found
    assert found.reliability.above(0.0)[1] == 30


def test_cross_validation_asks_every_picture_once_and_keeps_shots_together() -> None:
    pictures, features = planted(60)
    right, asked, folds = cross_validate(pictures, features, []) or (0, 0, [])
    assert asked == 60
    assert right >= 58
    assert len(folds) == 5
    assert cross_validate([p for p in pictures if p.label == "ant"], features, []) is None
    # Labels by lot: only a twin that was learnt can betray the answer.
    random = np.random.default_rng(2)
    features = {p.id: (20 * random.standard_normal(400)).astype(np.float16) for p in pictures}
    drawn = [Picture(p.id, p.path, str(random.choice(CLASSES)), 1) for p in pictures]
    both = [*drawn, *(Picture(f"{p.id}-twin", p.path, p.label, 1) for p in drawn)]
    features |= {f"{p.id}-twin": features[p.id] for p in drawn}
    leaking = cross_validate(both, features, [])
    honest = cross_validate(both, features, [[p.id, f"{p.id}-twin"] for p in drawn])
    assert leaking
    assert honest
    assert leaking[0] / leaking[1] > 0.75
    assert honest[0] / honest[1] < 0.55
