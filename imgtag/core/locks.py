"""Lock files: who may change a project now, and whether a trainer is alive.

The system frees a lock when its process dies, so nobody has to guess from process ids.
"""

from __future__ import annotations

import contextlib
import sys
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
    """Whether a living process holds the lock file. Immune to process ids being used again.

    Any number may look at once without taking each other's look for a hold.
    """
    try:
        return path.exists() and _is_held(path)
    except FileNotFoundError:  # removed between the two looks
        return False
    except OSError:
        return True


if sys.platform == "win32":

    def _is_held(path: Path) -> bool:
        lock = FileLock(path, timeout=0.005, poll_interval=0.001)  # a look takes it for an instant
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
        return False

else:
    import fcntl

    def _is_held(path: Path) -> bool:
        # filelock holds it with flock, exclusively: a shared one is refused by that, and by nothing else.
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
