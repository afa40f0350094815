"""Which pictures are looked at: by cell, right or wrong, how sure, in four orders."""

from __future__ import annotations

import pytest

from imgtag.review.browse import Order, Wanted, browse
from imgtag.review.metrics import Prediction


def said(name: str, label: str, predicted: str, probability: float, loss: float) -> Prediction:
    return Prediction(name, name, "val", label, predicted, probability, 0.1, loss, {})


PICTURES = [
    said("1", "a", "a", 0.9, 0.1),
    said("2", "a", "b", 0.8, 2.5),
    said("3", "b", "b", 0.5, 0.7),
    said("4", "b", "a", 0.4, 1.2),
]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), "1234"),
        (Wanted(("a", "")), "12"),
        (Wanted(("", "a")), "14"),
        (Wanted(("a", "b")), "2"),
        (Wanted(right=False), "24"),
        (Wanted(right=True, least=0.6), "1"),
        (Wanted(most=0.5), "34"),
    ],
)
def test_what_is_wanted_is_found(wanted: Wanted, names: str) -> None:
    assert sorted(p.path for p in browse(PICTURES, wanted, "sure")) == list(names)


@pytest.mark.parametrize(("order", "names"), [("surprising", "2431"), ("sure", "1234"), ("unsure", "4321")])
def test_the_order_is_by_loss_or_by_how_sure_it_was(order: Order, names: str) -> None:
    assert [p.path for p in browse(PICTURES, Wanted(), order)] == list(names)


def test_a_random_sample_is_another_one_with_another_seed_only() -> None:
    many = [said(str(n), "a", "a", 0.5, 0.1) for n in range(50)]
    first, again, other = (browse(many, Wanted(), "random", seed) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(p.path for p in other) == sorted(p.path for p in many)
