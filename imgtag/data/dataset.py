"""What is in a project right now: the class folders are read, everything else follows from them.

Files that somebody drops into images/<class>/ with a file manager are there at the next look. Hashing is
remembered in cache/index.json by (size, time of change), so a look at 10,000 known files takes a moment.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from imgtag.core import storage
from imgtag.core.errors import DiskFull, NoAccess, NotFound
from imgtag.data.images import is_picture_name
from imgtag.data.projects import Project

UNSORTED = ""
_LOOK_AGAIN_S = 5.0
_TRIES = 3  # looks that others disturb: while pictures come in, that is all of them


@dataclass(frozen=True)
class Picture:
    """One picture: `id` is the sha256 of its bytes, `label` its class folder ("" while unsorted)."""

    id: str
    path: Path
    label: str
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


@dataclass(frozen=True)
class Dataset:
    """A look at a project. `copies` are further files with the bytes of a listed picture."""

    project: Project
    pictures: tuple[Picture, ...]
    class_names: tuple[str, ...]
    copies: tuple[Picture, ...] = field(default=())

    @cached_property
    def by_id(self) -> dict[str, Picture]:
        """Pictures by sha256."""
        return {picture.id: picture for picture in self.pictures}

    @cached_property
    def by_class(self) -> dict[str, list[Picture]]:
        """Labelled pictures of every class, also of empty ones, in natural order of the class names."""
        found: dict[str, list[Picture]] = {name: [] for name in self.class_names}
        for picture in self.pictures:
            if picture.label:
                found[picture.label].append(picture)
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Number of pictures of every class."""
        return {name: len(pictures) for name, pictures in self.by_class.items()}

    @property
    def labelled(self) -> list[Picture]:
        """Pictures in class folders whose label is not in doubt."""
        doubtful = self.doubtful
        return [p for p in self.pictures if p.label and p.id not in doubtful]

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Classes that somebody left out of training, such as those with too few pictures."""
        chosen = self.project.settings.get("left_out")
        return frozenset(chosen if isinstance(chosen, list) else ()) & frozenset(self.class_names)

    @property
    def for_training(self) -> list[Picture]:
        """The labelled pictures of the classes that are not left out."""
        return [p for p in self.labelled if p.label not in self.left_out]

    @property
    def unsorted(self) -> list[Picture]:
        """Pictures without a label."""
        return [p for p in self.pictures if not p.label]

    @cached_property
    def doubtful(self) -> dict[str, list[str]]:
        """Ids of pictures whose bytes lie under two classes (copied by hand), with those classes."""
        labels: dict[str, set[str]] = {}
        for copy in self.copies:
            labels.setdefault(copy.id, {self.by_id[copy.id].label}).add(copy.label)
        return {id_: sorted(found - {UNSORTED}) for id_, found in labels.items() if len(found - {UNSORTED}) > 1}

    def picture(self, id_: str) -> Picture:
        """The picture with that id; NotFound when it is gone."""
        if id_ not in self.by_id:
            raise NotFound(
                "This picture is no longer in the project.",
                "It was removed or changed on the disk.",
                "Look at the page again.",
            )
        return self.by_id[id_]


def look(project: Project) -> Dataset:
    """Read the class folders now.

    What somebody moves from a folder not yet read into one that was read already would be missed, or seen twice the
    other way round. So the folders are read again when they changed meanwhile, a few times.
    """
    for _ in range(_TRIES):
        before = _changes(project)
        dataset = _look_once(project)
        if _changes(project) == before:
            break
    return dataset


def _changes(project: Project) -> list[tuple[str, int]]:
    """When a name was last added to or taken from each folder of pictures (nanoseconds; what is missing: 0)."""
    folders = [project.images, project.unsorted, *(project.images / name for name in class_folders(project))]
    found = []
    for folder in folders:
        try:
            found.append((folder.name, folder.stat().st_mtime_ns))
        except OSError:
            found.append((folder.name, 0))
    return found


def _look_once(project: Project) -> Dataset:
    index = _read_index(project)
    fresh: dict[str, list[Any]] = {}
    class_names = class_folders(project)
    files = list(_files(project, class_names))
    # What was only moved keeps its name, size and time: it is not read again. What is still there was not moved, so
    # that another file that shares all three, as bitmaps from one zip do, is read.
    left = index.keys() - {file.key for file in files}
    moved = {(key.rpartition("/")[2], index[key][0], index[key][1]): index[key] for key in left}
    for file in files:
        if file.key not in index and (row := moved.get((file.path.name, file.size, file.changed))):
            index[file.key] = row
    unknown = [file for file in files if index.get(file.key, [])[:2] != [file.size, file.changed]]
    with ThreadPoolExecutor() as pool:
        hashes = dict(zip((f.key for f in unknown), pool.map(lambda f: _hash(f.path), unknown), strict=True))
    pictures: dict[str, Picture] = {}
    copies = []
    for file in files:
        sha = hashes[file.key] if file.key in hashes else index[file.key][2]
        if not sha:
            continue  # vanished or unreadable while we looked
        fresh[file.key] = [file.size, file.changed, sha]
        picture = Picture(sha, file.path, file.label, file.size)
        if sha in pictures:
            copies.append(picture)
        else:
            pictures[sha] = picture
    if fresh != index:
        with contextlib.suppress(DiskFull, NoAccess):  # only slower then; a full disk must not hide the trash
            storage.write_json(_index_path(project), fresh, durable=False, readable=False)
    return Dataset(project, tuple(pictures.values()), tuple(class_names), tuple(copies))


class Whereabouts:
    """Where pictures lie now: files are moved and classes renamed while somebody works with them.

    A sequence of one path for each id (sha256), as it was known, or where a new look finds it.
    """

    def __init__(self, project: Project, ids: Sequence[str], paths: Sequence[Path]) -> None:
        self._project, self._ids, self._paths = project, ids, list(paths)
        self._look_again_at = 0.0

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Path]:
        return (self[position] for position in range(len(self)))

    def __getitem__(self, position: int) -> Path:
        path = self._paths[position]
        if not path.exists() and time.monotonic() >= self._look_again_at:
            found = look(self._project).by_id
            self._paths = [found[i].path if i in found else p for i, p in zip(self._ids, self._paths, strict=True)]
            self._look_again_at = time.monotonic() + _LOOK_AGAIN_S
        return self._paths[position]


def class_folders(project: Project) -> list[str]:
    """Names of the class folders, in natural order (2 before 10)."""
    try:
        with os.scandir(project.images) as entries:
            names = [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]
    except OSError:
        return []
    return sorted(names, key=natural_key)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that counts numbers as numbers: “2” before “10”, letters without regard to case."""
    parts: list[tuple[int, int, str]] = []
    text = ""
    for char in name.casefold():
        if text and char.isdecimal() != text[-1].isdecimal():
            parts.append(_part(text))
            text = ""
        text += char
    parts.append(_part(text))
    return parts


def _part(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)


class _File(NamedTuple):
    key: str  # path relative to the project, with slashes
    label: str
    path: Path
    size: int
    changed: int


def _files(project: Project, class_names: Sequence[str]) -> Iterator[_File]:
    """Every file that may be a picture. Files that another process moves away meanwhile are passed over."""
    folders = [(f"images/{name}", name, project.images / name) for name in class_names]
    folders.append(("unsorted", UNSORTED, project.unsorted))
    for key, label, folder in folders:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda e: e.name)
        except OSError:
            continue
        for entry in found:
            with contextlib.suppress(OSError):
                if entry.is_file() and not entry.name.startswith(".") and is_picture_name(entry.name):
                    stat = entry.stat()
                    yield _File(f"{key}/{entry.name}", label, Path(entry.path), stat.st_size, stat.st_mtime_ns)


def _hash(path: Path) -> str | None:
    try:
        return storage.sha256_of(path)
    except OSError:
        return None


def _read_index(project: Project) -> dict[str, list[Any]]:
    found = storage.read_json(_index_path(project))
    rows = found.items() if isinstance(found, dict) else ()
    return {key: row for key, row in rows if isinstance(row, list) and len(row) == 3}


def _index_path(project: Project) -> Path:
    return project.cache / "index.json"
