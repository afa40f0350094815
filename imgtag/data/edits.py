"""Every change to pictures and classes: a list of moves, written to the history, undone by moving back.

Nothing is deleted: "trash" moves to trash/<where it came from>. Each change holds the project's lock and
checks that a picture is still where the caller saw it, so two windows never move it twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgtag.core import storage
from imgtag.core.errors import BadName, NotFound
from imgtag.core.names import check_name, same_name
from imgtag.data.dataset import class_folders, look
from imgtag.data.projects import Project


@dataclass(frozen=True)
class Move:
    """A picture went from one place to another; places are relative to the project, "" = outside."""

    id: str
    origin: str
    target: str


@dataclass(frozen=True)
class Change:
    """What one step did: how many pictures it moved and which were no longer where they were seen."""

    moved: int
    missing: tuple[str, ...] = ()


def place(project: Project, path: Path) -> str:
    """A path relative to the project, with forward slashes: the form used in history and manifests."""
    return path.relative_to(project.path).as_posix()


def folder_of(label: str) -> str:
    """The folder of a class, relative to the project; of the unsorted for an empty label."""
    return f"images/{label}" if label else "unsorted"


# ----------------------------------------------------------------------------- pictures


def move_pictures(project: Project, ids: Sequence[str], label: str, *, import_batch: str = "") -> Change:
    """Put pictures into a class, or back to unsorted with an empty label.

    Further files with the same bytes, copied in by hand, go to the trash: the move decides which label is right.
    `import_batch`: the import that does so, not a person; undoing that import takes it back, too.
    """
    with storage.locked(project.lock):
        if label:
            _require_class(project, label)
        dataset = look(project)
        found = [dataset.by_id[id_] for id_ in dict.fromkeys(ids) if id_ in dataset.by_id]
        wanted = [(p.id, p.path, project.path / folder_of(label) / p.name) for p in found if p.label != label]
        spare = [(c.id, c.path, _trash_place(project, c.path)) for c in dataset.copies if c.id in set(ids)]
        moves = _carry_out(project, "add" if import_batch else "move", [*spare, *wanted], import_batch)
    return Change(len(moves), tuple(id_ for id_ in ids if id_ not in dataset.by_id))


def trash_pictures(project: Project, ids: Sequence[str]) -> Change:
    """Move pictures to the trash, where their old place stays visible as a path."""
    with storage.locked(project.lock):
        dataset = look(project)
        found = [dataset.by_id[id_] for id_ in dict.fromkeys(ids) if id_ in dataset.by_id]
        moves = _carry_out(project, "trash", [(p.id, p.path, _trash_place(project, p.path)) for p in found])
    return Change(len(moves), tuple(id_ for id_ in ids if id_ not in dataset.by_id))


def trashed_pictures(project: Project) -> list[Path]:
    """Files in the trash."""
    if not project.trash.is_dir():
        return []
    return sorted(p for p in project.trash.rglob("*") if p.is_file() and not p.name.startswith("."))


def restore_pictures(project: Project, paths: Iterable[Path]) -> Change:
    """Move files of the trash back to where they came from."""
    with storage.locked(project.lock):
        wanted = [(storage.sha256_of(p), p, project.path / p.relative_to(project.trash)) for p in paths if p.is_file()]
        moves = _carry_out(project, "restore", wanted)
    return Change(len(moves))


def empty_trash(project: Project) -> int:
    """Delete what is in the trash for good. The only step that cannot be undone; asked for by the user."""
    count = len(trashed_pictures(project))
    storage.remove_folder(project.trash)
    return count


# ----------------------------------------------------------------------------- classes


def add_class(project: Project, name: str) -> str:
    """Make an empty class folder; returns the name in canonical form."""
    name = check_name(name)
    with storage.locked(project.lock):
        _require_free(project, name)
        storage.make_folder(project.images / name)
    return name


def rename_class(project: Project, old: str, new: str) -> str:
    """Give a class folder another name; its pictures and display name go along."""
    new = check_name(new)
    with storage.locked(project.lock):
        _require_class(project, old)
        if new != old:
            _require_free(project, new, but=old)
            _move_class(project, old, new, "rename class")
            _move_entry(project, old, new)
    return new


def merge_classes(project: Project, source: str, into: str) -> Change:
    """Move all pictures of one class into another and drop the empty folder."""
    with storage.locked(project.lock):
        _require_class(project, source)
        _require_class(project, into)
        if source == into:
            return Change(0)
        return Change(_move_class(project, source, into, "merge classes"))


def trash_class(project: Project, name: str) -> Change:
    """Move a class with its pictures to the trash."""
    with storage.locked(project.lock):
        _require_class(project, name)
        dataset = look(project)
        pictures = [p for p in (*dataset.pictures, *dataset.copies) if p.label == name]
        moves = _carry_out(project, "trash class", [(p.id, p.path, _trash_place(project, p.path)) for p in pictures])
        storage.remove_if_empty(project.images / name)
    return Change(len(moves))


# ----------------------------------------------------------------------------- undo


def last_change(project: Project) -> str:
    """What the next undo would take back, in words; empty when there is nothing."""
    batch = _last_batch(project)
    if not batch:
        return ""
    actions = [str(row["action"]) for row in batch]
    action = "add" if "add" in actions else actions[0]
    count = sum(len(row["moves"]) for row in batch if row["action"] == action)
    return f"{_IN_WORDS.get(action, action)} {count:,} picture{'s' * (count != 1)}"


def undo(project: Project) -> Change:
    """Take back the last change that was not taken back yet. Added pictures go to the trash."""
    with storage.locked(project.lock):
        batch = _last_batch(project)
        if not batch:
            raise NotFound("There is nothing to undo.", "No change is on record.", "")
        missing: list[str] = []
        moves = _carry_out(project, "undo", _steps_back(project, batch, missing), undoes=str(batch[0]["batch"]))
        if batch[0]["action"] in ("rename class", "merge classes"):
            for folder in {(project.path / m.origin).parent for m in moves}:
                storage.remove_if_empty(folder)
        if batch[0]["action"] == "rename class":
            old, new = batch[0]["classes"]
            _move_entry(project, new, old)
    return Change(len(moves), tuple(missing))


def remember_added(project: Project, moves: Sequence[Move], batch: str, source: str) -> None:
    """Write an import's pictures to the history, under one batch so that one undo takes it back."""
    _remember(project, "add", moves, batch=batch, source=source)


