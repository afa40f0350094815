"""Suggests classes for unsorted pictures: a head fitted on the features of the sorted ones, in a second or so.

No training run is needed. How far suggestions can be trusted is measured on the sorted pictures themselves, each asked
of a head that has not seen it. What was sorted in one step is held out together: pictures that were named as a group
look alike, and one would betray the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from imgtag.data.dataset import Picture
from imgtag.data.splits import shot_numbers
from imgtag.training.head import Head, Scaler
from imgtag.training.logistic import Span, choose_strength, fit, grouped_folds

_MOST_ROWS = 4000  # looks at sorted pictures to learn from: more change little and cost seconds
_VARIETY = 0.5  # how much the distance from groups before counts beside closeness; on boats-small, 0.5 saved the most
FOLDS = 5


@dataclass(frozen=True)
class Reliability:
    """Held-out answers about sorted pictures: chances float32 (N,), the largest of each; right bool (N,).

    Pictures whose class was all held out with them are not among them: nothing could be known of it.
    """

    chances: np.ndarray
    right: np.ndarray

    def above(self, least: float) -> tuple[int, int]:
        """How many of the held-out answers with at least this probability were right, and of how many."""
        sure = self.chances >= least
        return int(self.right[sure].sum()), int(sure.sum())


@dataclass(frozen=True)
class Suggestions:
    """ids: the unsorted pictures. chances: float32 (N, K) of the classes, rows sum to 1. strength: of the
    regularisation that was chosen."""

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    chances: np.ndarray
    reliability: Reliability
    strength: float

    def by_class(self) -> dict[str, list[tuple[str, float]]]:
        """For each class the ids that are most likely of it with their probability, surest first."""
        found: dict[str, list[tuple[str, float]]] = {name: [] for name in self.classes}
        best = self.chances.argmax(axis=1)
        for row in np.argsort(-self.chances.max(axis=1), kind="stable"):
            found[self.classes[best[row]]].append((self.ids[row], float(self.chances[row, best[row]])))
        return {name: rows for name, rows in found.items() if rows}

    def least_sure(self) -> list[str]:
        """All ids, those first where the two likeliest classes are closest (margin sampling; Scheffer et al. 2001)."""
        two = np.sort(self.chances, axis=1)[:, -2:]
        return [self.ids[row] for row in np.argsort(two[:, 1] - two[:, 0], kind="stable")]


def suggest(
    sorted_pictures: Sequence[Picture],
    unsorted: Sequence[str],
    looks: Sequence[Mapping[str, np.ndarray]],
    least: int = 3,
    steps: Mapping[str, str] | None = None,
    unchecked: Set[str] = frozenset(),
    seed: int = 0,
) -> Suggestions | None:
    """Suggestions for the unsorted ids that were looked at; None while no two classes can be learnt.

    looks: features by id, float16 (D,), from each look at the pictures, perhaps one closer than the other: all are
    learnt from, and the answers about them are averaged.
    least: pictures of a class before it is suggested. steps: for a sorted picture the step that sorted it.
    unchecked: sorted pictures that nobody looked at, since many suggestions were accepted at once; they say nothing
    about how often suggestions are right.
    """
    known, classes = _lessons(sorted_pictures, looks, least, seed)
    asked = tuple(i for i in unsorted if i in looks[0])
    if len(classes) < 2 or not asked:
        return None
    rows, labels = _rows_and_labels(known, classes, looks)
    once = slice(len(known))  # the first view is enough to choose by
    strength = choose_strength(rows[once], labels[once], np.arange(len(known)), len(classes), seed)
    groups = np.unique([(steps or {}).get(p.id, p.id) for p in known], return_inverse=True)[1]
    chances = held_out_chances(rows, labels, np.tile(groups, len(looks)), len(classes), strength, seed, evened=True)
    chances = chances.reshape(len(looks), len(known), len(classes)).mean(axis=0)
    counts_for = ~np.isnan(chances[:, 0]) & np.array([p.id not in unchecked for p in known])
    reliability = Reliability(
        chances[counts_for].max(axis=1, initial=0), chances[counts_for].argmax(axis=1) == labels[once][counts_for]
    )
    head = fitted_head(rows, labels, len(classes), strength, evened=True)
    return Suggestions(asked, classes, _answers(head, asked, looks), reliability, strength)


def suggest_again(
    before: Suggestions,
    sorted_pictures: Sequence[Picture],
    unsorted: Sequence[str],
    looks: Sequence[Mapping[str, np.ndarray]],
    least: int = 3,
    seed: int = 0,
) -> Suggestions | None:
    """New suggestions after a few corrections, with the strength and the reliability of those before: one fit instead
    of dozens. See `suggest`."""
    known, classes = _lessons(sorted_pictures, looks, least, seed)
    asked = tuple(i for i in unsorted if i in looks[0])
    if len(classes) < 2 or not asked:
        return None
    head = fitted_head(*_rows_and_labels(known, classes, looks), len(classes), before.strength, evened=True)
    return replace(before, ids=asked, classes=classes, chances=_answers(head, asked, looks))


def _lessons(
    sorted_pictures: Sequence[Picture], looks: Sequence[Mapping[str, np.ndarray]], least: int, seed: int
) -> tuple[list[Picture], tuple[str, ...]]:
    """The pictures to learn from, and the classes that hold enough of them."""
    known = [p for p in sorted_pictures if p.id in looks[0]]
    counts = Counter(p.label for p in known)
    classes = tuple(name for name, count in counts.items() if count >= least)
    known = [p for p in known if p.label in classes]
    most = _MOST_ROWS // len(looks)
    if len(known) > most:
        known = [known[i] for i in np.random.default_rng(seed).permutation(len(known))[:most]]
    return known, classes


def _rows_and_labels(
    known: Sequence[Picture], classes: Sequence[str], looks: Sequence[Mapping[str, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (V * N, D), view after view, and labels int (V * N,)."""
    rows = np.stack([features[p.id] for features in looks for p in known]).astype(np.float32)
    return rows, np.array([classes.index(p.label) for _ in looks for p in known])


