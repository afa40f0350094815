"""history.jsonl: one line for every change to the pictures, and what can be learnt from it.

A line holds the time, the action, its batch (what one undo takes back) and the moves. Nothing is ever taken out.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgtag.core import storage
from imgtag.data.projects import Project

_IN_WORDS = {
    "add": "adding",
    "move": "moving",
    "trash": "trashing",
    "restore": "restoring",
    "doubt": "setting aside",
    "keep": "keeping the label of",
    "rename class": "renaming the class of",
    "merge classes": "merging the classes of",
    "trash class": "trashing the class of",
}


_read: dict[str, tuple[tuple[Path, int, int], Sequence[dict[str, Any]]]] = {}


@dataclass(frozen=True)
class Move:
    """A picture went from one place to another; places are relative to the project, "" = outside."""

    id: str
    origin: str
    target: str


def place(project: Project, path: Path) -> str:
    """A path relative to the project, with forward slashes: the form used in history and manifests."""
    return path.relative_to(project.path).as_posix()


def remember(project: Project, action: str, moves: Sequence[Move], batch: str = "", **more: Any) -> None:
    """Write a change down. A step without moves is not worth a line."""
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


def tell(project: Project, words: str, who: str = "") -> None:
    """Write down something that concerns the pictures but moves none; an undo passes over it."""
    row = {"time": round(time.time(), 3), "action": "note", "batch": uuid.uuid4().hex[:12], "moves": [], "words": words}
    storage.append_json_line(project.history, {**row, "who": who})


def remember_added(project: Project, moves: Sequence[Move], batch: str, source: str, who: str = "") -> None:
    """Write an import's pictures to the history, under one batch so that one undo takes it back."""
    remember(project, "add", moves, batch=batch, source=source, **({"who": who} if who else {}))


def size(project: Project) -> int:
    """Bytes of the history: it grows with every change, whoever made it."""
    try:
        return project.history.stat().st_size
    except OSError:
        return 0


def _rows(project: Project) -> Sequence[dict[str, Any]]:
    """All lines, read again only when the file has changed: 10,000 pictures take a tenth of a second."""
    try:
        stat = project.history.stat()
    except OSError:
        return []
    state = (project.history, stat.st_size, stat.st_mtime_ns)
    kept = _read.get("last")
    if kept and kept[0] == state:
        return kept[1]
    rows = storage.read_json_lines(project.history)
    _read["last"] = state, rows  # one project is enough, and a large one takes memory
    return rows


def last_batch(project: Project) -> list[dict[str, Any]]:
    """The lines of the last change that was not taken back yet."""
    live: list[dict[str, Any]] = []
    for row in _rows(project):
        if row["action"] == "undo":  # what an import added after it is not taken back
            live = [r for r in live if r["batch"] != row.get("undoes")]
        elif row.get("moves"):
            live.append(row)
    return [r for r in live if r["batch"] == live[-1]["batch"]] if live else []


def last_change(project: Project) -> str:
    """What the next undo would take back, in words; empty when there is nothing."""
    batch = last_batch(project)
    if not batch:
        return ""
    actions = [str(row["action"]) for row in batch]
    action = "add" if "add" in actions else actions[0]
    count = sum(len(row["moves"]) for row in batch if row["action"] == action)
    return f"{_IN_WORDS.get(action, action)} {count:,} picture{'s' * (count != 1)}"


@dataclass(frozen=True)
class Entry:
    """One change as people read it. `time` in seconds since 1970; `undone` when it was taken back later."""

    time: float
    who: str
    what: str
    undone: bool


def entries(project: Project, most: int = 200) -> list[Entry]:
    """The last changes, newest first. What one undo takes back is one entry."""
    rows = _rows(project)
    taken_back = {row.get("undoes") for row in rows if row.get("action") == "undo"}
    batches: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        batch = str(row["batch"])
        batches[batch] = [*batches.pop(batch, []), row]  # to the end: the order of the lines, for times can be equal
    last = list(batches.values())[: -most - 1 : -1]
    return [Entry(float(b[-1]["time"]), str(b[0].get("who", "")), _told(b), b[0]["batch"] in taken_back) for b in last]


def _told(batch: Sequence[dict[str, Any]]) -> str:
    """A batch in words: what was done, to how many pictures, where they went."""
    actions = [str(row["action"]) for row in batch]
    if actions == ["note"]:
        return str(batch[0].get("words", ""))
    action = "add" if "add" in actions else actions[0]
    moves = [m for row in batch if row["action"] == action for m in row.get("moves", [])]
    places = {Path(target).parent.name if target.startswith("images/") else "" for _, _, target in moves}
    where = f" to “{places.pop()}”" if len(places) == 1 and "" not in places and action in ("move", "add") else ""
    several = f" to {len(places)} classes" if len(places) > 1 and action in ("move", "add") else ""
    source = f" from {batch[0]['source']}" if batch[0].get("source") else ""
    verb = "taking back: moving" if action == "undo" else _IN_WORDS.get(action, action)
    accepted = f" (suggestions{', unseen' * bool(batch[0].get('unseen'))})" if batch[0].get("accepted") else ""
    return f"{verb} {len(moves):,} picture{'s' * (len(moves) != 1)}{where or several}{source}{accepted}"


def moved_by_hand(project: Project) -> set[str]:
    """Ids of pictures that somebody sorted: an import never overrules that."""
    rows = _rows(project)
    return {str(m[0]) for row in rows if row.get("action") == "move" for m in row.get("moves", [])}


def sorting_steps(project: Project) -> tuple[dict[str, str], set[str]]:
    """The step (batch) in which somebody last sorted each picture, by id; and those that were sorted unseen."""
    steps: dict[str, str] = {}
    unseen: set[str] = set()
    for row in _rows(project):
        if row.get("action") == "move":
            ids = {str(m[0]) for m in row.get("moves", [])}
            steps.update(dict.fromkeys(ids, str(row["batch"])))
            unseen = unseen | ids if row.get("unseen") else unseen - ids
    return steps, unseen


def decided(project: Project, since: float = 0.0) -> dict[str, str]:
    """Pictures about whose label somebody was asked, by id, and the label that was kept or given, as far as it was not
    taken back. since: only what was decided from then on, in seconds since 1970."""
    rows = _rows(project)
    taken_back = {row.get("undoes") for row in rows if row.get("action") == "undo"}
    found: dict[str, str] = {}
    for row in rows:
        asked = (row.get("action") == "keep" or row.get("decided")) and float(row.get("time", 0)) >= since
        if asked and row["batch"] not in taken_back:
            found |= {
                str(m[0]): Path(m[2]).parent.name for m in row.get("moves", []) if str(m[2]).startswith("images/")
            }
    return found


def trashed(project: Project) -> dict[str, Path]:
    """Pictures whose last recorded move was into the trash, where they still are, by id; the last ones first."""
    last: dict[str, str] = {}
    for row in _rows(project):
        for id_, _, target in row.get("moves", []):
            last.pop(str(id_), None)
            last[str(id_)] = str(target)
    places = {id_: project.path / target for id_, target in reversed(last.items()) if target.startswith("trash/")}
    return {id_: path for id_, path in places.items() if path.exists()}


def doubts(project: Project) -> dict[str, list[str]]:
    """Classes under which a picture came, for pictures that are in doubt, by id."""
    rows = _rows(project)
    return {str(m[0]): list(row["classes"]) for row in rows if row.get("action") == "doubt" for m in row["moves"]}
