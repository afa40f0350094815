"""Which pictures train, which validate, which test: decided once for each picture and then kept.

splits.csv holds sha256,split. A picture keeps its split when it is moved, renamed or the set grows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from imgtag.core import locks, storage
from imgtag.data.dataset import Picture, natural_key
from imgtag.data.projects import Project

SPLITS = ("train", "val", "test")
SHARES = {"train": 0.7, "val": 0.2, "test": 0.1}
_SMALL_SHOT = 4  # stays whole in any class
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


def assign_splits(project: Project, pictures: Sequence[Picture], shots: Sequence[Sequence[str]] = ()) -> dict[str, str]:
    """The split of every labelled picture given; those without one get theirs now, for good.

    New pictures are dealt out class by class in the order of their sha256, each to the split that is
    furthest behind its share: 70/20/10, or in a project whose folders came with splits, the shares of
    these. A class with two pictures has one to train and one to validate.

    shots: groups of ids that show the same shot (see data/duplicates.py). They stay together, with those that have a
    split already; otherwise a model would be checked on what it has learnt by heart. A shot that is most of its
    class, such as a long burst, is dealt out in pieces, in the order of the file names: neighbours stay together.

    Two things are mended: folders that came without validation give some of their training pictures to it, and
    a class of which nothing would be learnt (its pictures were sorted into others before) is dealt out again.
    """
    with _lock(project):
        return _assign(project, pictures, _in_pieces(pictures, shots))


def leaks(project: Project, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of ids that stand in different splits, the one of the earlier split (train, val, test) first."""
    known = read_splits(project)
    ordered = [sorted((a, b), key=lambda i: _RANK[known[i]]) for a, b in pairs if a in known and b in known]
    return [(a, b) for a, b in ordered if known[a] != known[b]]


def close_leaks(project: Project, shots: Iterable[Sequence[str]]) -> int:
    """Let every shot stand on one side, that of its earliest split: train, then val. Returns how many pictures moved.

    What the splits were before stays in splits-before.csv, see `reopen_leaks`.
    """
    with _lock(project):
        known = read_splits(project)
        before = dict(known)
        for ids in shots:
            splits = [known[i] for i in ids if i in known]
            if splits:
                known.update({i: min(splits, key=_RANK.__getitem__) for i in ids if i in known})
        changed = {i: split for i, split in before.items() if known[i] != split}
        if changed:
            earlier = {r["sha256"]: r["split"] for r in storage.read_csv(_before(project)) if r.get("split") in SPLITS}
            storage.write_csv(_before(project), ("sha256", "split"), sorted({**changed, **earlier}.items()))
            _write(project, known)
    return len(changed)


def reopen_leaks(project: Project) -> int:
    """Take `close_leaks` back; returns how many pictures have the split again that they came with."""
    with _lock(project):
        changed = {r["sha256"]: r["split"] for r in storage.read_csv(_before(project)) if r.get("split") in SPLITS}
        known = read_splits(project)
        known.update(changed)
        _write(project, known)
        storage.remove_file(_before(project))
    return len(changed)


def leaks_closed(project: Project) -> bool:
    """Whether `close_leaks` can be taken back."""
    return _before(project).exists()


def _before(project: Project) -> Path:
    return project.path / "splits-before.csv"


def _assign(project: Project, pictures: Sequence[Picture], shot_of: Mapping[str, str]) -> dict[str, str]:
    known = read_splits(project)
    before = dict(known)
    shares = SHARES
    if project.settings.get("splits") == "imported" and known:
        _hold_back(known, pictures, shot_of)
        counts = Counter(known[p.id] for p in pictures if p.id in known) or Counter(known.values())
        if counts["train"] and counts["val"]:  # a test folder alone says nothing about the rest
            shares = {split: counts[split] / counts.total() for split in SPLITS}
    else:
        _forget_untaught(known, pictures)
    decided: dict[str, str] = {}  # of the shots of which a picture has its split
    dealt: dict[str, Counter[str]] = {picture.label: Counter() for picture in pictures}
    for picture in pictures:
        if picture.id in known:
            dealt[picture.label][known[picture.id]] += 1
            shot, split = shot_of.get(picture.id, picture.id), known[picture.id]
            decided[shot] = min(decided.get(shot, split), split, key=_RANK.__getitem__)
    for shot, fresh in _by_shot((p for p in pictures if p.id not in known), shot_of).items():
        of_label = dealt[fresh[0].label]
        split = decided.get(shot) or _furthest_behind(of_label, shares, len(fresh))
        of_label[split] += len(fresh)
        known.update(dict.fromkeys((p.id for p in fresh), split))
    if known != before:
        _write(project, known)
    return {p.id: known[p.id] for p in pictures}


def _hold_back(known: dict[str, str], pictures: Sequence[Picture], shot_of: Mapping[str, str]) -> None:
    """Without validation pictures nothing could be chosen or checked: every class gives its share of training ones."""
    if any(known.get(p.id) == "val" for p in pictures):
        return
    share = SHARES["val"] / (SHARES["train"] + SHARES["val"])
    taught = [p for p in pictures if known.get(p.id) == "train"]
    room = {label: round(share * count) for label, count in Counter(p.label for p in taught).items()}
    for fresh in _by_shot(taught, shot_of).values():
        if len(fresh) <= room[fresh[0].label]:
            room[fresh[0].label] -= len(fresh)
            known.update(dict.fromkeys((p.id for p in fresh), "val"))


def _forget_untaught(known: dict[str, str], pictures: Sequence[Picture]) -> None:
    """The splits of classes without a training picture."""
    taught = {p.label for p in pictures if known.get(p.id, "train") == "train"}
    for picture in pictures:
        if picture.label not in taught:
            del known[picture.id]


def _in_pieces(pictures: Sequence[Picture], shots: Iterable[Sequence[str]]) -> dict[str, str]:
    """The name of each picture's shot by id; of its piece, where a shot is too large to stand on one side."""
    by_id = {p.id: p for p in pictures}
    sizes = Counter(p.label for p in pictures)
    named: dict[str, str] = {}
    for shot in shots:
        members = sorted((by_id[i] for i in shot if i in by_id), key=lambda p: (natural_key(p.name), p.id))
        if not members:
            continue
        most = max(_SMALL_SHOT, round(SHARES["val"] * min(sizes[p.label] for p in members)))
        piece = most if len(members) > most else len(members)
        named.update({p.id: members[at - at % piece].id for at, p in enumerate(members)})
    return named


def _by_shot(pictures: Iterable[Picture], shot_of: Mapping[str, str]) -> dict[str, list[Picture]]:
    """Pictures of the same shot together, in an order that depends on nothing but the ids."""
    found: dict[str, list[Picture]] = {}
    for picture in sorted(pictures, key=lambda p: p.id):
        found.setdefault(shot_of.get(picture.id, picture.id), []).append(picture)
    return found


def _furthest_behind(dealt: Counter[str], shares: Mapping[str, float], more: int) -> str:
    """The split that is furthest behind its share when `more` pictures come to those dealt out so far."""
    after = dealt.total() + more
    # Ties go to validation: a class that is never checked says nothing about itself.
    preference = {"val": 2, "train": 1, "test": 0}
    if not dealt.total():
        return "train"
    return max(SPLITS, key=lambda s: (round(shares[s] * after - dealt[s], 9), preference[s]))


def _lock(project: Project) -> AbstractContextManager[None]:
    return locks.locked(project.cache / ".splits.lock")


def _write(project: Project, splits: Mapping[str, str]) -> None:
    storage.write_csv(project.path / "splits.csv", ("sha256", "split"), sorted(splits.items()))
