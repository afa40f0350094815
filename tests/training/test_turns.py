"""The line before the machine: one at a time, in order, and nobody waits for the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgtag.core.settings import home
from imgtag.training.turns import Turn
from tests.trainers import until

ROOT = Path(__file__).resolve().parents[2]
_HOLDS = """
import sys, time
from imgtag.training.turns import Turn

def keep_waiting(others):
    print("waiting", others, flush=True)
    return True

turn = Turn(keep_waiting)
turn.take()
print("works", flush=True)
time.sleep(float(sys.argv[1]))
turn.give_back()
print("done", flush=True)
"""


class Other:
    """Another process that wants the machine, and what it said last."""

    def __init__(self, seconds: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HOLDS, str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said = ""
        self.lines = self.process.stdout
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.lines:
            self.said = line.strip()


@pytest.fixture
def other() -> Iterator[Callable[[float], Other]]:
    """Starts such processes, which end with the test."""
    started: list[Other] = []

    def start(seconds: float) -> Other:
        started.append(Other(seconds))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(10)


def tickets() -> list[str]:
    return sorted(path.name for path in (home() / ".queue").iterdir())


def test_a_free_machine_is_taken_at_once_and_given_back() -> None:
    waited: list[int] = []
    turn = Turn(lambda others: bool(waited.append(others)))
    assert turn.take()
    assert waited == []
    assert len(tickets()) == 1
    turn.give_back()
    assert tickets() == []
    assert Turn(lambda _: False).take()


def test_one_who_gives_up_leaves_the_line(other: Callable[[float], Other]) -> None:
    first = other(60)
    until(lambda: first.said == "works")
    assert len(tickets()) == 1
    asked: list[int] = []
    assert not Turn(lambda others: bool(asked.append(others))).take()
    assert asked == [1]
    assert len(tickets()) == 1


def test_the_dead_are_passed_over_wherever_they_stood(other: Callable[[float], Other]) -> None:
    first = other(60)
    until(lambda: first.said == "works")
    second = other(60)
    until(lambda: second.said == "waiting 1")
    third = other(0)
    until(lambda: third.said == "waiting 2")
    os.kill(second.process.pid, signal.SIGKILL)
    until(lambda: third.said == "waiting 1")
    assert len(tickets()) == 2
    os.kill(first.process.pid, signal.SIGKILL)
    until(lambda: third.said == "done")
    assert tickets() == []


def test_who_was_asked_earlier_goes_first_even_if_it_arrived_later(other: Callable[[float], Other]) -> None:
    worker = other(60)
    until(lambda: worker.said == "works")
    order: list[str] = []
    waiting: set[str] = set()

    def stand_in_line(name: str, since: float) -> None:
        turn = Turn(lambda _: bool(waiting.add(name)) or True)
        turn.take(since)
        order.append(name)
        turn.give_back()

    later = time.time() + 60
    lines = []
    for name, since in (("late", later), ("early", later - 30)):  # both asked after the worker
        lines.append(threading.Thread(target=stand_in_line, args=(name, since)))
        lines[-1].start()
        until(lambda name=name: name in waiting)  # type: ignore[misc]
    worker.process.kill()
    for line in lines:
        line.join(20)
    assert order == ["early", "late"]


def test_a_lent_machine_is_used_by_the_next_and_comes_back(other: Callable[[float], Other]) -> None:
    heard: list[int] = []
    turn = Turn(lambda others: bool(heard.append(others)) or True)
    turn.take()
    next_one = other(1.0)
    until(lambda: next_one.said == "waiting 1")
    with turn.lent():
        until(lambda: next_one.said == "works")
    assert set(heard) == {1}, "we waited until it was done"
    until(lambda: next_one.said == "done")
    third = other(0)
    until(lambda: third.said == "waiting 1")
    turn.give_back()
    until(lambda: third.said == "done")


def test_many_at_once_work_one_after_another() -> None:
    at_work, most, worked = [0], [0], [0]

    def work() -> None:
        turn = Turn(lambda _: True)
        turn.take()
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.02)
        at_work[0] -= 1
        worked[0] += 1
        turn.give_back()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (worked[0], most[0]) == (6, 1)
    assert tickets() == []