def moved_by_hand(project: Project) -> set[str]:
    """Ids of pictures that somebody sorted: an import never overrules that."""
    rows = storage.read_json_lines(project.history)
    return {str(m[0]) for row in rows if row.get("action") == "move" for m in row.get("moves", [])}


def trashed_ids(project: Project) -> set[str]:
    """Ids of pictures whose last recorded move was into the trash, where they still are."""
    last: dict[str, str] = {}
    for row in storage.read_json_lines(project.history):
        for id_, _, target in row.get("moves", []):
            last[str(id_)] = str(target)
    return {id_ for id_, target in last.items() if target.startswith("trash/") and (project.path / target).exists()}


def put_in_doubt(project: Project, id_: str, classes: Sequence[str], import_batch: str) -> None:
    """Move a picture that came under several classes to unsorted and remember which they were."""
    with storage.locked(project.lock):
        picture = look(project).picture(id_)
        target = project.unsorted / picture.name
        if picture.label:
            _carry_out(project, "doubt", [(id_, picture.path, target)], import_batch, classes=list(classes))
        else:
            stays = place(project, picture.path)
            _remember(project, "doubt", [Move(id_, stays, stays)], import_batch, classes=list(classes))


def doubts(project: Project) -> dict[str, list[str]]:
    """Classes under which a picture came, for pictures that are in doubt, by id."""
    rows = storage.read_json_lines(project.history)
    return {str(m[0]): list(row["classes"]) for row in rows if row.get("action") == "doubt" for m in row["moves"]}


