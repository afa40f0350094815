"""The confusion matrix for people: classes that are taken for one another side by side, and what to look at in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imgtag.review.metrics import Evaluation

ANY = ""  # in a cell: whatever the label, or whatever the model said
Cell = tuple[str, str]  # label and prediction; each may be ANY


def similar_order(found: Evaluation) -> list[str]:
    """The classes in an order in which those that the model takes for one another are neighbours.

    Average linkage over the mean probability that the pictures of one class have for the other, with the order of the
    leaves that keeps neighbours closest (Bar-Joseph et al. 2001).
    """
    classes = list(found.classes)
    if len(classes) < 3:
        return classes
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    at = {name: number for number, name in enumerate(classes)}
    said = np.zeros((len(classes), len(classes)))
    for p in found.predictions:
        for name, chance in p.top.items():
            if name in at:
                said[at[p.label], at[name]] += chance
    said /= np.maximum(said.sum(axis=1, keepdims=True), 1e-9)
    apart = 2 - said - said.T
    np.fill_diagonal(apart, 0)
    distances = squareform(apart, checks=False)
    tree = optimal_leaf_ordering(linkage(distances, "average"), distances)
    return [classes[i] for i in leaves_list(tree)]


def cells_worth_a_look(found: Evaluation) -> dict[Cell, int]:
    """Cells, rows and columns of the matrix with their numbers of pictures: all, mistakes, classes, what is right."""
    filled = found.filled_cells
    cells: dict[Cell, int] = {(ANY, ANY): found.n}
    cells |= {(label, said): n for label, said, n in filled if label != said}
    of_label, called = found.confusion.sum(axis=1), found.confusion.sum(axis=0)
    cells |= {(name, ANY): int(n) for name, n in zip(found.classes, of_label, strict=True) if n}
    cells |= {(ANY, name): int(n) for name, n in zip(found.classes, called, strict=True) if n}
    return cells | {(label, said): n for label, said, n in filled if label == said}


def with_their_confusions(found: Evaluation, wanted: Sequence[str], order: Sequence[str]) -> list[str]:
    """These classes and those that they are taken for, or that are taken for them, in the given order."""
    at = {name: number for number, name in enumerate(found.classes)}
    rows = [at[name] for name in wanted]
    touched = found.confusion[rows].sum(axis=0) + found.confusion[:, rows].sum(axis=1)
    return [name for name in order if name in wanted or touched[at[name]]]


def with_mistakes(found: Evaluation, order: Sequence[str]) -> list[str]:
    """The classes of which a picture was called another one, or that another one's picture was called."""
    wrong = found.confusion - np.diag(found.confusion.diagonal())
    touched = wrong.sum(axis=0) + wrong.sum(axis=1)
    return [name for name in order if touched[found.classes.index(name)]]
