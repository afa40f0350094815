"""Work that a page starts and comes back to: one thread per project and kind, with progress and a stop.

For imports and downloads, which end with the server. Training does not: it has a process of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from imgtag.core.errors import ImgtagError


@dataclass
class Job:
    """A piece of work and how far it is. `error` is set when it failed, `result` when it ended well."""

    title: str
    done: int = 0
    total: int = 0
    message: str = ""
    result: Any = None
    error: ImgtagError | None = None
    finished: bool = False
    started: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def report(self, done: int, total: int, message: str) -> None:
        """Say how far it is."""
        self.done, self.total, self.message = done, total, message

    def restart(self, total: int) -> None:
        """A new part of the work begins: how long it takes is measured anew."""
        self.started = time.monotonic()
        self.report(0, total, "")

    def stop(self) -> None:
        """Ask it to end; what is done stays."""
        self._stop.set()

    def should_stop(self) -> bool:
        """Whether somebody asked it to end."""
        return self._stop.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for its end, but not longer: what is quick needs no progress."""
        self._ended.wait(seconds)

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the rate so far; None until two seconds have been measured."""
        elapsed = time.monotonic() - self.started
        if elapsed < 2 or not self.done or not self.total:
            return None
        return elapsed / self.done * (self.total - self.done)


_jobs: dict[str, Job] = {}
_lock = threading.Lock()


def start_job(key: str, title: str, work: Callable[[Job], Any], then: Callable[[], object] | None = None) -> Job:
    """Run `work(job)` in a thread. While a job with this key is at work, that one is returned instead.

    then: called once the job has ended, well or not; it may start the next one with the same key.
    """
    with _lock:
        running = _jobs.get(key)
        if running and not running.finished:
            return running
        job = _jobs[key] = Job(title)

    def run() -> None:
        try:
            job.result = work(job)
        except ImgtagError as error:
            job.error = error
        except Exception as error:  # a thread has nobody else to tell
            job.error = ImgtagError(f"{title} failed.", f"{type(error).__name__}: {error}", "Try again.")
        job.finished = True
        job._ended.set()
        if then:
            then()

    threading.Thread(target=run, name=key, daemon=True).start()
    return job


def find_job(key: str) -> Job | None:
    """The job with this key, running or finished."""
    return _jobs.get(key)


def forget_job(key: str) -> None:
    """Drop a finished job, once its outcome was seen."""
    with _lock:
        if key in _jobs and _jobs[key].finished:
            del _jobs[key]
