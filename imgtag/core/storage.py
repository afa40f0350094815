"""The only code that writes files. Everything is written whole or not at all.

A file is written beside its place, flushed to the disk, moved over the old one in one step, and the
folder is flushed too: after a crash there is the old file or the new one, never half of either.
Source: the ext4 "zero-length file" discussion of 2009 (Ubuntu bug 317781) and its accepted answer.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import fnmatch
import hashlib
import io
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from imgtag.core.errors import Conflict, DiskFull, NoAccess
from imgtag.core.settings import limit

_REPLACE_TRIES, _REPLACE_AGAIN_S = 40, 0.05


@contextlib.contextmanager
def explained(path: Path, needed: int = 0) -> Iterator[None]:
    """Turn the operating system's refusals to write `needed` bytes into sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path, needed) from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise NoAccess(
                f"“{path.name}” cannot be written.",
                f"The system does not let imgtag write in {path.parent}.",
                "Check the rights of that folder, or set IMGTAG_HOME to another one.",
            ) from error
        raise


def disk_full(path: Path, needed: int = 0) -> DiskFull:
    """The error to raise when the disk that holds `path` has no room for `needed` bytes."""
    free = free_bytes(path)
    amount = f"About {needed >> 20} MB are needed; " if needed else ""
    return DiskFull(
        "The disk is full.",
        f"{amount}{free >> 20} MB are free. What was there before is unchanged.",
        "Free some space, then try again.",
    )


def free_bytes(path: Path) -> int:
    """Free bytes on the disk that holds (or would hold) `path`."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def require_space(path: Path, needed: int) -> None:
    """Raise DiskFull unless `needed` bytes fit and the configured reserve stays free."""
    if free_bytes(path) < needed + (limit("spare_disk_mb") << 20):
        raise disk_full(path, needed)


# ----------------------------------------------------------------------------- writing


def atomic_write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write bytes so that a crash leaves the old file or the new one.

    `durable=False` skips the flush to disk: for what can be made again, such as caches.
    """
    with explained(path, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path)
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            _replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            _flush_folder(path.parent)


def _replace(source: Path, path: Path) -> None:
    """os.replace; Windows refuses it while somebody reads one of them (a page, a virus scanner): try again a while."""
    for _ in range(_REPLACE_TRIES):
        try:
            os.replace(source, path)
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(_REPLACE_AGAIN_S)
    os.replace(source, path)


def write_json(path: Path, value: Any, *, durable: bool = True, readable: bool = True) -> None:
    """Write a value as JSON. readable: indented for people, which takes ten times as long."""
    text = json.dumps(value, indent=2 if readable else None, ensure_ascii=False, allow_nan=False)
    atomic_write(path, _json_bytes(text), durable=durable)


def link_file(source: Path, path: Path) -> bool:
    """Give a file a second name, which needs no space; False where the disk cannot, such as from one to another."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(os.path.realpath(source), path)  # of a link what it leads to, or it would dangle here
    except OSError:
        return False
    return True


def append_json_line(path: Path, value: Any) -> None:
    """Add one line to a JSON-lines file; readers skip a last line cut short by a crash."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            # A line that a crash cut short must not swallow the new one.
            if file.tell() and not _ends_with_newline(file):
                line = "\n" + line
            file.write(_json_bytes(line))
            file.flush()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file exactly as given: for files that imgtag reads again."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    atomic_write(path, text.getvalue().encode("utf-8", "surrogateescape"))


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write into piece by piece; it appears under its name only when the block succeeds."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path)
        try:
            with open(temporary, "wb") as file:
                yield file
            _replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def open_log(path: Path) -> IO[bytes]:
    """A log file opened for appending, for the output of another process."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "ab")


def make_folder(path: Path) -> Path:
    """Create a folder and its parents."""
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


# ----------------------------------------------------------------------------- moving


def move(source: Path, target: Path) -> Path:
    """Move a file within the disk; an existing target is never overwritten but stepped aside from.

    Returns where the file is now. Raises Conflict when the source is gone.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target = free_place(target)
        try:
            _replace(source, target)
        except FileNotFoundError as error:
            raise Conflict(
                f"“{source.name}” is no longer where it was.",
                "It was moved or removed in another window.",
                "Look at the page again and repeat the step.",
            ) from error
    return target


def free_place(path: Path) -> Path:
    """The path itself, or the first of “name (2).ext”, “name (3).ext” … that is free."""
    candidate, number = path, 2
    while candidate.exists():
        candidate = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return candidate


def copy_folder(source: Path, target: Path, ignore: Sequence[str] = ()) -> None:
    """Copy a folder whole: it appears under its name only when complete.

    `ignore` holds patterns of paths relative to the folder, with forward slashes.
    """

    def left_out(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(source)
        return {n for n in names if any(fnmatch.fnmatchcase((inside / n).as_posix(), p) for p in ignore)}

    with explained(target):
        temporary = _beside(target)
        try:
            shutil.copytree(source, temporary, ignore=left_out)
            os.replace(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def remove_file(path: Path) -> None:
    """Delete a file that imgtag made itself; not being there is fine."""
    with explained(path):
        path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Delete a folder that imgtag made itself (caches, staging, a trash the user emptied)."""
    with explained(path):
        shutil.rmtree(path, ignore_errors=True)


def remove_if_empty(path: Path) -> None:
    """Delete a folder when nothing but a file manager's droppings is in it."""
    with contextlib.suppress(OSError):
        leftovers = [p for p in path.iterdir() if p.name in (".DS_Store", "Thumbs.db", "desktop.ini")]
        for dropping in leftovers:
            dropping.unlink()
        path.rmdir()


# ----------------------------------------------------------------------------- reading


def read_json(path: Path, default: Any = None) -> Any:
    """The JSON value in a file; `default` when the file is missing or damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return default


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a JSON-lines file; a damaged line is passed over."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    rows = []
    for line in text.split("\n"):  # not splitlines(): JSON may hold other line separators as they are
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                rows.append(row)
    return rows


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column name; an empty list when it is missing."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    except OSError:
        return []


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV for a spreadsheet: a cell that a spreadsheet would run as a formula is made inert.

    Source: OWASP, "CSV Injection".
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_inert(row.get(column, "")) for column in columns])
    return text.getvalue()


def _inert(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + cell
    return cell


# ----------------------------------------------------------------------------- private


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex[:8]}.part")


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows has no handle on a folder to flush
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _json_bytes(text: str) -> bytes:
    # A file name that is no UTF-8 reaches us with lone surrogates: written as JSON escapes they read back the same.
    return text.encode("utf-8", "backslashreplace")


def _ends_with_newline(file: IO[bytes]) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
