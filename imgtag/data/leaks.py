"""Leaks: nearly the same picture on both sides of a split, to learn from and to be checked with.

Imported folders may leak. They are kept as they came until somebody asks for a clean split, which can be taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from imgtag.core import storage
from imgtag.data.dataset import Picture
from imgtag.data.projects import Project
from imgtag.data.splits import (
    BEFORE,
    RANK,
    not_for_test,
    read_rows,
    read_splits,
    shot_names,
    splits_lock,
    write_rows,
    write_splits,
)


def leaks(
    project: Project, pictures: Sequence[Picture], pairs: Sequence[tuple[str, str]], shots: Sequence[Sequence[str]]
) -> list[tuple[str, str]]:
    """The pairs of ids that stand in different splits, the one of the earlier split (train, val, test) first.

    pictures: the labelled ones. shots: the groups that the pairs make. A shot that has to be dealt out in pieces
    (see `assign_splits`) does not leak from one piece to the next.
    """
    known = read_splits(project)
    shot_of = shot_names(pictures, shots)
    sides = [
        sorted(pair, key=lambda i: RANK[known[i]])
        for pair in pairs
        if known.keys() >= set(pair) and pair[0] in shot_of and shot_of[pair[0]] == shot_of.get(pair[1])
    ]
    return [(a, b) for a, b in sides if known[a] != known[b]]


def close_leaks(project: Project, pictures: Sequence[Picture], shots: Sequence[Sequence[str]]) -> int:
    """Let every shot stand on one side: that of its earliest split (train, val, test) that leaves no class unchecked.

    Returns how many pictures moved. What the splits were before stays in splits-before.csv, see `reopen_leaks`.
    """
    with splits_lock(project):
        known, kept = read_splits(project), not_for_test(project)
        before = dict(known)
        label_of = {p.id: p.label for p in pictures}
        held = Counter((label_of[i], split) for i, split in known.items() if i in label_of)
        groups: dict[str, list[str]] = {}
        for id_, shot in shot_names(pictures, shots).items():
            if id_ in known:
                groups.setdefault(shot, []).append(id_)
        for ids in groups.values():
            for side in sorted({known[i] for i in ids}, key=RANK.__getitem__):
                if side == "test" and not kept.isdisjoint(ids):
                    break  # some of them must never test
                after = held.copy()
                for id_ in ids:
                    after[label_of[id_], known[id_]] -= 1
                    after[label_of[id_], side] += 1
                if not _emptied(held, after):
                    known.update(dict.fromkeys(ids, side))
                    held = after
                    break
        changed = {i: split for i, split in before.items() if known[i] != split}
        if changed:
            write_rows(_before(project), {**changed, **read_rows(_before(project))})
            write_splits(project, known)
    return len(changed)


def reopen_leaks(project: Project) -> int:
    """Take `close_leaks` back; returns how many pictures have the split again that they had."""
    with splits_lock(project):
        changed = read_rows(_before(project))
        write_splits(project, {**read_splits(project), **changed})
        storage.remove_file(_before(project))
    return len(changed)


def leaks_closed(project: Project) -> bool:
    """Whether `close_leaks` can be taken back."""
    return _before(project).exists()


def _emptied(before: Mapping[tuple[str, str], int], after: Mapping[tuple[str, str], int]) -> bool:
    """Whether a class has lost its last picture to train or to validate."""
    return any(n > 0 and not after[key] for key, n in before.items() if key[1] in ("train", "val"))


def _before(project: Project) -> Path:
    return project.path / BEFORE
