"""The matrix for people: likely confusions side by side, rows and columns beside the cells."""

from __future__ import annotations

import numpy as np

from imgtag.data.projects import Project
from imgtag.review.matrix import cells_worth_a_look, similar_order, with_mistakes, with_their_confusions
from imgtag.review.metrics import Evaluation, evaluate
from tests.review.test_metrics import run_with_classes, written

SHIP, DOG, BOAT, CAT = range(4)


def of_two_kinds(project: Project) -> Evaluation:
    """Ships look like boats and dogs like cats; in the alphabet they are mixed."""
    names = ["a ship", "b dog", "c boat", "d cat"]
    like = {SHIP: BOAT, BOAT: SHIP, DOG: CAT, CAT: DOG}
    table = []
    for label, other in like.items():
        chances = np.full(4, 0.05)
        chances[[label, other]] = 0.6, 0.3
        table += [(names[label], chances)] * 3
        wrong = np.full(4, 0.1)
        wrong[other] = 0.7
        table.append((names[label], wrong))
    return evaluate(written(run_with_classes(project, names), "val", table), "val")


def test_classes_that_are_taken_for_one_another_are_neighbours(project: Project) -> None:
    order = similar_order(of_two_kinds(project))
    assert sorted(order) == ["a ship", "b dog", "c boat", "d cat"]
    assert {frozenset(order[:2]), frozenset(order[2:])} == {
        frozenset({"a ship", "c boat"}),
        frozenset({"b dog", "d cat"}),
    }


def test_mistakes_come_before_whole_rows_and_columns_and_what_is_right(project: Project) -> None:
    cells = cells_worth_a_look(of_two_kinds(project))
    assert next(iter(cells.items())) == (("", ""), 16)
    assert list(cells.values()) == [16] + 4 * [1] + 4 * [4] + 4 * [4] + 4 * [3]
    assert list(cells)[1][0] != list(cells)[1][1]
    assert cells["b dog", ""] == cells["", "d cat"] == 4


def test_a_class_is_shown_with_what_it_is_taken_for(project: Project) -> None:
    found = of_two_kinds(project)
    assert with_their_confusions(found, ["b dog"], similar_order(found)) in (["b dog", "d cat"], ["d cat", "b dog"])


def test_classes_without_a_mistake_can_be_left_out(project: Project) -> None:
    run = run_with_classes(project, ["a", "b", "c", "d"])
    said = {"a": 0, "b": 2, "c": 2, "d": 3}  # b is called c
    found = evaluate(written(run, "val", [(label, np.eye(4)[at]) for label, at in said.items()]), "val")
    assert with_mistakes(found, ["d", "c", "b", "a"]) == ["c", "b"], "in the order that was asked for"
