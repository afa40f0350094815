"""Pictures that join the project with the class that somebody gave them after a model had answered.

They teach, and never test: a model must not be measured with pictures that were chosen for what it said about them, and
still less with labels that it gave itself. Nor may they teach it the test pictures: what shows nearly the same as one
of these is not taken. The pictures come in as through any import, and can be taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from imgtag.core import storage
from imgtag.core.errors import BadPicture, Conflict
from imgtag.core.names import check_name, same_name, slug
from imgtag.data import class_edits, edits, history
from imgtag.data.dataset import Dataset, Picture, class_folders, look
from imgtag.data.duplicates import find_duplicates
from imgtag.data.images import picture_facts, read_file
from imgtag.data.importing import Progress, Skipped, import_files, require_no_import
from imgtag.data.projects import Project
from imgtag.data.sources import SourceFile
from imgtag.data.splits import RANK, keep_from_test, read_splits

_TAUGHT_FIRST = 4  # pictures that a new class trains with before one validates
_THOROUGHLY_UP_TO = 1000  # pictures in all, as in an import
_IS_TEST = "It is one of the project's test pictures, which must stay as they are to measure the model."
_SORTED_OTHERWISE = "It is in the project as “{name}” and stays there."
_LIKE_TEST = "It shows nearly the same as the test picture “{name}”: to learn it would flatter the model."


@dataclass(frozen=True)
class Given:
    """A picture outside of the project and the class that it is given, "" for unsorted. id: its sha256."""

    id: str
    path: Path
    name: str
    label: str


@dataclass(frozen=True)
class Joined:
    """What came of it. added: new in the project; moved: were in it under another class; batches: for `take_back`.

    labels: of the pictures that are now where they were to be, by id; refused: the others by name, with the reason.
    """

    added: int
    moved: int
    labels: dict[str, str]
    refused: tuple[Skipped, ...]
    batches: tuple[str, ...]


def join_project(
    project: Project,
    given: Sequence[Given],
    source: str,
    on_progress: Callable[[int, int, str], None] = lambda done, total, name: None,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    relabels: bool = True,
    who: str = "",
) -> Joined:
    """Take pictures into the project under the classes given; classes that are new are made.

    Those with a class never test; those without one come to unsorted as from any import. source: what the history
    calls them. relabels: those that have another class in the project are moved, as what somebody says is to be done,
    and not what a model says. Stopped, what is in stays. Raises BadName for an impossible class, Conflict while an
    import is at work, DiskFull.
    """
    require_no_import(project, "Only when they are all there can be told which of them test.")
    given = list({g.id: g for g in _in_existing_classes(project, given)}.values())
    before = {str(row["batch"]) for row in storage.read_json_lines(project.history)}
    dataset = look(project)
    refused = {} if relabels else _otherwise_sorted(project, dataset, given)
    judged, splits = _judged(project, dataset, [g for g in given if g.label and g.id not in refused])
    refused |= judged
    keep_from_test(project, splits)
    taken = [g for g in given if g.id not in refused]

    back = _restored(project, [g for g in taken if g.id not in dataset.by_id])
    here = [g for g in taken if g.label and (g.id in back or g.id in dataset.by_id)]
    for label in sorted({g.label for g in here} - set(class_folders(project))):
        class_edits.add_class(project, label)
    by_whom = {"who": who} if who else {}
    moved = edits.sort_pictures(project, {g.id: g.label for g in here}, **by_whom).moved if here else 0
    settled = {g.id for g in here}
    report = import_files(
        project,
        _sources([g for g in taken if g.id not in settled]),
        source,
        lambda p: on_progress(p.done, p.total, _name_of(p)),
        should_stop,
        who=who,
    )
    now = look(project).by_id
    skipped = [Skipped(g.name, refused[g.id]) for g in given if g.id in refused] + report.skipped
    ours = {g.id for g in taken}
    rows = [r for r in storage.read_json_lines(project.history) if ours & {str(m[0]) for m in r.get("moves", [])}]
    return Joined(
        added=report.added,
        moved=moved,
        labels={g.id: g.label for g in taken if g.id in now and now[g.id].label == g.label},
        refused=tuple(skipped),
        batches=tuple(dict.fromkeys(str(r["batch"]) for r in rows if str(r["batch"]) not in before)),
    )


def take_back(project: Project, joined: Joined, *, who: str = "") -> int:
    """Undo what `join_project` did; returns how many pictures went back. What was added goes to the trash.

    Raises Conflict when something else was changed since then.
    """
    number = 0
    for batch in reversed(joined.batches):
        last = history.last_batch(project)
        if not last or last[0]["batch"] != batch:
            raise Conflict(
                "Something else was changed since then.",
                f"An undo would take back {history.last_change(project)} first.",
                "Undo it on the page Collect or Label, or move the pictures there.",
            )
        number += edits.undo(project, **({"who": who} if who else {})).moved
    return number


# ----------------------------------------------------------------------------- private


def _in_existing_classes(project: Project, given: Sequence[Given]) -> list[Given]:
    """With the names of classes as they are spelt in the project; new ones in their canonical form."""
    there = class_folders(project)
    labels = {g.label for g in given if g.label}
    spelt = {label: next((t for t in there if same_name(t, label)), None) or check_name(label) for label in labels}
    return [Given(g.id, g.path, g.name, spelt.get(g.label, "")) for g in given]


def _otherwise_sorted(project: Project, dataset: Dataset, given: Sequence[Given]) -> dict[str, str]:
    """Those that stand under another class in the project, by id, with that as the reason."""
    labels = {g.id: dataset.by_id[g.id].label for g in given if g.label and g.id in dataset.by_id}
    return {
        g.id: _SORTED_OTHERWISE.format(name=project.display_name(labels[g.id]))
        for g in given
        if labels.get(g.id, g.label) not in (g.label, "")
    }


def _judged(project: Project, dataset: Dataset, given: Sequence[Given]) -> tuple[dict[str, str], dict[str, str]]:
    """Which of these cannot be taken, with the reason, and the split of the others, by id."""
    known = read_splits(project)
    label_of = {g.id: g.label for g in given}
    fresh = [Picture(g.id, g.path, "", 0) for g in given if g.id not in dataset.by_id]
    pictures = [*dataset.pictures, *fresh]
    like: dict[str, list[str]] = {g.id: [] for g in given}
    for pair in find_duplicates(project, pictures, thoroughly=len(pictures) <= _THOROUGHLY_UP_TO):
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if one in like and other in known:
                like[one].append(other)
    there = Counter((p.label, known[p.id]) for p in dataset.labelled if p.id in known)
    refused: dict[str, str] = {}
    splits: dict[str, str] = {}
    for id_, others in like.items():
        sides = {known[o]: o for o in others if o in dataset.by_id}
        if known.get(id_) == "test":
            refused[id_] = _IS_TEST
        elif "test" in sides:
            refused[id_] = _LIKE_TEST.format(name=dataset.by_id[sides["test"]].name)
        else:
            split = known.get(id_) or min(sides, key=RANK.__getitem__, default="") or _free(there, label_of[id_])
            splits[id_] = split
            there[label_of[id_], split] += 1
    return refused, splits


def _free(there: Mapping[tuple[str, str], int], label: str) -> str:
    """They all train; only a class that was never checked gets one to be checked with."""
    checked = there.get((label, "val"), 0) or there.get((label, "train"), 0) < _TAUGHT_FIRST
    return "train" if checked else "val"


def _restored(project: Project, given: Sequence[Given]) -> set[str]:
    """Bring those that somebody had put in the trash back from there; returns their ids."""
    in_trash = history.trashed(project)
    wanted = {g.id: in_trash[g.id] for g in given if g.label and g.id in in_trash}
    edits.restore_pictures(project, wanted.values())
    return set(wanted)


def _sources(given: Sequence[Given]) -> list[list[SourceFile]]:
    """As an import wants them: flat, since no folder is to name a class; two of the same name in different lists."""
    groups: list[list[SourceFile]] = []
    seen: Counter[PurePosixPath] = Counter()
    for one in given:
        path = _import_name(one)
        if seen[path] == len(groups):
            groups.append([])
        groups[seen[path]].append(
            SourceFile(path, _size(one.path), partial(read_file, one.path), local=one.path, label=one.label)
        )
        seen[path] += 1
    return groups


def _import_name(given: Given) -> PurePosixPath:
    """A name that every import takes: its ending is that of its contents."""
    try:
        ending = picture_facts(given.path).extension
    except BadPicture:  # it was removed meanwhile: reading it will give the reason
        ending = ".jpg"
    return PurePosixPath((slug(PurePosixPath(given.name).stem) or "picture") + ending)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _name_of(progress: Progress) -> str:
    return progress.file.rpartition("/")[2]
