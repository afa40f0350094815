"""Labels that look wrong: planted mistakes come first, with the right proposal; what was decided is not asked again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imgtag.data import edits
from imgtag.data.dataset import Picture, look
from imgtag.data.projects import Project
from imgtag.review.suspects import find_suspects, look_for_suspects

CLASSES = ("cat", "dog", "owl")


def cloud(seed: int, each: int = 20) -> tuple[list[Picture], dict[str, np.ndarray]]:
    """Pictures of three classes whose features (8) lie around one point for each class."""
    rng = np.random.default_rng(seed)
    pictures, features = [], {}
    for k, name in enumerate(CLASSES):
        for n in range(each):
            id_ = f"{name}-{n}"
            pictures.append(Picture(id_, Path(f"{id_}.png"), name, 1))
            features[id_] = (3 * np.eye(8)[k] + rng.normal(0, 0.5, 8)).astype(np.float16)
    return pictures, features


def mislabelled(pictures: list[Picture], wrong: dict[str, str]) -> list[Picture]:
    """The same pictures, some under another label."""
    return [Picture(p.id, p.path, wrong.get(p.id, p.label), p.size) for p in pictures]


def test_planted_mistakes_come_first_with_the_right_proposal() -> None:
    pictures, features = cloud(0)
    wrong = {"cat-3": "dog", "owl-7": "cat", "dog-11": "owl"}
    found = find_suspects(mislabelled(pictures, wrong), [features])
    assert {s.id for s in found[:3]} == set(wrong)
    assert {s.id: s.suggested for s in found[:3]} == {"cat-3": "cat", "owl-7": "owl", "dog-11": "dog"}
    assert all(0.7 < s.score <= 1 for s in found[:3])
    assert len(found) <= 4, "what is right is not suspected"


def test_what_somebody_decided_is_not_asked_again_unless_the_label_changed() -> None:
    pictures, features = cloud(1)
    labelled = mislabelled(pictures, {"cat-3": "dog"})
    assert "cat-3" in {s.id for s in find_suspects(labelled, [features])}
    assert "cat-3" not in {s.id for s in find_suspects(labelled, [features], decided={"cat-3": "dog"})}
    assert "cat-3" in {s.id for s in find_suspects(labelled, [features], decided={"cat-3": "cat"})}


def test_twins_do_not_vouch_for_each_other() -> None:
    """Two shots of one cat, both called dog: each alone would be learnt from the other."""
    pictures, features = cloud(2)
    far = np.array([9, 0, 0, 0, 0, 0, 0, 9], np.float16)  # unlike all others, so that only the twin tells
    features |= {"cat-3": far, "cat-4": far}
    labelled = mislabelled(pictures, {"cat-3": "dog", "cat-4": "dog"})
    alone = {s.id: s.score for s in find_suspects(labelled, [features])}
    together = {s.id: s.score for s in find_suspects(labelled, [features], shots=[["cat-3", "cat-4"]])}
    assert min(together["cat-3"], together["cat-4"]) > max(alone.get("cat-3", 0.5), alone.get("cat-4", 0.5))


def test_a_class_that_is_one_burst_is_held_out_in_pieces_and_not_suspected() -> None:
    pictures, features = cloud(7)
    features |= {i: np.array([0, 9, 9, 0, 0, 0, 0, 0], np.float16) for i in ("cat-0", "cat-1")}  # other cats
    labelled = mislabelled(pictures, {"cat-3": "dog"})
    burst = [p.id for p in labelled if p.label == "cat"][2:]
    found = [s.id for s in find_suspects(labelled, [features], shots=[burst])]
    assert "cat-3" in found
    assert len(set(found) & set(burst)) <= 1, "without pieces it is all of them"


def test_a_stray_of_a_burst_is_asked_about_and_not_the_whole_burst() -> None:
    pictures, features = cloud(8)
    burst = [p.id for p in pictures if p.label == "cat"]
    features |= dict.fromkeys(burst, features["cat-0"])
    found = find_suspects(mislabelled(pictures, {"cat-3": "dog"}), [features], shots=[burst])
    assert [s.id for s in found if s.twin] == ["cat-3"]


@pytest.mark.parametrize("kept", [0, 20])
def test_without_two_classes_or_features_nothing_is_suspected(kept: int) -> None:
    pictures, features = cloud(3)
    assert find_suspects(pictures[:kept], [features]) == []
    assert find_suspects(pictures, []) == []
    assert find_suspects(pictures, [{}]) == []


def test_of_twins_in_two_classes_the_likelier_mistake_comes_first() -> None:
    pictures, features = cloud(4)
    features["owl-5"] = features["cat-5"]  # the same cat, once among the owls
    wrong = mislabelled(pictures, {"dog-11": "owl"})
    first, second = find_suspects(wrong, [features], shots=[["cat-5", "owl-5"]])[:2]
    assert (first.id, first.suggested, first.twin) == ("owl-5", "cat", "cat")
    assert (second.id, second.twin) == ("dog-11", "")
    assert "cat-5" not in {s.id for s in find_suspects(wrong, [features], shots=[["cat-5", "owl-5"]])}


def test_twins_that_are_like_neither_class_are_both_asked_about_until_decided() -> None:
    pictures, features = cloud(5)
    between = np.array([9, 9, 0, 0, 0, 0, 0, 0], np.float16)
    features |= {"cat-5": between, "dog-5": between}
    shots, decided = [["cat-5", "dog-5"]], {"cat-5": "cat"}
    asked = {s.id for s in find_suspects(pictures, [features], shots) if s.twin}
    assert asked and asked <= {"cat-5", "dog-5"}
    (left,) = (s for s in find_suspects(pictures, [features], shots, decided) if s.twin)
    assert (left.id, left.suggested, left.twin) == ("dog-5", "cat", "cat")
    assert not [s for s in find_suspects(pictures, [features], shots, decided | {"dog-5": "dog"}) if s.twin]


def test_it_tells_how_far_it_is() -> None:
    pictures, features = cloud(6)
    told: list[tuple[int, int]] = []
    find_suspects(pictures, [features, features], on_progress=lambda done, of: told.append((done, of)))
    assert told == sorted(told)
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 20


def test_what_was_found_is_remembered_until_a_label_changes(numbers: Project) -> None:
    moved = look(numbers).by_class["1"][0].id
    edits.move_pictures(numbers, [moved], "10")
    work: list[int] = []
    found = look_for_suspects(look(numbers), lambda done, total: work.append(done))
    assert moved in {s.id for s in found}
    assert work
    work.clear()
    assert look_for_suspects(look(numbers), lambda done, total: work.append(done)) == found
    assert not work, "a second look reads what the first one wrote down"
    edits.keep_labels(numbers, [moved])
    assert moved not in {s.id for s in look_for_suspects(look(numbers))}
    (numbers.cache / "suspects.json").write_text("{")
    assert moved not in {s.id for s in look_for_suspects(look(numbers))}