# ----------------------------------------------------------------------------- private


_IN_WORDS = {
    "add": "adding",
    "move": "moving",
    "trash": "trashing",
    "restore": "restoring",
    "doubt": "setting aside",
    "rename class": "renaming the class of",
    "merge classes": "merging the classes of",
    "trash class": "trashing the class of",
}


def _carry_out(
    project: Project, action: str, wanted: Iterable[tuple[str, Path, Path]], batch: str = "", **more: Any
) -> list[Move]:
    """Move (id, source, target) one after the other; what was moved is remembered even if a later one fails."""
    moves: list[Move] = []
    try:
        for id_, source, target in wanted:
            landed = storage.move(source, target)
            moves.append(Move(id_, place(project, source), place(project, landed)))
    finally:
        _remember(project, action, moves, batch, **more)
    return moves


def _steps_back(
    project: Project, batch: Sequence[dict[str, Any]], missing: list[str]
) -> Iterator[tuple[str, Path, Path]]:
    """The moves of a batch in reverse; each is looked at when its turn comes, as a picture may have moved twice."""
    for row in reversed(batch):
        for id_, origin, target in reversed(row["moves"]):
            now = project.path / target
            if not now.is_file():
                missing.append(now.name)
            elif origin != target:
                yield id_, now, project.path / origin if origin else _trash_place(project, now)


def _remember(project: Project, action: str, moves: Sequence[Move], batch: str = "", **more: Any) -> None:
    if not moves and action != "undo":  # an undo that found nothing is done all the same, or it would bar the way
        return
    row = {
        "time": round(time.time(), 3),
        "action": action,
        "batch": batch or uuid.uuid4().hex[:12],
        "moves": [[m.id, m.origin, m.target] for m in moves],
        **more,
    }
    storage.append_json_line(project.history, row)


def _last_batch(project: Project) -> list[dict[str, Any]]:
    rows = storage.read_json_lines(project.history)
    undone = {r.get("undoes") for r in rows}
    live = [r for r in rows if r.get("moves") and r["action"] != "undo" and r["batch"] not in undone]
    return [r for r in live if r["batch"] == live[-1]["batch"]] if live else []


def _move_class(project: Project, source: str, target: str, action: str) -> int:
    pictures = [p for p in (project.images / source).iterdir() if p.is_file()]
    dataset = look(project)
    by_path = {p.path: p.id for p in (*dataset.pictures, *dataset.copies)}
    classes = [source, target]
    folder = project.images / target
    if same_name(source, target) and source != target:  # only the case differs: step over a third name
        bridge = storage.move(project.images / source, project.images / f"{source}-renaming")
        storage.move(bridge, folder)
        moves = [Move(by_path[p], place(project, p), f"images/{target}/{p.name}") for p in pictures if p in by_path]
        _remember(project, action, moves, classes=classes)
    else:
        storage.make_folder(folder)
        wanted = [(by_path.get(p, ""), p, folder / p.name) for p in pictures]
        moves = _carry_out(project, action, wanted, classes=classes)
        storage.remove_if_empty(project.images / source)
    return len(moves)


def _move_entry(project: Project, old: str, new: str) -> None:
    """Let a class's display name go along to its new folder."""
    entries = project.class_entries
    if old in entries:
        entries[new] = entries.pop(old)
        project.change_settings(classes=entries)


def _trash_place(project: Project, path: Path) -> Path:
    return project.trash / path.relative_to(project.path)


def _require_class(project: Project, name: str) -> None:
    if name not in class_folders(project):
        raise NotFound(
            f"There is no class “{name}”.",
            "It was renamed, merged or removed in another window.",
            "Look at the page again and choose a class from the list.",
        )


def _require_free(project: Project, name: str, but: str = "") -> None:
    taken = [c for c in class_folders(project) if c != but and same_name(c, name)]
    if taken:
        raise BadName(
            f"There is a class “{taken[0]}” already.",
            "Two classes cannot have the same name, not even in another case.",
            "Choose another name, or merge the two classes.",
        )
