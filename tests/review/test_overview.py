"""What the figures mean: guessing, confusions, weak classes."""

from __future__ import annotations

from imgtag.data.projects import Project
from imgtag.review.metrics import evaluate
from imgtag.review.overview import Confusion, findings, overview
from tests.drawing import picture, write_tree
from tests.review.test_comparison import run_of


def test_guessing_confusions_and_weak_classes(shapes: Project) -> None:
    write_tree(shapes.images / "star", {f"{n}.png": picture("green", n) for n in range(5)})
    said = {f"t{n}": ("train", "circle" if n < 6 else "star", "circle") for n in range(8)}
    answers = {"circle": ["circle"] * 8, "square": ["square"] * 4 + ["circle"], "star": ["circle"] * 3 + ["star"]}
    said |= {f"{c}{n}": ("val", c, a) for c, listed in answers.items() for n, a in enumerate(listed)}
    found = overview(evaluate(run_of(shapes, said), "val"))
    assert found.guess == "circle"
    assert found.guessing == 8 / 17
    assert found.confusions == [Confusion("star", "circle", 3, 4)], "a single mistake is no habit"
    assert [(f.label, f.recall, f.train_count) for f in found.weak] == [("star", 0.25, 2)]


def test_where_all_is_right_nothing_is_weak(shapes: Project) -> None:
    said = {f"{c}{n}": ("val", c, c) for c in ("circle", "square") for n in range(5)}
    found = overview(evaluate(run_of(shapes, said), "val"))
    assert (list(found.confusions), list(found.weak)) == ([], [])
    assert (found.guess, found.guessing) == ("", 0.5), "no class is the largest"


def test_mistakes_of_which_none_happened_twice_are_told_too(shapes: Project) -> None:
    said = {f"{c}{n}": ("val", c, c) for c in ("circle", "square") for n in range(5)}
    assert not any("mistake" in line for line in findings(evaluate(run_of(shapes, said), "val"), str))
    said |= {"x": ("val", "circle", "square"), "y": ("val", "square", "circle")}
    lines = findings(evaluate(run_of(shapes, said), "val"), str)
    assert "Its 2 mistakes are all of different kinds." in lines
