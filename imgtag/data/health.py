"""What is wrong with the pictures of a project: unreadable, twice there, leaking, contradictory, hard to see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from imgtag.data.dataset import Dataset, Picture, look
from imgtag.data.duplicates import find_duplicates, joined
from imgtag.data.fingerprints import Measures, fingerprints
from imgtag.data.history import doubts, place
from imgtag.data.leaks import leaks

BLURRY, DARK, BRIGHT, BLANK, TINY, ODD_SHAPE = "blurry", "dark", "bright", "blank", "tiny", "odd shape"

# Chosen so that none of the 3,500 photographs of the tutorials' sets was flagged wrongly where one looked at it;
# pictures out of focus by 2 pixels of 256 were found in 19 of 20 cases.
_BLURRY_BELOW = 0.3
_DARK_BELOW = 0.22
_BRIGHT_ABOVE = 0.93
_BLANK_BELOW = 0.012
_TINY_BELOW_PX = 64
_ODD_ABOVE = 3.0
_USUAL_SHARE, _USUAL_FROM = 0.2, 10


@dataclass(frozen=True)
class Problem:
    """A picture that teaches little, and why."""

    picture: Picture
    kind: str


@dataclass(frozen=True)
class Health:
    """What a look at the data found. Pairs and groups hold pictures; `leaks` stand in different splits.

    copies: groups of files with the same bytes. conflicts: nearly the same picture under two classes.
    usual: problems that so many pictures have that they are the nature of the set; not among `problems`.
    in_doubt: unsorted pictures that came under several classes, with these.
    """

    checked: int
    unreadable: tuple[Picture, ...]
    copies: tuple[tuple[Picture, ...], ...]
    near: tuple[tuple[Picture, ...], ...]
    leaks: tuple[tuple[Picture, Picture], ...]
    conflicts: tuple[tuple[Picture, Picture], ...]
    problems: tuple[Problem, ...]
    usual: tuple[str, ...]
    in_doubt: Mapping[str, Sequence[str]]

    def as_dict(self, dataset: Dataset) -> dict[str, Any]:
        """The JSON of `imgtag check`: files relative to the project."""

        def file(picture: Picture) -> str:
            return place(dataset.project, picture.path)

        return {
            "checked": self.checked,
            "unreadable": [file(p) for p in self.unreadable],
            "exact_duplicates": [[file(p) for p in group] for group in self.copies],
            "near_duplicates": [[file(p) for p in group] for group in self.near],
            "split_leaks": [[file(a), file(b)] for a, b in self.leaks],
            "label_conflicts": [[file(a), file(b)] for a, b in self.conflicts],
            "quality": [{"file": file(p.picture), "problem": p.kind} for p in self.problems],
            "usual": list(self.usual),
            "in_doubt": [{"file": file(dataset.by_id[i]), "classes": list(c)} for i, c in self.in_doubt.items()],
        }

    def in_words(self) -> list[str]:
        """A line for every finding, the gravest first, and how many pictures were looked at."""
        lines = [f"{p.name}: cannot be read." for p in self.unreadable]
        lines += [_pair("nearly the same picture under two classes", a, b) for a, b in self.conflicts]
        lines += [_pair("nearly the same picture in training and in checking", a, b) for a, b in self.leaks]
        lines += [f"{_names(group)}: the same bytes." for group in self.copies]
        lines += [f"{_names(group)}: nearly the same picture." for group in self.near]
        lines += [f"{p.picture.name}: {p.kind}." for p in self.problems]
        return [*lines, f"{self.checked} pictures were looked at, {len(lines)} remarks."]


def _pair(what: str, a: Picture, b: Picture) -> str:
    return f"{a.label}/{a.name} and {b.label}/{b.name}: {what}."


def _names(group: Sequence[Picture]) -> str:
    return ", ".join(f"{p.label or 'unsorted'}/{p.name}" for p in group)


def check(dataset: Dataset, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Health:
    """Look at every picture of the project. on_progress: see `fingerprints` and `search_crops`, one after the other."""
    found = fingerprints(dataset.project, dataset.pictures, on_progress)
    pairs = find_duplicates(dataset.project, dataset.pictures, on_progress, thoroughly=True)
    by_id = dataset.by_id
    near = joined((p.first, p.second) for p in pairs)
    leaking = leaks(dataset.project, dataset.labelled, [(p.first, p.second) for p in pairs], near)
    same_shot = [(by_id[p.first], by_id[p.second]) for p in pairs]
    copies: dict[str, list[Picture]] = {}
    for copy in dataset.copies:
        copies.setdefault(copy.id, [by_id[copy.id]]).append(copy)
    exact = [(a, b) for group in copies.values() for a, b in pairwise(group)]
    kinds = {p.id: problems_of(found[p.id].measures) for p in dataset.pictures if p.id in found}
    times = Counter(kind for kind_list in kinds.values() for kind in kind_list)
    usual = {kind for kind, number in times.items() if number > max(_USUAL_FROM, _USUAL_SHARE * len(kinds))}
    return Health(
        checked=len(dataset.pictures),
        unreadable=_unreadable(dataset, [p.id for p in dataset.pictures if p.id not in found]),
        copies=tuple(tuple(group) for group in copies.values()),
        near=tuple(tuple(by_id[i] for i in group) for group in near),
        leaks=tuple((by_id[a], by_id[b]) for a, b in leaking),
        conflicts=tuple((a, b) for a, b in [*exact, *same_shot] if a.label and b.label and a.label != b.label),
        problems=tuple(Problem(by_id[i], kind) for i, those in kinds.items() for kind in those if kind not in usual),
        usual=tuple(sorted(usual)),
        in_doubt={i: c for i, c in doubts(dataset.project).items() if i in by_id and not by_id[i].label},
    )


def _unreadable(dataset: Dataset, ids: Sequence[str]) -> tuple[Picture, ...]:
    """Those of these pictures that cannot be read where they lie now: one may just have been moved."""
    if not ids:
        return ()
    now = look(dataset.project).by_id
    there = [now[i] for i in ids if i in now]
    read = fingerprints(dataset.project, there)
    return tuple(p for p in there if p.id not in read)


def problems_of(measures: Measures) -> list[str]:
    """What makes a picture hard to learn from, in the order of weight; usually nothing."""
    longer, shorter = max(measures.width, measures.height), min(measures.width, measures.height)
    if measures.contrast < _BLANK_BELOW:
        return [BLANK]
    found = []
    if measures.dark < _DARK_BELOW:
        found.append(DARK)
    elif measures.light > _BRIGHT_ABOVE:
        found.append(BRIGHT)
    if measures.sharpness < _BLURRY_BELOW:
        found.append(BLURRY)
    if shorter < _TINY_BELOW_PX:
        found.append(TINY)
    if longer > _ODD_ABOVE * shorter:
        found.append(ODD_SHAPE)
    return found
