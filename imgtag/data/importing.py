"""Taking pictures in: every file is either in the project or named in the report with its reason.

Stopping or crashing half-way leaves whole pictures; importing the same source again adds the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import unicodedata
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from imgtag.core import locks, storage
from imgtag.core.errors import BadPicture, Conflict
from imgtag.core.names import stored_name
from imgtag.core.settings import limit
from imgtag.data import edits, history
from imgtag.data.dataset import class_folders, look
from imgtag.data.duplicates import find_duplicates
from imgtag.data.fingerprints import DECODED_AT, Fingerprint, keep_fingerprints, take_fingerprint
from imgtag.data.images import Facts, open_picture
from imgtag.data.label_files import LabelFile, read_label_file
from imgtag.data.layout import Layout, Placement, understand
from imgtag.data.moves import folder_of
from imgtag.data.projects import Project
from imgtag.data.sources import SourceFile
from imgtag.data.splits import record_splits
from imgtag.data.thumbnails import keep_thumbnail

_TOGETHER = 16  # files stored under one lock: others wait for a moment at most
_FINGERPRINTS_TOGETHER = 100
_PATIENCE_S = 60.0  # somebody may move ten thousand pictures meanwhile
_WINDOW = 16  # decoded ahead of the one being stored: memory stays flat


@dataclass(frozen=True)
class Skipped:
    """A file that was not taken, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far an import is."""

    done: int
    total: int
    file: str


@dataclass
class Report:
    """What an import did. `classes` counts the whole project afterwards."""

    added: int = 0
    unsorted: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    label_files: list[LabelFile] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    stopped: bool = False


@dataclass(frozen=True)
class _Candidate:
    file: SourceFile
    placement: Placement
    data: bytes
    sha: str


_THOROUGHLY_UP_TO = 1000  # pictures: some seconds; in larger sets, the health check searches for cut-outs
_Decoded = tuple[Facts, Fingerprint]


def importing(project: Project) -> bool:
    """Whether pictures are coming in now, by any process: their splits are known only when all are in."""
    return any(locks.is_held(lock) for lock in (project.cache / "importing").glob("*.lock"))


def require_no_import(project: Project, why: str = "Their splits are known only when all of them are there.") -> None:
    """Raise Conflict while pictures are coming in; `why` that matters, in words."""
    if importing(project):
        raise Conflict("Pictures are still coming in.", why, "Wait until the import has ended.")


@contextlib.contextmanager
def _announced(project: Project) -> Iterator[None]:
    """Let others know that an import is at work; the system tells them when this process dies."""
    lock = project.cache / "importing" / f"{uuid.uuid4().hex}.lock"
    try:
        with locks.locked(lock):
            yield
    finally:
        storage.remove_file(lock)


def import_files(
    project: Project,
    groups: Sequence[Sequence[SourceFile]],
    source: str,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    into: str = "",
    link: bool = False,
    who: str = "",
) -> Report:
    """Import the files of one or several sources (see data/sources.py) into a project.

    `source` is what the history calls it. into: the class of pictures that have no class folder. link: files of this
    disk get a second name instead of a copy where that is possible. Raises DiskFull before anything is written when
    the pictures cannot fit.
    """
    report = Report()
    plans = [(files, understand(file.path for file in files)) for files in groups]
    wanted = [f for files, plan in plans for f in files if f.path in plan.pictures]
    storage.require_space(project.path, sum(f.size for f in wanted if not (link and _same_disk(f, project))))
    for files, plan in plans:
        report.notes += [note for note in plan.notes if note not in report.notes]
        report.skipped += [Skipped(f.shown, plan.left_out[f.path]) for f in files if f.path in plan.left_out]
    todo = _in_order(plans)
    shelf = _Shelf(project, source, report, into, link, who)
    if into and into not in class_folders(project):
        report.notes.append(f"The class “{into}” is gone; its pictures are in unsorted.")
        shelf.into = ""
    with _announced(project):
        try:
            with ThreadPoolExecutor() as pool:
                ahead = _decode_ahead(pool, project, todo, report, should_stop)
                for done, (candidate, decoded) in enumerate(ahead, 1):
                    on_progress(Progress(done, len(todo), candidate.file.shown))
                    try:
                        shelf.place(candidate, *decoded.result())
                    except BadPicture as error:
                        report.skipped.append(Skipped(candidate.file.shown, str(error)))
        finally:  # what came in before the disk was full can be undone, too
            shelf.close()
        dataset = look(project)
        if todo and not should_stop():  # now, where it is waited for, not when a training begins
            on_progress(Progress(len(todo), len(todo), "comparing with one another"))
            find_duplicates(project, dataset.pictures, thoroughly=len(dataset.pictures) <= _THOROUGHLY_UP_TO)
    report.stopped = should_stop()
    report.label_files = _label_files(plans, class_folders(project), report)
    report.classes = dataset.counts
    return report


def _same_disk(file: SourceFile, project: Project) -> bool:
    try:
        return file.local is not None and file.local.stat().st_dev == project.path.stat().st_dev
    except OSError:
        return False


def _in_order(plans: Sequence[tuple[Sequence[SourceFile], Layout]]) -> list[tuple[SourceFile, Placement]]:
    # Train first: a picture that stands in several splits is then added once, as a training picture.
    rank = {"train": 0, "": 1, "val": 2, "test": 3}
    todo = [(f, plan.pictures[f.path]) for files, plan in plans for f in files if f.path in plan.pictures]
    return sorted(todo, key=lambda item: rank[item[1].split])


def _decode_ahead(
    pool: ThreadPoolExecutor,
    project: Project,
    todo: Sequence[tuple[SourceFile, Placement]],
    report: Report,
    should_stop: Callable[[], bool],
) -> Iterator[tuple[_Candidate, Future[_Decoded]]]:
    """Read files one after the other, decode them in parallel, hand them on in order."""
    waiting: deque[tuple[_Candidate, Future[_Decoded]]] = deque()
    for file, placement in todo:
        if should_stop():
            break
        try:
            data = file.read()
        except BadPicture as error:
            report.skipped.append(Skipped(file.shown, str(error)))
            continue
        candidate = _Candidate(file, placement, data, hashlib.sha256(data).hexdigest())
        waiting.append((candidate, pool.submit(_check, project, candidate)))
        if len(waiting) >= _WINDOW:
            yield waiting.popleft()
    yield from waiting


def _check(project: Project, candidate: _Candidate) -> _Decoded:
    picture, facts = open_picture(candidate.data, at_least=DECODED_AT)
    keep_thumbnail(project, candidate.sha, picture)
    return facts, take_fingerprint(picture, facts)


class _Shelf:
    """Stores checked pictures and decides what happens to the same bytes seen twice."""

    def __init__(self, project: Project, source: str, report: Report, into: str, link: bool, who: str) -> None:
        self.project = project
        self.source = source
        self.report = report
        self.into, self.link, self.who = into, link, who
        self.batch = uuid.uuid4().hex[:12]
        self.waiting: list[tuple[_Candidate, Path]] = []
        self.fingerprints: dict[str, Fingerprint] = {}
        self.taken: set[str] = set()
        self.splits: dict[str, str] = {}
        dataset = look(project)
        self.known = {p.id: (p.label, p.path) for p in dataset.pictures}
        self.folders = {_same(name): name for name in dataset.class_names}
        self.decided = history.moved_by_hand(project)
        self.trashed = (
            history.trashed(project).keys() - self.known.keys()
        )  # of a trashed copy the picture is still there
        self.doubts = set(history.doubts(project))

    def place(self, candidate: _Candidate, facts: Facts, fingerprint: Fingerprint) -> None:
        label = self._existing_spelling(candidate.file.label or candidate.placement.label or self.into)
        if candidate.placement.split and candidate.sha not in self.trashed:
            before = self.splits.get(candidate.sha, candidate.placement.split)
            self.splits[candidate.sha] = min(before, candidate.placement.split, key=("train", "val", "test").index)
        if candidate.sha in self.known:
            self._same_bytes_again(candidate, label)
        elif candidate.sha in self.trashed:
            self._skip(candidate, "You put this picture in the trash earlier. Restore it from there to have it back.")
        else:
            name = stored_name(candidate.file.path.name, candidate.sha, facts.extension)
            path = self.project.path / folder_of(label) / name
            if path.exists() and storage.sha256_of(path) != candidate.sha:  # edited by hand since an earlier import
                path = storage.free_place(path)
            self.known[candidate.sha] = (label, path)
            self.waiting.append((candidate, path))
            self.report.added += 1
            self.report.unsorted += not label
            self.taken.add(candidate.sha)
            self.fingerprints[candidate.sha] = fingerprint
            if facts.note:
                self.report.remarks.append(f"{candidate.file.shown}: {facts.note}.")
            if len(self.waiting) >= _TOGETHER:
                self._store()

    def close(self) -> None:
        self._store()
        self._keep_fingerprints()
        if self.splits:
            record_splits(self.project, self.splits)

    def _same_bytes_again(self, candidate: _Candidate, label: str) -> None:
        sha = candidate.sha
        there, path = self.known[sha]
        if not label or label == there:
            self._skip(candidate, f"The same picture (identical bytes) as “{path.name}”, which is in already.")
        elif sha in self.decided:
            self._skip(candidate, f"The same picture is in already; you sorted it into “{there or 'unsorted'}”.")
        elif not there and sha not in self.doubts:
            self._store()
            edits.move_pictures(self.project, [sha], self._ensure_class(label), import_batch=self.batch)
            self.known[sha] = (label, self.project.images / label / path.name)
            self._skip(candidate, f"The same picture was in unsorted already; it is now in “{label}”.")
        else:
            self._store()
            classes = sorted({label, *([there] if there else history.doubts(self.project).get(sha, []))})
            for name in classes:  # all of them can be chosen afterwards
                self._ensure_class(name)
            edits.put_in_doubt(self.project, sha, classes, self.batch)
            self.doubts.add(sha)
            self.report.unsorted += bool(there) and sha in self.taken
            self.known[sha] = ("", self.project.unsorted / path.name)
            named = " and ".join(f"“{c}”" for c in classes)
            self._skip(candidate, f"The same picture stands in {named}. It is in unsorted now: please decide.")

    def _existing_spelling(self, label: str) -> str:
        """The class folder that differs only in case, if there is one: “Cat” joins “cat”."""
        if not label:
            return ""
        return self.folders.setdefault(_same(label), label)

    def _ensure_class(self, label: str) -> str:
        storage.make_folder(self.project.images / label)
        return label

    def _skip(self, candidate: _Candidate, reason: str) -> None:
        self.report.skipped.append(Skipped(candidate.file.shown, reason))

    def _store(self) -> None:
        """Write the files that wait, and that they came: nobody can move one before the history knows of it."""
        moves: list[history.Move] = []
        with locks.locked(self.project.lock, wait_s=_PATIENCE_S):
            try:
                for candidate, path in self.waiting:
                    if not (self.link and candidate.file.local and storage.link_file(candidate.file.local, path)):
                        storage.atomic_write(path, candidate.data)
                    moves.append(history.Move(candidate.sha, "", history.place(self.project, path)))
            finally:  # what came in before the disk was full can be undone, too
                history.remember_added(self.project, moves, self.batch, self.source, self.who)
                self.waiting = []
        if len(self.fingerprints) >= _FINGERPRINTS_TOGETHER:
            self._keep_fingerprints()

    def _keep_fingerprints(self) -> None:
        keep_fingerprints(self.project, self.fingerprints)
        self.fingerprints = {}


def _same(name: str) -> str:
    """What two names have in common that are one folder where neither case nor the form of accents counts."""
    return unicodedata.normalize("NFC", name).casefold()


def _label_files(
    plans: Sequence[tuple[Sequence[SourceFile], Layout]], classes: Sequence[str], report: Report
) -> list[LabelFile]:
    """Label files that name at least half of the project's classes; the others are no pictures."""
    found = []
    for files, plan in plans:
        wanted: set[PurePosixPath] = set(plan.label_files)
        for file in files:
            if file.path not in wanted:
                continue
            names = None
            if file.size <= limit("max_label_file_kb") << 10:
                with contextlib.suppress(BadPicture):
                    names = read_label_file(file.path.name, file.read(), classes)
            if names:
                found.append(names)
            else:
                report.skipped.append(Skipped(file.shown, "It is no picture, and no list of names for the classes."))
    return found


def name_staged(folder: Path) -> str:
    """A short name for an upload: its first file, and how many more there are."""
    names = [str(row["path"]) for row in storage.read_json_lines(folder / "names.jsonl")]
    first = names[0].split("/")[0] if names else "upload"
    others = len({n.split("/")[0] for n in names}) - 1
    return f"{first} and {others} more" if others > 0 else first
