"""What a way of training has to show for itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """Result of one training.

    train_seconds: from the first picture to the finished model, without imports and without the test.
    pictures: training pictures that were learnt from, counted again in every epoch.
    val_right, test_right: pictures of that split which the finished model has right.
    """

    train_seconds: float
    epochs: int
    pictures: int
    val_right: int
    test_right: int
