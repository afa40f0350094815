"""Several views of a picture: what they are, which count, and that their answers are averaged."""

from __future__ import annotations

import numpy as np
import pytest

from imgtag.serving.predictor import load_predictor
from imgtag.serving.tta import compare_ways
from imgtag.serving.views import RANDOM_VIEWS, Way, averaged, views_of_picture
from imgtag.training.backbones import BACKBONES
from imgtag.training.extractor import load_extractor
from imgtag.training.runs import Run
from imgtag.training.trust import tempered
from tests.drawing import encode, scene

HOW = BACKBONES["efficientnet_lite0"].preprocessing
PICTURE = encode(scene(5))


@pytest.mark.parametrize(
    ("way", "mirror", "number"),
    [
        ("once", True, 1),
        ("plain", False, 1),
        ("plain", True, 2),
        ("fixed", False, 4),
        ("fixed", True, 4),
        ("random", True, 6),
    ],
)
def test_every_way_has_its_views_the_plain_one_first(way: Way, mirror: bool, number: int) -> None:
    views = views_of_picture(PICTURE, HOW, way, mirror=mirror)
    assert [(v.shape, v.dtype) for v in views] == number * [((HOW.size, HOW.size, 3), np.uint8)]
    assert np.array_equal(views[0], views_of_picture(PICTURE, HOW, "plain", mirror=False)[0])
    assert all(not np.array_equal(views[0], v) for v in views[1:])


def test_fixed_views_are_mirrored_and_larger() -> None:
    plain, mirrored, larger, _ = (v.astype(int) for v in views_of_picture(PICTURE, HOW, "fixed", mirror=False))
    assert np.array_equal(mirrored, plain[:, ::-1])
    middle = larger[8:-8, 8:-8]  # of the larger one lies further in on the plain one
    assert abs(middle.mean() - plain[20:-20, 20:-20].mean()) < 12


def test_random_views_are_the_same_each_time_and_the_plain_one_does_not_count() -> None:
    first, again = (views_of_picture(PICTURE, HOW, "random", mirror=True) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert list(range(6))[averaged("random", 6)] == [1, 2, 3, 4, 5]
    assert len(first) == RANDOM_VIEWS + 1
    assert list(range(4))[averaged("fixed", 4)] == [0, 1, 2, 3]


def test_the_answer_is_the_mean_over_the_views(trained: Run) -> None:
    """Probabilities of the four views, each worked out alone with the engine and the head, are averaged by hand."""
    predictor = load_predictor(trained)
    (member,) = predictor.model.members
    extractor = load_extractor(member.row)
    views = np.stack(views_of_picture(PICTURE, member.row.preprocessing, "fixed", mirror=False))
    chances = member.head.probabilities(extractor.run(views).astype(np.float16)).mean(axis=0)
    expected = tempered(chances[None], predictor.model.trust.temperature)[0]
    (answer,) = predictor.classify([("x", PICTURE)], way="fixed")
    found = {t.label: t.probability for t in answer.tags}
    assert [found[c] for c in predictor.model.classes] == pytest.approx(expected.tolist(), abs=0.01)
    (plain,) = predictor.classify([("x", PICTURE)])
    assert {t.label: t.probability for t in plain.tags} != found


def test_ways_are_compared_on_the_same_pictures(trained: Run) -> None:
    told: list[tuple[int, int]] = []
    found = compare_ways(trained, "val", lambda done, total: told.append((done, total)))
    plain = found[0]
    assert [f.way for f in found] == ["plain", "fixed", "random"]
    assert (plain.fixed, plain.newly_wrong, plain.chance) == (0, 0, 1.0)
    assert all(f.right == sum(r for r, _ in f.by_class.values()) for f in found)
    assert all(f.right == plain.right + f.fixed - f.newly_wrong for f in found)
    assert told[-1][1] == 3 * plain.n
    assert compare_ways(trained, "no such split") == []
