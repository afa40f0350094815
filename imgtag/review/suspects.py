"""Labels that look wrong: each picture is asked of heads that have not learnt it.

The probabilities are out of fold, from the cached features, as confident learning does (Northcutt, Jiang & Chuang
2021); no training run is needed. Of that paper's and five other scores, the odds of the likeliest other class against
the label found the most planted mistakes: see `bench/suspects.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import DiskFull, NoAccess
from imgtag.data.dataset import Dataset, Picture
from imgtag.data.duplicates import same_shots
from imgtag.data.history import decided as decided_in
from imgtag.data.splits import shot_numbers
from imgtag.training.ahead import seen_by_all
from imgtag.training.assistant import FOLDS, held_out_chances
from imgtag.training.logistic import CHOICE_FITS, choose_strength

_NEVER = 1e-9  # a probability that counts as none
_VERSION = 2  # of what is remembered

Progress = Callable[[int, int], None]  # how far it is, of how much


@dataclass(frozen=True)
class Suspect:
    """A picture whose label looks wrong. score: 0.5 to 1, the share of the suggested class against the label.

    twin: the class in which nearly the same picture stands, "" where there is none in another class.
    """

    id: str
    label: str
    suggested: str
    score: float
    twin: str = ""


def look_for_suspects(dataset: Dataset, on_progress: Progress = lambda done, total: None) -> list[Suspect]:
    """The suspects among the labelled pictures that were looked at; remembered until a label changes."""
    project = dataset.project
    decided = decided_in(project)
    features = seen_by_all(project, [p.id for p in dataset.labelled])
    facts = [
        _VERSION,
        sorted((p.id, p.label) for p in dataset.labelled),
        sorted(decided.items()),
        [*map(len, features)],
    ]
    state = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    path = project.cache / "suspects.json"
    kept = storage.read_json(path)
    if isinstance(kept, dict) and kept.get("state") == state:
        with contextlib.suppress(TypeError, KeyError):
            return [Suspect(*row) for row in kept["suspects"]]
    shots = same_shots(project, dataset.labelled)
    found = find_suspects(dataset.labelled, features, shots, decided, on_progress=on_progress)
    with contextlib.suppress(DiskFull, NoAccess):  # only slower then
        storage.write_json(path, {"state": state, "suspects": [astuple(s) for s in found]}, durable=False)
    return found


def find_suspects(
    pictures: Sequence[Picture],
    features: Sequence[Mapping[str, np.ndarray]],
    shots: Sequence[Sequence[str]] = (),
    decided: Mapping[str, str] | None = None,
    seed: int = 0,
    on_progress: Progress = lambda done, total: None,
) -> list[Suspect]:
    """Labelled pictures that are likelier of another class than of their own, the most suspicious first; before all
    others those of which nearly the same picture stands in another class.

    features: for each network the float16 (D,) of pictures by id; their answers are averaged. shots: ids of pictures
    of the same shot, which are held out together. decided: pictures whose label somebody has confirmed, with that
    label; they are learnt from but not suspected. A shot that is most of its class, such as a burst, is held out in
    pieces (`shot_numbers`). Classes with one picture cannot be judged.
    """
    known = [p for p in pictures if all(p.id in seen for seen in features)]
    classes = sorted({p.label for p in known})
    if len(classes) < 2 or not features:
        return []
    labels = np.array([classes.index(p.label) for p in known])
    groups = np.array(shot_numbers(known, shots))
    steps = CHOICE_FITS + 2 * FOLDS  # of a network; learning for an answer takes longer than for a choice

    def asked_of(number: int) -> np.ndarray:
        def tell(done: int) -> None:
            on_progress(number * steps + done, len(features) * steps)

        return _asked(features[number], known, labels, groups, len(classes), seed, tell)

    chances = np.mean([asked_of(number) for number in range(len(features))], axis=0)
    asked = np.flatnonzero(~np.isnan(chances[:, 0]))
    own = chances[asked, labels[asked]] + _NEVER
    others = chances[asked].copy()
    others[np.arange(len(asked)), labels[asked]] = -1
    likeliest = others.argmax(axis=1)
    odds = (others.max(axis=1) + _NEVER) / own
    confirmed = decided or {}
    found = {
        known[row].id: Suspect(known[row].id, known[row].label, classes[other], float(odd / (1 + odd)))
        for row, other, odd in zip(asked, likeliest, odds, strict=True)
        if odd > 1 and confirmed.get(known[row].id) != known[row].label
    }
    found |= _with_twins(found, {p.id: p.label for p in known}, shots, confirmed)
    return sorted(found.values(), key=lambda s: (not s.twin, -s.score, s.id))


def _with_twins(
    found: Mapping[str, Suspect],
    labels: Mapping[str, str],
    shots: Sequence[Sequence[str]],
    confirmed: Mapping[str, str],
) -> dict[str, Suspect]:
    """Of each shot that stands in several classes the suspects, or where none is suspected, those outside of the class
    that most of it stand in (of an even number all), unless they are decided."""
    twins: dict[str, Suspect] = {}
    for shot in shots:
        of = {i: labels[i] for i in shot if i in labels}
        counts = Counter(of.values())
        if len(counts) < 2:
            continue
        (most, number), (_, second) = counts.most_common(2)
        usual = most if number > second else ""
        for id_ in [i for i in of if i in found] or [i for i in of if of[i] not in (confirmed.get(i), usual)]:
            twin = next(label for label, _ in counts.most_common() if label != of[id_])
            twins[id_] = replace(found.get(id_) or Suspect(id_, of[id_], twin, 0.5), twin=twin)
    return twins


def _asked(
    seen: Mapping[str, np.ndarray],
    known: Sequence[Picture],
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    seed: int,
    tell: Callable[[int], None],
) -> np.ndarray:
    """Out-of-fold probabilities, float32 (N, K). tell: how many of the steps are done."""
    rows = np.stack([seen[p.id] for p in known]).astype(np.float32)
    fits, folds = iter(range(CHOICE_FITS)), iter(range(1, FOLDS + 1))
    strength = choose_strength(rows, labels, groups, classes, seed, lambda: tell(next(fits)))
    tell(CHOICE_FITS)
    return held_out_chances(rows, labels, groups, classes, strength, seed, lambda: tell(CHOICE_FITS + 2 * next(folds)))
