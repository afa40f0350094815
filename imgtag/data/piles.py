"""Pictures that are only looked at: a pile beside the project, never part of it.

cache/piles/<id>/parts/<n>-<batch>/ holds one upload, folder or zip: its files as they came and items.json, which is
written when all of it was read. A pile goes when somebody clears it, or when nobody has looked at it for two days.
"""

from __future__ import annotations

import contextlib
import functools
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgtag.core import locks, storage
from imgtag.core.errors import BadPicture, DiskFull, NoAccess, NotFound
from imgtag.core.settings import limit
from imgtag.data.dataset import natural_key
from imgtag.data.images import open_picture, picture_facts, thumbnail
from imgtag.data.layout import HELPER_FILE, HIDDEN_FILE, understand
from imgtag.data.projects import Project
from imgtag.data.sources import SourceFile, open_sources, open_staged

_STALE_S = 2 * 24 * 3600.0
_TOUCH_S = 600.0
_PATIENCE_S = 3600.0
_NOBODYS = (HELPER_FILE, HIDDEN_FILE)
_NUMBER = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Item:
    """A file of a pile. number: its place, which never changes; name: as the user knows it, with its folders.

    id: the sha256 of its bytes, empty where they could not be read; error: why that is so, else empty.
    """

    number: int
    name: str
    path: Path
    id: str = ""
    error: str = ""


@dataclass(frozen=True)
class Pile:
    """Where a pile lies. Making one does not touch the disk."""

    project: Project
    id: str

    @property
    def path(self) -> Path:
        """The folder of the pile."""
        return _folder(self.project) / self.id

    @property
    def waiting(self) -> list[Path]:
        """Parts that were not read to their end yet."""
        return [part for part in self._parts() if not (part / "items.json").exists()]

    @property
    def items(self) -> tuple[Item, ...]:
        """The files of all parts that were read, in the order in which they came."""
        return _items(tuple(part for part in self._parts() if (part / "items.json").exists()))

    @property
    def passed_over(self) -> int:
        """Hidden files and helper files of operating systems, which nobody wants to hear of one by one."""
        return sum(int(_part(part).get("helpers", 0)) for part in self._parts())

    def item(self, number: int) -> Item:
        """The file with that number. Raises NotFound."""
        items = self.items
        if not 0 <= number < len(items):
            raise NotFound("There is no such picture.", "The list was cleared meanwhile.", "Look at the page again.")
        return items[number]

    def keep(self) -> None:
        """Remember that somebody looked at it, so that it stays."""
        with contextlib.suppress(DiskFull, NoAccess):
            if time.time() - self.seen > _TOUCH_S:
                storage.write_json(self.path / "seen.json", time.time(), durable=False)

    @property
    def seen(self) -> float:
        """When somebody last looked at it, in seconds since 1970; 0 if never."""
        found = storage.read_json(self.path / "seen.json", 0.0)
        return float(found) if isinstance(found, (int, float)) else 0.0

    def _parts(self) -> list[Path]:
        return sorted((self.path / "parts").glob("*-*"), key=lambda p: int(p.name.partition("-")[0]))


def new_pile(project: Project) -> Pile:
    """An empty pile; those that nobody looks at any more go."""
    clear_stale_piles(project)
    pile = Pile(project, uuid.uuid4().hex)
    storage.make_folder(pile.path / "parts")
    pile.keep()
    return pile


def find_pile(project: Project, id_: str) -> Pile:
    """The pile with an id that may come from a URL. Raises NotFound."""
    if not _NUMBER.fullmatch(id_) or not (_folder(project) / id_).is_dir():
        raise NotFound(
            "These pictures are no longer there.",
            "They were cleared, or nobody had looked at them for two days.",
            "Add them again.",
        )
    return Pile(project, id_)


def remove_pile(pile: Pile) -> None:
    """Forget a pile with all copies of its pictures."""
    storage.remove_folder(pile.path)


def clear_stale_piles(project: Project) -> None:
    """Remove the piles at which nobody has looked for two days."""
    for folder in _folder(project).glob("*"):
        if time.time() - max(Pile(project, folder.name).seen, _changed(folder)) > _STALE_S:
            storage.remove_folder(folder)


# ----------------------------------------------------------------------------- what comes in


def add_upload(pile: Pile, batch: str) -> None:
    """Put a browser upload that has arrived whole (see serving/api.py) on the pile. Raises NotFound when it is gone."""
    folder = pile.project.staging / batch
    if not _NUMBER.fullmatch(batch) or not folder.is_dir():
        raise NotFound("The upload is no longer there.", "The server was restarted.", "Add the files again.")
    storage.move(folder, _new_part(pile, batch))


def add_folder(pile: Pile, path: Path) -> None:
    """Put a folder, zip or file of this machine on the pile; pictures outside of zips are read where they lie."""
    try:
        path = path.expanduser()
        there = path.is_absolute() and path.exists()
    except (OSError, RuntimeError) as error:
        raise NoAccess("This path cannot be read.", str(error), "Choose another one, or allow it.") from error
    if not there:
        raise NotFound("There is nothing at this path.", f"“{path}” was looked for.", "Give the whole path, from / on.")
    storage.write_json(_new_part(pile, uuid.uuid4().hex) / "order.json", {"path": str(path)}, durable=False)


