"""Labels that look wrong: each picture is asked of heads that have not learnt it.

The probabilities are out of fold, from the cached features, as confident learning does (Northcutt, Jiang & Chuang
2021); no training run is needed. Of that paper's and five other scores, the odds of the likeliest other class against
the label found the most planted mistakes: see `bench/suspects.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imgtag.data.dataset import Picture
from imgtag.training.assistant import held_out_chances
from imgtag.training.logistic import choose_strength

_NEVER = 1e-9  # a probability that counts as none


@dataclass(frozen=True)
class Suspect:
    """A picture whose label looks wrong. score: 0.5 to 1, the share of the suggested class against the label."""

    id: str
    label: str
    suggested: str
    score: float


def find_suspects(
    pictures: Sequence[Picture],
    features: Sequence[Mapping[str, np.ndarray]],
    shots: Sequence[Sequence[str]] = (),
    decided: Mapping[str, str] | None = None,
    seed: int = 0,
) -> list[Suspect]:
    """Labelled pictures that are likelier of another class than of their own, the most suspicious first.

    features: for each network the float16 (D,) of pictures by id; their answers are averaged. shots: ids of pictures
    of the same shot, which are held out together. decided: pictures whose label somebody has confirmed, with that
    label; they are learnt from but not suspected. Classes with one picture cannot be judged.
    """
    known = [p for p in pictures if all(p.id in seen for seen in features)]
    classes = sorted({p.label for p in known})
    if len(classes) < 2 or not features:
        return []
    labels = np.array([classes.index(p.label) for p in known])
    named = {i: number for number, shot in enumerate(shots) for i in shot}
    groups = np.array([named.get(p.id, len(shots) + at) for at, p in enumerate(known)])
    chances = np.mean([_asked(seen, known, labels, groups, len(classes), seed) for seen in features], axis=0)
    asked = np.flatnonzero(~np.isnan(chances[:, 0]))
    own = chances[asked, labels[asked]] + _NEVER
    others = chances[asked].copy()
    others[np.arange(len(asked)), labels[asked]] = -1
    likeliest = others.argmax(axis=1)
    odds = (others.max(axis=1) + _NEVER) / own
    found = [
        Suspect(known[row].id, known[row].label, classes[other], float(odd / (1 + odd)))
        for row, other, odd in zip(asked, likeliest, odds, strict=True)
        if odd > 1 and (decided or {}).get(known[row].id) != known[row].label
    ]
    return sorted(found, key=lambda s: (-s.score, s.id))


def _asked(
    seen: Mapping[str, np.ndarray],
    known: Sequence[Picture],
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    seed: int,
) -> np.ndarray:
    """Out-of-fold probabilities, float32 (N, K)."""
    rows = np.stack([seen[p.id] for p in known]).astype(np.float32)
    strength = choose_strength(rows, labels, groups, classes, seed)
    return held_out_chances(rows, labels, groups, classes, strength, seed)
