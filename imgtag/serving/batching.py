"""Requests that come while the model works wait in a line and are answered together, a picture of each in turn.

So many small requests cost no more than one large one, and nobody waits for somebody else's long list. A request that
comes alone waits for nothing. Everything here happens in the server's event loop, so there is nothing to lock; only the
work itself runs in a thread of Starlette's pool, and where nobody asks, nothing is left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from imgtag.core.errors import Busy
from imgtag.core.settings import limit
from imgtag.serving.predictor import Answer, kept_predictor
from imgtag.serving.views import Way
from imgtag.training.runs import Run

File = tuple[str, bytes | Path]  # what it is called, and the picture
Work = Callable[[Sequence[File], int], list[Answer]]  # as Predictor.classify

TOGETHER = 16  # pictures that are answered at once: more make a newcomer wait longer and are hardly faster
_SLOWEST_S = 1.0  # seconds for a picture, as long as nothing has been measured


@dataclass(eq=False)
class _Asked:
    """A request: its files, how many of them were given to the model, and the answers so far."""

    files: Sequence[File]
    top: int
    reply: asyncio.Future[list[Answer]]
    begun: int = 0
    answers: list[Answer] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether it needs no more work: it failed, or its client has gone."""
        return self.reply.done()


class Line:
    """The requests that wait for one model. Belongs to the event loop it is used in."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._waiting: deque[_Asked] = deque()
        self._working: asyncio.Task[None] | None = None
        self._seconds_each = _SLOWEST_S

    @property
    def idle(self) -> bool:
        """Whether nobody waits and nothing is at work."""
        return self._working is None

    @property
    def length(self) -> int:
        """How many pictures wait."""
        return sum(len(asked.files) - asked.begun for asked in self._waiting if not asked.over)

    async def ask(self, files: Sequence[File], top: int) -> list[Answer]:
        """Answers in the order of the files. Raises Busy at once when too many wait, and what the work raises."""
        if not files:
            return []
        if self._waiting and self.length + len(files) > limit("max_waiting_pictures"):
            raise Busy(self.length * self._seconds_each)
        asked = _Asked(files, top, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._working is None:
            self._working = asyncio.create_task(self._go())
        return await asked.reply

    async def _go(self) -> None:
        """Work until nobody waits."""
        try:
            while batch := self._next():
                began = time.monotonic()
                await self._answer(batch)
                each = (time.monotonic() - began) / len(batch)
                self._seconds_each = each if self._seconds_each == _SLOWEST_S else (self._seconds_each + each) / 2
        finally:
            self._working = None
            for asked in self._waiting:  # only where the server is shut down meanwhile
                asked.reply.cancel()
            self._waiting.clear()

    def _next(self) -> list[tuple[_Asked, File]]:
        """One picture of each request in turn, until there are enough for a batch."""
        batch: list[tuple[_Asked, File]] = []
        while self._waiting and len(batch) < TOGETHER:
            asked = self._waiting.popleft()
            if asked.over:
                continue
            batch.append((asked, asked.files[asked.begun]))
            asked.begun += 1
            if asked.begun < len(asked.files):
                self._waiting.append(asked)
        return batch

    async def _answer(self, batch: Sequence[tuple[_Asked, File]]) -> None:
        requests = list(dict.fromkeys(asked for asked, _ in batch))
        try:
            answers = await self._run([file for _, file in batch], max(asked.top for asked in requests))
        except Exception as error:
            if len(requests) == 1:
                _fail(requests[0], error)
                return
            # One of them may be the reason: each is tried alone, so that the others get their answers.
            for one in requests:
                await self._answer([(asked, file) for asked, file in batch if asked is one])
            return
        for (asked, _), answer in zip(batch, answers, strict=True):
            asked.answers.append(replace(answer, tags=answer.tags[: asked.top]))
        for asked in requests:
            if len(asked.answers) == len(asked.files) and not asked.over:
                asked.reply.set_result(asked.answers)

    async def _run(self, files: list[File], top: int) -> list[Answer]:
        return await run_in_threadpool(self._work, files, top)


def _fail(asked: _Asked, error: Exception) -> None:
    if not asked.over:
        asked.reply.set_exception(error)


_lines: dict[tuple[Path, Way], Line] = {}  # of the runs that are asked right now


async def classify(run: Run, files: Sequence[File], top: int = 5, way: Way = "plain") -> list[Answer]:
    """What the run's model says about (name, bytes or path) pairs, in their order; see `Predictor.classify`.

    Requests for the same run and way (see `serving.views`) are answered together. Raises BadModel, and Busy when too
    many pictures wait.
    """
    key = (run.path, way)
    line = _lines.setdefault(key, Line(lambda some, most: kept_predictor(run).classify(some, top=most, way=way)))
    try:
        return await line.ask(files, top)
    finally:
        if line.idle:
            _lines.pop(key, None)
