"""Lock files: who may change a project now, and whether a trainer is alive.

The system frees a lock when its process dies, so nobody has to guess from process ids.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from imgtag.core.errors import Conflict
from imgtag.core.storage import explained, make_folder


@contextlib.contextmanager
def locked(path: Path, wait_s: float = 10.0) -> Iterator[None]:
    """Hold a lock file for the length of a block; the system frees it when the process dies."""
    with explained(path):
        make_folder(path.parent)
        lock = FileLock(path, timeout=wait_s)
        try:
            lock.acquire()
        except Timeout as error:
            raise Conflict(
                "Another window is changing this project right now.",
                "The change did not finish within ten seconds.",
                "Wait a moment and try again.",
            ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file. Immune to process ids being used again."""
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return True
    lock.release()
    return False
