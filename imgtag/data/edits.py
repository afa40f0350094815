"""Every change to pictures: a list of moves, written to the history, undone by moving back (classes: class_edits).

Nothing is deleted: "trash" moves to trash/<where it came from>. Each change holds the project's lock and
checks that a picture is still where the caller saw it, so two windows never move it twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imgtag.core import locks, storage
from imgtag.core.errors import NotFound
from imgtag.core.names import same_name
from imgtag.data.class_edits import case_back, move_entry
from imgtag.data.dataset import Dataset, Picture, look
from imgtag.data.history import Move, last_batch, place, remember, size
from imgtag.data.moves import Change, carry_out, folder_of, require_class, trash_place
from imgtag.data.projects import Project

_FRESH_S = 1.0
_looks: dict[Path, tuple[float, int, Dataset]] = {}


def move_pictures(
    project: Project, ids: Sequence[str], label: str, *, seen: str | None = None, import_batch: str = "", **who: str
) -> Change:
    """Put pictures into a class, or back to unsorted with an empty label. See `sort_pictures`."""
    return sort_pictures(project, dict.fromkeys(ids, label), seen=seen, import_batch=import_batch, **who)


def sort_pictures(
    project: Project, labels: Mapping[str, str], *, seen: str | None = None, import_batch: str = "", **who: str
) -> Change:
    """Put each picture, by id, into a class of its own; one undo takes all of it back.

    Further files with the same bytes, copied in by hand, go to the trash: the move decides which label is right.
    seen: the class in which the caller saw them; those that somebody moved meanwhile stay where that one put them.
    import_batch: the import that does so, not a person; undoing that import takes it back, too.
    who="name" is written to the history, as are accepted="yes" for suggestions and unseen="yes" for those that were
    accepted without a look.
    """
    with locks.locked(project.lock):
        for label in sorted(set(labels.values()) - {""}):
            require_class(project, label)
        looked, dataset = _recent_look(project, labels)
        found, left = _where_seen(dataset, list(labels), seen)
        wanted = [
            (p.id, p.path, project.path / folder_of(labels[p.id]) / p.name) for p in found if p.label != labels[p.id]
        ]
        decided = {p.id for p in found}
        spare = [(c.id, c.path, trash_place(project, c.path)) for c in dataset.copies if c.id in decided]
        moves = carry_out(project, "add" if import_batch else "move", [*spare, *wanted], import_batch, **who)
        if not spare:
            landed = {m.id: project.path / m.target for m in moves}
            after = tuple(
                replace(p, path=landed[p.id], label=labels[p.id]) if p.id in landed else p for p in dataset.pictures
            )
            _looks.clear()  # one project is enough, and a large one takes memory
            _looks[project.path] = looked, size(project), replace(dataset, pictures=after)
    return replace(left, moved=len(moves))


def keep_labels(project: Project, ids: Sequence[str], **who: str) -> Change:
    """Write down that somebody was asked about the labels of these pictures and found them right; can be undone."""
    with locks.locked(project.lock):
        found, left = _where_seen(look(project), ids, None)
        kept = [p for p in found if p.label]
        remember(project, "keep", [Move(p.id, place(project, p.path), place(project, p.path)) for p in kept], **who)
    return replace(left, moved=len(kept))


def trash_pictures(project: Project, ids: Sequence[str], *, seen: str | None = None, **who: str) -> Change:
    """Move pictures to the trash, where their old place stays visible as a path. See `move_pictures`."""
    with locks.locked(project.lock):
        dataset = look(project)
        found, left = _where_seen(dataset, ids, seen)
        # With its copies, or one of them would take its place.
        decided = {p.id for p in found}
        found += [copy for copy in dataset.copies if copy.id in decided]
        moves = carry_out(project, "trash", [(p.id, p.path, trash_place(project, p.path)) for p in found], **who)
    return replace(left, moved=len(moves))


def trash_copies(project: Project) -> Change:
    """Move further files with the bytes of a picture to the trash, where both lie in the same class."""
    with locks.locked(project.lock):
        dataset = look(project)
        spare = [c for c in dataset.copies if c.label == dataset.by_id[c.id].label]
        moves = carry_out(project, "trash", [(c.id, c.path, trash_place(project, c.path)) for c in spare])
    return Change(len(moves))


def trashed_pictures(project: Project) -> list[Path]:
    """Files in the trash."""
    if not project.trash.is_dir():
        return []
    return sorted(p for p in project.trash.rglob("*") if p.is_file() and not p.name.startswith("."))


def restore_pictures(project: Project, paths: Iterable[Path]) -> Change:
    """Move files of the trash back to where they came from."""
    with locks.locked(project.lock):
        wanted = [(storage.sha256_of(p), p, project.path / p.relative_to(project.trash)) for p in paths if p.is_file()]
        moves = carry_out(project, "restore", wanted)
    return Change(len(moves))


def empty_trash(project: Project) -> int:
    """Delete what is in the trash for good. The only step that cannot be undone; asked for by the user."""
    count = len(trashed_pictures(project))
    storage.remove_folder(project.trash)
    return count


def put_in_doubt(project: Project, id_: str, classes: Sequence[str], import_batch: str) -> None:
    """Move a picture that came under several classes to unsorted and remember which they were."""
    with locks.locked(project.lock):
        picture = look(project).by_id.get(id_)
        if picture is None:  # trashed meanwhile in another window: that decides it
            return
        target = project.unsorted / picture.name
        if picture.label:
            carry_out(project, "doubt", [(id_, picture.path, target)], import_batch, classes=list(classes))
        else:
            stays = place(project, picture.path)
            remember(project, "doubt", [Move(id_, stays, stays)], import_batch, classes=list(classes))


def undo(project: Project, **who: str) -> Change:
    """Take back the last change that was not taken back yet. Added pictures go to the trash."""
    with locks.locked(project.lock):
        batch = last_batch(project)
        if not batch:
            raise NotFound("There is nothing to undo.", "No change is on record.", "")
        if batch[0]["action"] == "rename class" and same_name(*batch[0]["classes"]):
            return case_back(project, batch)
        missing: list[str] = []
        moves = carry_out(project, "undo", _steps_back(project, batch, missing), undoes=str(batch[0]["batch"]), **who)
        if batch[0]["action"] in ("rename class", "merge classes"):
            for folder in {(project.path / m.origin).parent for m in moves}:
                storage.remove_if_empty(folder)
        if batch[0]["action"] == "rename class":
            old, new = batch[0]["classes"]
            move_entry(project, new, old)
    return Change(len(moves), tuple(missing))


# ----------------------------------------------------------------------------- private


def _recent_look(project: Project, ids: Iterable[str]) -> tuple[float, Dataset]:
    """When it was made, and a look of the last second if nothing was written to the history since and these pictures
    are where it saw them; else a new one.

    Somebody who sorts by keys takes many steps in a second, and a look at 10,000 pictures takes a fifth of one.
    """
    looked, then, dataset = _looks.get(project.path, (-math.inf, 0, None))
    if dataset and time.monotonic() - looked < _FRESH_S and then == size(project):
        there = [dataset.by_id.get(id_) for id_ in ids]
        if all(p and p.path.is_file() for p in there):
            return looked, dataset
    return time.monotonic(), look(project)


def _where_seen(dataset: Dataset, ids: Sequence[str], seen: str | None) -> tuple[list[Picture], Change]:
    """The pictures that still are where the caller saw them, and what is left alone."""
    there = [dataset.by_id[id_] for id_ in dict.fromkeys(ids) if id_ in dataset.by_id]
    found = [p for p in there if seen is None or seen in (p.label, *dataset.doubtful.get(p.id, ()))]
    kept = {p.id for p in found}
    missing = tuple(id_ for id_ in ids if id_ not in dataset.by_id)
    return found, Change(0, missing, {p.id: p.label for p in there if p.id not in kept})


def _steps_back(
    project: Project, batch: Sequence[dict[str, Any]], missing: list[str]
) -> Iterator[tuple[str, Path, Path]]:
    """The moves of a batch in reverse; each is looked at when its turn comes, as a picture may have moved twice."""
    for row in reversed(batch):
        for id_, origin, target in reversed(row["moves"]):
            now = project.path / target
            if not now.is_file():
                if not origin or not (project.path / origin).is_file():  # or an earlier try took it back
                    missing.append(now.name)
            elif origin != target:
                yield id_, now, project.path / origin if origin else trash_place(project, now)
