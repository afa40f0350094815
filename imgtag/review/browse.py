"""Which pictures of an evaluation to look at, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from imgtag.review.matrix import ANY, Cell
from imgtag.review.metrics import Prediction

Order = Literal["surprising", "sure", "unsure", "random"]


@dataclass(frozen=True)
class Wanted:
    """cell: the label and what the model said, each may be ANY. right: None for right and wrong ones. least, most: how
    sure the model was of what it said, 0 to 1."""

    cell: Cell = (ANY, ANY)
    right: bool | None = None
    least: float = 0.0
    most: float = 1.0

    def takes(self, p: Prediction) -> bool:
        """Whether it is one of them."""
        label, said = self.cell
        return (
            label in (ANY, p.label)
            and said in (ANY, p.predicted)
            and self.right in (None, p.right)
            and self.least <= p.probability <= self.most
        )


def browse(predictions: Sequence[Prediction], wanted: Wanted, order: Order, seed: int = 0) -> list[Prediction]:
    """Those that are wanted. surprising: highest loss first; sure, unsure: by the probability of what was said."""
    found = [p for p in predictions if wanted.takes(p)]
    if order == "random":
        return [found[i] for i in np.random.default_rng(seed).permutation(len(found))]
    keys = {"surprising": lambda p: -p.loss, "sure": lambda p: -p.probability, "unsure": lambda p: p.probability}
    return sorted(found, key=keys[order])
