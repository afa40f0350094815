"""Understanding an uploaded folder tree: which folder is a class, which a split, which only a wrapper.

A pure function from paths to a plan; nothing here touches a disk.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from imgtag.core.names import tidy_name
from imgtag.data.images import is_picture_name

_SPLIT_WORDS = {
    "train": "train", "training": "train", "valid": "val", "validation": "val", "val": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
HELPER_FILE, HIDDEN_FILE = "A helper file of the operating system, not a picture.", "A hidden file or folder."
_SYSTEM_NAMES = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
_LABEL_FILE_ENDINGS = {".csv", ".tsv", ".txt", ".json"}


@dataclass(frozen=True)
class Placement:
    """Where one file of the upload belongs: a class folder ("" = unsorted) and a split ("" = none)."""

    label: str
    split: str


@dataclass(frozen=True)
class Layout:
    """The plan for a tree. Every path of the input is a picture, a label file, or left out with a reason.

    `notes` says in words what was recognised.
    """

    pictures: dict[PurePosixPath, Placement]
    label_files: list[PurePosixPath]
    left_out: dict[PurePosixPath, str]
    notes: list[str] = field(default_factory=list)


def understand(paths: Iterable[PurePosixPath]) -> Layout:
    """Find classes and splits in the paths of one zip, folder or drop.

    A picture's class is the topmost folder that directly holds pictures, once wrappers around everything
    and train/valid/test folders are taken away.
    """
    pictures: list[PurePosixPath] = []
    label_files: list[PurePosixPath] = []
    left_out: dict[PurePosixPath, str] = {}
    for path in paths:
        reason = _why_left_out(path)
        if reason:
            left_out[path] = reason
        elif is_picture_name(path.name) and path.suffix.lower() not in _LABEL_FILE_ENDINGS:
            pictures.append(path)
        elif path.suffix.lower() in _LABEL_FILE_ENDINGS:
            label_files.append(path)
        else:
            left_out[path] = f"It is no picture: files ending in “{path.suffix}” are not taken."
    notes: list[str] = []
    folders = {path: path.parts[:-1] for path in pictures}
    splits = _take_splits(folders, notes)
    placements = _take_classes(folders, splits, notes)
    flat = sum(1 for p in placements.values() if p.split and not p.label)
    if flat:
        notes.append(f"{flat} pictures lie flat in a split folder, without a class: they wait in unsorted.")
    return Layout(placements, label_files, left_out, notes)


def guess_by_name(names: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """The class that each file name tells, for names with exactly one class name in them.

    >>> guess_by_name(["walle.113.jpg", "img_7.jpg"], ["doraemon", "walle"])
    {'walle.113.jpg': 'walle'}
    """
    words = {label: _words(label) for label in classes}
    found = {}
    for name in names:
        in_name = f" {_words(PurePosixPath(name).stem)} "
        hits = [label for label, text in words.items() if text and f" {text} " in in_name]
        # “cat” also stands in “black cat”: the longest name wins if it contains the others.
        hits = [h for h in hits if not any(h != o and words[h] in words[o] for o in hits)]
        if len(hits) == 1:
            found[name] = hits[0]
    return found


# ----------------------------------------------------------------------------- steps


def _why_left_out(path: PurePosixPath) -> str:
    for part in path.parts:
        if part.casefold() in _SYSTEM_NAMES or part.startswith("._"):
            return HELPER_FILE
        if part.startswith("."):
            return HIDDEN_FILE
    if path.suffix.lower() == ".zip":
        return "A zip inside the upload, or a damaged one: add it on its own."
    return ""


def _take_splits(folders: dict[PurePosixPath, tuple[str, ...]], notes: list[str]) -> dict[PurePosixPath, str]:
    """Find the depth at which folders are named train/valid/test; strip it. Changes `folders`."""
    depth = _split_depth(list(folders.values()))
    if depth is None:
        return {}
    splits: dict[PurePosixPath, str] = {}
    # Above the splits stands either one wrapper for all, or (cats/train, dogs/train) the class.
    class_above = len({parts[:depth] for parts in folders.values() if len(parts) > depth}) > 1
    for path, parts in list(folders.items()):
        if len(parts) > depth and (word := parts[depth].casefold()) in _SPLIT_WORDS:
            splits[path] = _SPLIT_WORDS[word]
            rest = parts[depth + 1 :]
            if rest and rest[0].casefold() == word:  # training/training/…, as Kaggle packs it
                rest = rest[1:]
            folders[path] = (*(parts[:depth] if class_above else ()), *rest)
    counts = Counter(splits.values())
    named = [f"{counts[s]} to {w}" for s, w in _SPLIT_PURPOSE if counts[s]]
    notes.append(f"Folders for splits were found: {', '.join(named)}.")
    return splits


_SPLIT_PURPOSE = (("train", "train"), ("val", "validate"), ("test", "test"))


def _split_depth(all_parts: list[tuple[str, ...]]) -> int | None:
    """The first depth where the folder names are splits: two different ones, or nothing else there."""
    for depth in range(max(map(len, all_parts), default=0)):
        here = {parts[depth].casefold() for parts in all_parts if len(parts) > depth}
        kinds = {_SPLIT_WORDS[name] for name in here if name in _SPLIT_WORDS}
        others = here - _SPLIT_WORDS.keys()
        has_classes_below = any(len(p) > depth + 1 for p in all_parts)
        if len(kinds) >= 2 or (kinds and not others and has_classes_below):
            return depth
        if kinds == {"test"} and others:  # cats/, dogs/ and a flat test/
            flat = all(len(p) == depth + 1 for p in all_parts if len(p) > depth and p[depth].casefold() in _SPLIT_WORDS)
            if flat:
                return depth
    return None


def _take_classes(
    folders: dict[PurePosixPath, tuple[str, ...]], splits: dict[PurePosixPath, str], notes: list[str]
) -> dict[PurePosixPath, Placement]:
    wrapper = _common_wrapper([parts for path, parts in folders.items() if parts])
    inner = {path: parts[len(wrapper) :] for path, parts in folders.items()}
    holders = {parts for parts in inner.values() if parts}
    chosen = {path: _class_parts(parts, holders) for path, parts in inner.items()}
    names = {parts[-1] for parts in chosen.values() if parts}
    above = {parts[-2] for parts in chosen.values() if len(parts) > 1}
    if len(names) == 1 and len(above) > 1:  # cats/images/…, dogs/images/…: the class is one level up
        chosen = {path: parts[:-1] if len(parts) > 1 else parts for path, parts in chosen.items()}
    _note_doubled(chosen, splits, notes)
    tidy: dict[str, str] = {}
    placements = {}
    for path, parts in chosen.items():
        label = ""
        if parts:
            label = tidy.setdefault(parts[-1], tidy_name(parts[-1]))
        placements[path] = Placement(label, splits.get(path, ""))
    for original, name in tidy.items():
        if original != name:
            notes.append(f"The folder “{original}” becomes the class “{name}”, which every system can name.")
    return placements


def _common_wrapper(all_parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Leading folders shared by all pictures, as long as pictures lie at least one folder deeper.

    A single folder that holds all pictures directly is a class, not a wrapper.
    """
    if not all_parts:
        return ()
    shared = 0
    while all(len(p) > shared for p in all_parts) and len({p[shared] for p in all_parts}) == 1:
        shared += 1
    first = all_parts[0]
    if all(len(p) == shared for p in all_parts):  # everything lies in one folder
        shared -= 1
    return first[:shared]


def _class_parts(parts: tuple[str, ...], holders: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The topmost ancestor (or the folder itself) that directly holds pictures."""
    for length in range(1, len(parts)):
        if parts[:length] in holders:
            return parts[:length]
    return parts


def _note_doubled(
    chosen: dict[PurePosixPath, tuple[str, ...]], splits: dict[PurePosixPath, str], notes: list[str]
) -> None:
    places: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for path, parts in chosen.items():
        if parts:
            places[(splits.get(path, ""), parts[-1])].add(parts)
    doubled = sorted({name for (_, name), where in places.items() if len(where) > 1})
    if doubled:
        wrappers = sorted({w[-2] for ws in places.values() if len(ws) > 1 for w in ws if len(w) > 1})
        notes.append(
            f"The folder “{', '.join(wrappers)}” repeats the class folders beside it "
            f"({len(doubled)} of them); they were read as one tree."
        )


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+|\d+", text.casefold()))