def _answers(head: Head, asked: Sequence[str], looks: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """Probabilities float32 (N, K), the mean over the looks."""
    answers = [head.probabilities(np.stack([features[i] for i in asked])) for features in looks]
    return np.asarray(np.mean(answers, axis=0), np.float32)


def held_out_chances(
    rows: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    strength: float,
    seed: int = 0,
    on_fold: Callable[[], None] = lambda: None,
    *,
    evened: bool = False,
) -> np.ndarray:
    """Probabilities float32 (N, K), each row's by a head that has not learnt its group; NaN where nothing was known
    of its class without it.

    rows: float32 (N, D). labels, groups: int (N,), see `grouped_folds`. on_fold is called after each of the FOLDS.
    evened: see `fitted_head`.
    """
    chances = np.full((len(rows), classes), np.nan, np.float32)
    fold = grouped_folds(labels, groups, FOLDS, seed)
    for number in range(FOLDS):
        held_out = fold == number
        taught = np.unique(labels[~held_out])
        if held_out.any() and len(taught) > 1:
            asked = held_out & np.isin(labels, taught)
            head = fitted_head(rows[~held_out], labels[~held_out], classes, strength, evened=evened)
            chances[asked] = head.probabilities(rows[asked])
        on_fold()
    return chances


def cross_validate(
    pictures: Sequence[Picture], features: Mapping[str, np.ndarray], shots: Sequence[Sequence[str]], seed: int = 0
) -> tuple[int, int, list[float]] | None:
    """How many of these pictures a head recognises that has not learnt them, of how many, and the share fold by fold.

    Pictures of the same shot are held out together. The strength is chosen from all, which flatters the figure
    a little. None where there are not two classes to tell apart.
    """
    known = [p for p in pictures if p.id in features]
    classes = sorted({p.label for p in known})
    if len(classes) < 2:
        return None
    rows = np.stack([features[p.id] for p in known]).astype(np.float32)
    labels = np.array([classes.index(p.label) for p in known])
    groups = np.array(shot_numbers(known, shots))
    strength = choose_strength(rows, labels, groups, len(classes), seed)
    chances = held_out_chances(rows, labels, groups, len(classes), strength, seed)
    asked = ~np.isnan(chances[:, 0])
    right = np.nan_to_num(chances).argmax(axis=1) == labels
    fold = grouped_folds(labels, groups, FOLDS, seed)
    shares = [float(right[asked & (fold == n)].mean()) for n in range(FOLDS) if (asked & (fold == n)).any()]
    return (int(right[asked].sum()), int(asked.sum()), shares) if shares else None


def look_alikes(ids: Sequence[str], features: Mapping[str, np.ndarray], size: int = 12) -> list[list[str]]:
    """Groups of about `size` pictures that look alike; for pictures without any labels.

    The closest group comes first, then the one that is close in itself and far from those before: the first ten show
    most of the classes that there are. Ward's agglomerative clustering (1963) on 64 principal components of the
    standardised features; over 5,000 pictures, k-means. On the tutorials' sets 73 to 98 % of a group belong to one
    class.
    """
    known = [i for i in ids if i in features]
    if len(known) < 2 * size:
        return [known] if known else []
    from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans
    from sklearn.decomposition import PCA

    rows = np.stack([features[i] for i in known])
    scaled = Scaler.of(rows).apply(rows)
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6)
    points = PCA(min(64, len(known) - 1, scaled.shape[1]), random_state=0).fit_transform(scaled)
    number = max(2, min(60, len(known) // size))
    if len(known) <= 5000:
        group_of = AgglomerativeClustering(number).fit_predict(points)
    else:
        group_of = MiniBatchKMeans(number, random_state=0, n_init=3).fit_predict(points)
    middles, spreads, groups = [], [], []
    for group in range(number):
        inside = np.flatnonzero(group_of == group)
        if len(inside):
            middle = points[inside].mean(axis=0)
            apart = np.linalg.norm(points[inside] - middle, axis=1)
            middles.append(middle)
            spreads.append(float(apart.mean()))
            groups.append([known[i] for i in inside[np.argsort(apart, kind="stable")]])
    return [groups[at] for at in _varied_order(np.stack(middles), np.array(spreads))]


def _varied_order(middles: np.ndarray, spreads: np.ndarray) -> list[int]:
    """The order of groups with these middles (G, D) and mean distances from them (G,): see `look_alikes`."""
    order: list[int] = []
    nearest = np.zeros(len(middles))  # of those before, once there is one
    left = np.ones(len(middles), bool)
    while left.any():
        at = int(np.where(left, spreads - _VARIETY * nearest, np.inf).argmin())
        to_this = np.linalg.norm(middles - middles[at], axis=1)
        nearest = np.minimum(nearest, to_this) if order else to_this
        order.append(at)
        left[at] = False
    return order


def most_like(id_: str, features: Mapping[str, np.ndarray], most: int = 60) -> list[str]:
    """The ids whose features point in the most similar direction, the picture itself first."""
    if id_ not in features:
        return []
    ids = list(features)
    rows = np.stack([features[i] for i in ids])
    scaled = Scaler.of(rows).apply(rows)
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6)
    likeness = scaled @ scaled[ids.index(id_)]
    return [ids[i] for i in np.argsort(-likeness, kind="stable")[:most]]


def fitted_head(rows: np.ndarray, labels: np.ndarray, classes: int, strength: float, *, evened: bool = False) -> Head:
    """A regularised linear head over features, float32 (N, D), with labels, int (N,).

    evened: each picture counts as one over the root of its class's number, so that small classes are not passed over.
    """
    scaler = Scaler.of(rows)
    span = Span.of(scaler.apply(rows), classes * 45)
    weights = None
    if evened:
        each = 1 / np.sqrt(np.maximum(1, np.bincount(labels, minlength=classes)))[labels]
        weights = (each / each.mean()).astype(np.float32)
    found = fit(span, labels, classes, strength=strength, row_weights=weights)
    return scaler.fold_into((span.out(found.weight), found.bias))
