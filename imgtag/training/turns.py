"""Only one training at a time works on a machine; the others wait in line, first come first served."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from imgtag.core import locks, storage
from imgtag.core.settings import home

_LOOK_EVERY_S = 0.3


def machine_is_busy() -> bool:
    """Whether a training works on this machine, of any project."""
    return locks.is_held(home() / ".training.lock")


class Turn:
    """A place in the line. `keep_waiting(others)` is told how many are before us; False gives up."""

    def __init__(self, keep_waiting: Callable[[int], bool]) -> None:
        self._keep_waiting = keep_waiting
        self._machine = FileLock(storage.make_folder(home()) / ".training.lock", timeout=0)
        self._ticket: FileLock | None = None

    def take(self, since: float | None = None) -> bool:
        """Wait until it is our turn. False when `keep_waiting` gave up.

        since: when we were asked to work, in seconds since 1970, if that was before now.
        """
        line = storage.make_folder(home() / ".queue")
        mine = line / f"{round(1e9 * (since or time.time())):020d}-{os.getpid()}"
        with _door(line):
            self._ticket = FileLock(mine, timeout=0)
            self._ticket.acquire()
        while True:
            with _door(line):
                before = _alive_before(line, mine)
            if not before:
                with contextlib.suppress(Timeout):
                    self._machine.acquire()
                    return True
            if not self._keep_waiting(max(1, before)):
                self.give_back()
                return False
            time.sleep(_LOOK_EVERY_S)

    def give_back(self) -> None:
        """Let the next one work."""
        self._machine.release()
        if self._ticket:
            path = Path(self._ticket.lock_file)
            self._ticket.release()
            storage.remove_file(path)
            self._ticket = None

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Others may work during the block; afterwards we wait in line again."""
        self.give_back()
        try:
            yield
        finally:
            self.take()


def _door(line: Path) -> contextlib.AbstractContextManager[None]:
    """Nobody comes or looks while another does: a ticket that is just being written would look like a dead one's."""
    return locks.locked(line.with_name(".queue.lock"))


def _alive_before(line: Path, mine: Path) -> int:
    """How many living processes stand before us; tickets of dead ones are thrown away."""
    found = 0
    for ticket in sorted(line.iterdir()):
        if ticket.name >= mine.name:
            break
        if locks.is_held(ticket):
            found += 1
        else:
            storage.remove_file(ticket)
    return found
