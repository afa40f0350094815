"""What the trainer says while it works: status.json, metrics.jsonl, the measured time left, pause and stop."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from imgtag.core import storage
from imgtag.training.head import Stopped

_EVERY_S = 0.2
_RATE_WINDOW_S = 8.0
_SETTLED = 0.15  # share of a phase after which its own rate is believed more than the plan


class Watch:
    """One run's voice. `check_stop` waits while the run is paused, and raises Stopped when it is to stop.

    A `silent` one (the second process and later ones of several) writes nothing, but obeys all the same.
    """

    def __init__(self, folder: Path, *, silent: bool = False) -> None:
        self.folder = folder
        self.silent = silent
        rows = storage.read_json_lines(folder / "metrics.jsonl")
        before = float(rows[-1].get("t", 0.0)) if rows else 0.0
        self.began = time.monotonic() - before  # a resumed run goes on where its curve ended
        self.facts: dict[str, Any] = {}
        self.while_paused: Callable[[], AbstractContextManager[Any]] = (
            nullcontext  # lets others have the machine meanwhile
        )
        self._plan: dict[str, float] = {}
        self._phase = ""
        self._said: tuple[str, str, int, int] = ("", "", 0, 0)
        self._phase_began = 0.0
        self._spent: dict[str, float] = {}  # seconds by phase, for the last word
        self._written = 0.0
        self._seen: deque[tuple[float, int]] = deque()

    @property
    def seconds(self) -> float:
        """Seconds of work so far, including earlier parts of a resumed run; waiting and pauses do not count."""
        return time.monotonic() - self.began

    def expect(self, plan: Mapping[str, float]) -> None:
        """The phases still to come, in their order, with the seconds that each will probably take."""
        self._plan = {**self._plan, **plan}

    def planned(self, name: str) -> float:
        """The seconds that a phase will probably take; 0 for one that nobody told of."""
        return self._plan.get(name, 0.0)

    def phase(self, name: str, message: str, total: int = 0, done: int = 0) -> None:
        """Say what is being done, and how far it is. `total` 0 means it cannot be counted."""
        now = time.monotonic()
        self._said = (name, message, total, done)
        changed = name != self._phase
        if changed:
            self._close_phase(now)
            self._phase, self._phase_began = name, now
            self._seen.clear()
        self._seen.append((now, done))
        while self._seen and now - self._seen[0][0] > _RATE_WINDOW_S:
            self._seen.popleft()
        if changed or done == total or now - self._written >= _EVERY_S:
            self._written = now
            rate = self._rate()
            self._write(
                phase=name,
                message=message,
                done=done,
                total=total,
                eta_s=self._eta(done, total, rate),
                rate=None if rate is None else round(rate, 2),
            )

    def measured(self, phase: str, **values: float | int | str | None) -> None:
        """Add one line to the curves."""
        if self.silent:
            return
        row = {"t": round(self.seconds, 3), "phase": phase}
        row.update({k: _shown(v) if isinstance(v, float) else v for k, v in values.items()})
        storage.append_json_line(self.folder / "metrics.jsonl", row)

    def finish(self, state: str, **results: Any) -> None:
        """The last word: state is finished, stopped or failed."""
        if self.silent:
            return
        self._close_phase(time.monotonic())
        phases = {name: round(seconds, 2) for name, seconds in self._spent.items()}
        status = {"state": state, "seconds": round(self.seconds, 2), "updated": time.time(), "phases": phases}
        storage.write_json(self.folder / "status.json", {**status, **self.facts, **results})

    def _close_phase(self, now: float) -> None:
        if self._phase:
            self._spent[self._phase] = self._spent.get(self._phase, 0.0) + now - self._phase_began

    def stop_asked(self) -> bool:
        """Whether somebody asked the run to stop."""
        return (self.folder / "stop").exists()

    def check_stop(self) -> None:
        """Wait as long as the run is paused. Raises Stopped when somebody asked for it."""
        if (self.folder / "pause").exists() and not self.stop_asked():
            self._pause()
        if self.stop_asked():
            raise Stopped

    def _pause(self) -> None:
        began, phase_began, (name, message, total, done) = time.monotonic(), self._phase_began, self._said
        self._write(phase="paused", message="Paused", done=done, total=total, eta_s=None)
        with self.while_paused():
            while (self.folder / "pause").exists() and not self.stop_asked():
                time.sleep(0.2)
        waited = time.monotonic() - began
        self.began += waited
        self._phase, self._phase_began, self._written = name, phase_began + waited, 0.0
        self._seen.clear()
        self.phase(name, message, total, done)

    def _write(self, **values: Any) -> None:
        if self.silent:
            return
        status = {"state": "running", "seconds": round(self.seconds, 2), "updated": time.time()}
        storage.write_json(self.folder / "status.json", {**status, **self.facts, **values}, durable=False)

    def _rate(self) -> float | None:
        """Steps a second over the last few seconds; None until there is something to measure."""
        if not self._seen:
            return None
        (then, start), (now, done) = self._seen[0], self._seen[-1]
        return (done - start) / (now - then) if done > start and now - then >= 0.5 else None

    def _eta(self, done: int, total: int, rate: float | None) -> float | None:
        """Seconds left of the whole run: this phase by its own rate once there is one, the later ones as planned."""
        names = list(self._plan)
        planned = self._plan.get(self._phase)
        later = sum(self._plan[name] for name in names[names.index(self._phase) + 1 :]) if planned is not None else 0.0
        spent = time.monotonic() - self._phase_began
        if total and done and rate:
            here = (total - done) / rate
            if planned is not None and done < _SETTLED * total:
                trust = done / (_SETTLED * total)
                here = trust * here + (1 - trust) * max(planned - spent, 0.0)
        elif planned is not None:
            here = max(planned - spent, 0.0)
        else:
            return None
        return round(here + later, 1)


def _shown(value: float) -> float | None:
    """A number as it is kept: JSON has none for infinity and for what is no number."""
    return round(value, 7) if math.isfinite(value) else None
