"""Which pictures train, which validate, which test: decided once for each picture and then kept.

splits.csv holds sha256,split. A picture keeps its split when it is moved, renamed or the set grows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from imgtag.core import locks, storage
from imgtag.data.dataset import Picture
from imgtag.data.projects import Project

SPLITS = ("train", "val", "test")
SHARES = {"train": 0.7, "val": 0.2, "test": 0.1}
_RANK = {"train": 0, "val": 1, "test": 2}


def read_splits(project: Project) -> dict[str, str]:
    """The split of every picture that has one, by sha256."""
    rows = storage.read_csv(project.path / "splits.csv")
    return {r["sha256"]: r["split"] for r in rows if r.get("sha256") and r.get("split") in SPLITS}


def record_splits(project: Project, imported: Mapping[str, str]) -> None:
    """Keep the splits that an import's folders gave. The same bytes in two splits: train wins."""
    with _lock(project):
        known = read_splits(project)
        for sha, split in imported.items():
            known[sha] = min(known.get(sha, split), split, key=_RANK.__getitem__)
        _write(project, known)
    project.change_settings(splits="imported")


def assign_splits(project: Project, pictures: Sequence[Picture]) -> dict[str, str]:
    """The split of every labelled picture given; those without one get theirs now, for good.

    New pictures are dealt out class by class in the order of their sha256, each to the split that is
    furthest behind its share: 70/20/10, or in a project whose folders came with splits, the shares of
    these. A class with two pictures has one to train and one to validate.

    Two things are mended: folders that came without validation give some of their training pictures to it, and
    a class of which nothing would be learnt (its pictures were sorted into others before) is dealt out again.
    """
    with _lock(project):
        return _assign(project, pictures)


def _assign(project: Project, pictures: Sequence[Picture]) -> dict[str, str]:
    known = read_splits(project)
    before = dict(known)
    shares = SHARES
    if project.settings.get("splits") == "imported" and known:
        _hold_back(known, pictures)
        counts = Counter(known[p.id] for p in pictures if p.id in known) or Counter(known.values())
        if counts["train"] and counts["val"]:  # a test folder alone says nothing about the rest
            shares = {split: counts[split] / counts.total() for split in SPLITS}
    else:
        _forget_untaught(known, pictures)
    new: dict[str, list[Picture]] = {}
    for picture in pictures:
        if picture.id not in known:
            new.setdefault(picture.label, []).append(picture)
    dealt: dict[str, Counter[str]] = {label: Counter() for label in new}
    for picture in pictures:
        if picture.label in dealt and picture.id in known:
            dealt[picture.label][known[picture.id]] += 1
    for label, fresh in new.items():
        for picture in sorted(fresh, key=lambda p: p.id):
            split = _furthest_behind(dealt[label], shares)
            dealt[label][split] += 1
            known[picture.id] = split
    if known != before:
        _write(project, known)
    return {p.id: known[p.id] for p in pictures}


def _hold_back(known: dict[str, str], pictures: Sequence[Picture]) -> None:
    """Without validation pictures nothing could be chosen or checked: every class gives its share of training ones."""
    if any(known.get(p.id) == "val" for p in pictures):
        return
    share = SHARES["val"] / (SHARES["train"] + SHARES["val"])
    for ids in _by_class(p for p in pictures if known.get(p.id) == "train").values():
        known.update(dict.fromkeys(ids[: round(share * len(ids))], "val"))


def _forget_untaught(known: dict[str, str], pictures: Sequence[Picture]) -> None:
    """The splits of classes without a training picture."""
    for ids in _by_class(pictures).values():
        if all(id_ in known and known[id_] != "train" for id_ in ids):
            for id_ in ids:
                del known[id_]


def _by_class(pictures: Iterable[Picture]) -> dict[str, list[str]]:
    """Ids by label, in an order that depends on nothing but the ids."""
    found: dict[str, list[str]] = {}
    for picture in sorted(pictures, key=lambda p: p.id):
        found.setdefault(picture.label, []).append(picture.id)
    return found


def _furthest_behind(dealt: Counter[str], shares: Mapping[str, float]) -> str:
    after = dealt.total() + 1
    # Ties go to validation: a class that is never checked says nothing about itself.
    preference = {"val": 2, "train": 1, "test": 0}
    if not dealt.total():
        return "train"
    return max(SPLITS, key=lambda s: (round(shares[s] * after - dealt[s], 9), preference[s]))


def _lock(project: Project) -> AbstractContextManager[None]:
    return locks.locked(project.cache / ".splits.lock")


def _write(project: Project, splits: Mapping[str, str]) -> None:
    storage.write_csv(project.path / "splits.csv", ("sha256", "split"), sorted(splits.items()))
