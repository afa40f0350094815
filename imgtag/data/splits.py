"""Which pictures train, which validate, which test: decided once for each picture and then kept.

splits.csv holds sha256,split. A picture keeps its split when it is moved, renamed or the set grows; splits-folders.csv
holds the splits that imported folders gave, so that one can come back to them. not-for-test.csv names pictures that
never test, whoever deals them out: corrections of what a model said, and labels that a model gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from pathlib import Path

from imgtag.core import locks, storage
from imgtag.data.dataset import Picture, natural_key
from imgtag.data.projects import Project

SPLITS = ("train", "val", "test")
SHARES = {"train": 0.7, "val": 0.2, "test": 0.1}
_SMALL_SHOT = 4  # stays whole in any class that has other pictures
RANK = {"train": 0, "val": 1, "test": 2}
BEFORE = "splits-before.csv"  # what data/leaks.py can take back


def read_splits(project: Project) -> dict[str, str]:
    """The split of every picture that has one, by sha256."""
    return read_rows(project.path / "splits.csv")


def folder_splits(project: Project) -> dict[str, str]:
    """The splits that imported folders gave, by sha256; empty when none did."""
    return read_rows(project.path / "splits-folders.csv")


def not_for_test(project: Project) -> set[str]:
    """Ids of the pictures that never test."""
    return {row["sha256"] for row in storage.read_csv(_not_for_test(project)) if row.get("sha256")}


def keep_from_test(project: Project, splits: Mapping[str, str]) -> None:
    """From now on, these pictures never test; each gets the split given, "train" or "val", unless it has one of these.

    To be called before the pictures are in the project, so that nobody deals them out in between.
    """
    with splits_lock(project):
        known = read_splits(project)
        storage.write_csv(
            _not_for_test(project), ("sha256",), [[i] for i in sorted(not_for_test(project) | set(splits))]
        )
        write_splits(project, {**known, **{i: s for i, s in splits.items() if known.get(i, "test") == "test"}})


def shares_of(project: Project) -> dict[str, float]:
    """The shares in which new pictures are dealt out, 0 to 1: those that somebody chose, else 70/20/10."""
    chosen = project.settings.get("shares")
    try:
        found = {split: float(chosen[split]) for split in SPLITS}  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return dict(SHARES)
    return found if found["train"] > 0 and found["val"] > 0 and abs(sum(found.values()) - 1) < 0.01 else dict(SHARES)


def record_splits(project: Project, imported: Mapping[str, str]) -> None:
    """Keep the splits that an import's folders gave. The same bytes in two splits: train wins.

    A picture that was given another split since, by other shares, a clean split or for want of validation, keeps it.
    """
    dealt = project.settings.get("splits") == "dealt"
    with splits_lock(project):
        folders, known = folder_splits(project), read_splits(project)
        for sha, split in imported.items():
            changed = sha in known and (dealt or known[sha] != folders.get(sha, known[sha]))
            folders[sha] = min(folders.get(sha, split), split, key=RANK.__getitem__)
            if not changed:
                known[sha] = min(known.get(sha, split), split, key=RANK.__getitem__)
        _write_folders(project, folders)
        write_splits(project, known)
    if not dealt:
        project.change_settings(splits="imported")


def deal_again(
    project: Project, pictures: Sequence[Picture], shots: Sequence[Sequence[str]], shares: Mapping[str, float]
) -> dict[str, str]:
    """Deal all labelled pictures out anew in these shares. Runs that exist keep the splits they were trained with."""
    imported = project.settings.get("splits") == "imported"
    project.change_settings(splits="dealt", shares={split: round(shares[split], 4) for split in SPLITS})
    with splits_lock(project):
        if imported and not folder_splits(project):  # imported before these were kept apart
            _write_folders(project, read_splits(project))
        storage.remove_file(project.path / BEFORE)
        ids = {p.id for p in pictures}
        write_splits(project, {id_: split for id_, split in read_splits(project).items() if id_ not in ids})
        return _assign(project, pictures, shot_names(pictures, shots))


def use_folders(project: Project, pictures: Sequence[Picture], shots: Sequence[Sequence[str]]) -> dict[str, str]:
    """Give every picture the split again that its imported folder gave."""
    project.change_settings(splits="imported", shares=None)
    with splits_lock(project):
        storage.remove_file(project.path / BEFORE)
        ids = {p.id for p in pictures}  # what was added later is dealt out as the folders are
        others = {id_: split for id_, split in read_splits(project).items() if id_ not in ids}
        write_splits(project, {**others, **folder_splits(project)})
        return _assign(project, pictures, shot_names(pictures, shots))


def assign_splits(project: Project, pictures: Sequence[Picture], shots: Sequence[Sequence[str]] = ()) -> dict[str, str]:
    """The split of every labelled picture given; those without one get theirs now, for good.

    New pictures are dealt out class by class in the order of their sha256, each to the split that is
    furthest behind its share: 70/20/10 or what was chosen (`shares_of`), or in a project whose folders came with
    splits, the shares of these. A class with two pictures has one to train and one to validate.

    shots: groups of ids that show the same shot (see data/duplicates.py). They stay together, with those that have a
    split already; otherwise a model would be checked on what it has learnt by heart. A shot that is most of its
    class, such as a long burst, is dealt out in pieces, in the order of the file names: neighbours stay together;
    so is one that is all of its class, or that class could never be checked.

    Two things are mended: folders that came without validation give some of their training pictures to it, and
    a class of which nothing would be learnt (its pictures were sorted into others before) is dealt out again.
    """
    with splits_lock(project):
        return _assign(project, pictures, shot_names(pictures, shots))


def shot_names(pictures: Sequence[Picture], shots: Iterable[Sequence[str]]) -> dict[str, str]:
    """The name of each picture's shot by id; of its piece, where a shot is too large to stand on one side."""
    by_id = {p.id: p for p in pictures}
    sizes = Counter(p.label for p in pictures)
    named: dict[str, str] = {}
    for shot in shots:
        members = sorted((by_id[i] for i in shot if i in by_id), key=lambda p: (natural_key(p.name), p.id))
        if not members:
            continue
        label, number = Counter(p.label for p in members).most_common(1)[0]
        piece = max(_SMALL_SHOT, round(SHARES["val"] * sizes[label]))
        if number == sizes[label]:
            piece = min(piece, max(1, len(members) // 2))
        named.update({p.id: members[at - at % piece].id for at, p in enumerate(members)})
    return named


def shot_numbers(pictures: Sequence[Picture], shots: Iterable[Sequence[str]]) -> list[int]:
    """A number for each of these pictures, the same for those that have to be held out together; see `shot_names`."""
    named, numbers = shot_names(pictures, shots), dict[str, int]()
    return [numbers.setdefault(named.get(p.id, p.id), len(numbers)) for p in pictures]


def read_rows(path: Path) -> dict[str, str]:
    """Rows of sha256,split that make sense."""
    rows = storage.read_csv(path)
    return {r["sha256"]: r["split"] for r in rows if r.get("sha256") and r.get("split") in SPLITS}


def splits_lock(project: Project) -> AbstractContextManager[None]:
    """To be held while splits are read, changed and written."""
    return locks.locked(project.cache / ".splits.lock")


def write_splits(project: Project, splits: Mapping[str, str]) -> None:
    """Replace splits.csv. What must never test trains instead, even where a folder had it for a test."""
    write_rows(project.path / "splits.csv", _mended(splits, not_for_test(project)))


def write_rows(path: Path, splits: Mapping[str, str]) -> None:
    """Write rows of sha256,split, in order."""
    storage.write_csv(path, ("sha256", "split"), sorted(splits.items()))


def _assign(project: Project, pictures: Sequence[Picture], shot_of: Mapping[str, str]) -> dict[str, str]:
    before, kept = read_splits(project), not_for_test(project)
    known = _mended(before, kept)
    shares = shares_of(project)
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
            decided[shot] = min(decided.get(shot, split), split, key=RANK.__getitem__)
    for shot, fresh in _by_shot((p for p in pictures if p.id not in known), shot_of).items():
        of_label = dealt[fresh[0].label]
        split = decided.get(shot) or _furthest_behind(of_label, shares, len(fresh))
        if split == "test" and any(p.id in kept for p in fresh):  # its whole shot stays with it
            split = "train"
        of_label[split] += len(fresh)
        known.update(dict.fromkeys((p.id for p in fresh), split))
    if known != before:
        write_splits(project, known)
    return {p.id: known[p.id] for p in pictures}


def _hold_back(known: dict[str, str], pictures: Sequence[Picture], shot_of: Mapping[str, str]) -> None:
    """Without validation pictures nothing could be chosen or checked: every class gives its share of training ones."""
    if any(known.get(p.id) == "val" for p in pictures):
        return
    share = SHARES["val"] / (SHARES["train"] + SHARES["val"])
    taught = [p for p in pictures if known.get(p.id) == "train"]
    sizes = Counter(p.label for p in taught)
    wanted = {label: round(share * count) for label, count in sizes.items()}
    room = dict(wanted)
    shots = _by_shot(taught, shot_of)
    smallest = {fresh[0].label: shot for shot, fresh in sorted(shots.items(), key=lambda s: -len(s[1]))}
    for shot, fresh in shots.items():
        label = fresh[0].label
        last_chance = smallest[label] == shot and len(fresh) < sizes[label] and room[label] == wanted[label] > 0
        if len(fresh) <= room[label] or last_chance:
            room[label] -= len(fresh)
            known.update(dict.fromkeys((p.id for p in fresh), "val"))


def _forget_untaught(known: dict[str, str], pictures: Sequence[Picture]) -> None:
    """The splits of classes without a training picture."""
    taught = {p.label for p in pictures if known.get(p.id, "train") == "train"}
    for picture in pictures:
        if picture.label not in taught:
            del known[picture.id]


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
    if not dealt["train"]:
        return "train"
    if not dealt["val"]:
        return "val"
    return max(SPLITS, key=lambda s: (round(shares[s] * after - dealt[s], 9), preference[s]))


def _mended(splits: Mapping[str, str], kept: Set[str]) -> dict[str, str]:
    return {id_: "train" if split == "test" and id_ in kept else split for id_, split in splits.items()}


def _not_for_test(project: Project) -> Path:
    return project.path / "not-for-test.csv"


def _write_folders(project: Project, splits: Mapping[str, str]) -> None:
    write_rows(project.path / "splits-folders.csv", splits)