def read_in(
    pile: Pile,
    on_progress: Callable[[int, int, str], None] = lambda done, total, name: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Read the parts that wait: every file becomes an item, those in zips are unpacked one by one.

    on_progress(files done, files in all, name). Stopped, the part goes on waiting. Raises DiskFull, NoAccess, NotFound.
    """
    with locks.locked(pile.path / "reading.lock", wait_s=_PATIENCE_S):
        for part in pile.waiting:
            order = storage.read_json(part / "order.json")
            path = Path(order["path"]) if isinstance(order, dict) else None
            with open_sources([path]) if path else open_staged(part) as groups:
                rows, helpers = _read_groups(part, groups, on_progress, should_stop)
            if rows is None:
                return
            storage.write_json(part / "items.json", {"items": rows, "helpers": helpers}, durable=False)
            used = {row["path"] for row in rows}
            for file in part.glob("*.bin"):  # zips that are unpacked, and helper files
                if str(file) not in used:
                    storage.remove_file(file)


def _read_groups(
    part: Path,
    groups: Sequence[Sequence[SourceFile]],
    on_progress: Callable[[int, int, str], None],
    should_stop: Callable[[], bool],
) -> tuple[list[dict[str, str]] | None, int]:
    left_out = [understand(file.path for file in files).left_out for files in groups]
    todo = [  # by name: what a browser sends side by side arrives in any order
        (f, reasons.get(f.path, ""))
        for files, reasons in zip(groups, left_out, strict=True)
        for f in sorted(files, key=lambda f: natural_key(str(f.path)))
    ]
    storage.require_space(part, sum(f.size for f, reason in todo if not f.local and not reason))
    rows: list[dict[str, str]] = []
    for done, (file, reason) in enumerate(todo):
        if should_stop():
            return None, 0
        on_progress(done, len(todo), file.shown)
        if reason not in _NOBODYS:
            rows.append({"name": file.shown, **_taken(part, file, reason)})
    return rows, sum(reason in _NOBODYS for _, reason in todo)


def _taken(part: Path, file: SourceFile, reason: str) -> dict[str, str]:
    """Where the bytes of a file lie and what their sha256 is, or why they cannot be read."""
    if reason:
        return {"path": "", "error": reason}
    try:
        if file.local:
            return {"path": str(file.local), "id": storage.sha256_of(file.local)}
        path = part / f"{uuid.uuid4().hex}.bin"
        storage.atomic_write(path, file.read(), durable=False)
        return {"path": str(path), "id": storage.sha256_of(path)}
    except BadPicture as error:
        return {"path": "", "error": str(error)}
    except OSError as error:
        return {"path": "", "error": f"The file cannot be opened. The system says: {error.strerror}."}


def _new_part(pile: Pile, batch: str) -> Path:
    numbers = [int(part.name.partition("-")[0]) for part in (pile.path / "parts").glob("*-*")]
    return pile.path / "parts" / f"{max(numbers, default=0) + 1}-{batch}"


# ----------------------------------------------------------------------------- what is shown


def pile_thumbnail(pile: Pile, number: int, *, large: bool = False) -> bytes:
    """The JPEG thumbnail (or large view) of a picture. Raises NotFound, and BadPicture when it cannot be read."""
    item = pile.item(number)
    path = pile.path / "thumbs" / f"{number}{'-large' if large else ''}.jpg"
    with contextlib.suppress(OSError):
        if kept := path.read_bytes():
            return kept
    longest = limit("large_view_px" if large else "thumbnail_px")
    picture, _ = open_picture(_readable(item), at_least=longest)
    data = thumbnail(picture, longest)
    with contextlib.suppress(DiskFull, NoAccess):
        storage.atomic_write(path, data, durable=False)
    return data


def item_facts(pile: Pile, number: int) -> dict[str, object]:
    """Size and format of a picture in words. Raises NotFound and BadPicture."""
    item = pile.item(number)
    facts = picture_facts(_readable(item))
    parts = [f"{facts.width} × {facts.height} pixels", f"{max(1, item.path.stat().st_size // 1000):,} KB"]
    return {"width": facts.width, "height": facts.height, "words": " · ".join([*parts, facts.format, facts.note])}


def _readable(item: Item) -> Path:
    if item.error:
        raise BadPicture(item.error)
    return item.path


# ----------------------------------------------------------------------------- private


@functools.lru_cache(maxsize=4)  # a page asks for a hundred thumbnails at once
def _items(parts: tuple[Path, ...]) -> tuple[Item, ...]:
    rows = [row for part in parts for row in _part(part).get("items", [])]
    return tuple(
        Item(number, str(row["name"]), Path(row["path"]), str(row.get("id", "")), str(row.get("error", "")))
        for number, row in enumerate(rows)
    )


def _part(part: Path) -> dict[str, Any]:
    found = storage.read_json(part / "items.json", {})
    return found if isinstance(found, dict) else {}


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _folder(project: Project) -> Path:
    return project.cache / "piles"
