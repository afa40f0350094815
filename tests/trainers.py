"""Real trainer processes in tests: wait for something, and leave none behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from imgtag.training import jobs


@pytest.fixture(autouse=True)
def no_trainer_left() -> Iterator[None]:
    """Whatever a failed test leaves at work ends here, by its own id; led processes end with their leader."""
    yield
    for child in jobs._children:
        if child.poll() is None:
            child.kill()
            child.wait(10)


def until(what: Callable[[], object], seconds: float = 90.0) -> float:
    """Wait until something is so; returns how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - began
