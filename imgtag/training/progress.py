"""What the trainer says while it works: status.json, metrics.jsonl, the measured time left, and the stop."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from imgtag.core import storage
from imgtag.training.head import Stopped

_EVERY_S = 0.2
_RATE_WINDOW_S = 8.0


class Watch:
    """One run's voice. `check_stop` raises Stopped as soon as the stop file is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = storage.read_json_lines(folder / "metrics.jsonl")
        before = float(rows[-1].get("t", 0.0)) if rows else 0.0
        self.began = time.monotonic() - before  # a resumed run goes on where its curve ended
        self.facts: dict[str, Any] = {}
        self._phase = ""
        self._written = 0.0
        self._seen: deque[tuple[float, int]] = deque()

    @property
    def seconds(self) -> float:
        """Seconds of work so far, including earlier parts of a resumed run."""
        return time.monotonic() - self.began

    def phase(self, name: str, message: str, total: int = 0, done: int = 0) -> None:
        """Say what is being done, and how far it is. `total` 0 means it cannot be counted."""
        now = time.monotonic()
        changed = name != self._phase
        if changed:
            self._phase = name
            self._seen.clear()
        self._seen.append((now, done))
        while self._seen and now - self._seen[0][0] > _RATE_WINDOW_S:
            self._seen.popleft()
        if changed or done == total or now - self._written >= _EVERY_S:
            self._written = now
            self._write(phase=name, message=message, done=done, total=total, eta_s=self._eta(done, total))

    def measured(self, phase: str, **values: float | int | None) -> None:
        """Add one line to the curves."""
        row = {"t": round(self.seconds, 3), "phase": phase}
        row.update({k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()})
        storage.append_json_line(self.folder / "metrics.jsonl", row)

    def finish(self, state: str, **results: Any) -> None:
        """The last word: state is finished, stopped or failed."""
        status = {"state": state, "seconds": round(self.seconds, 2), "updated": time.time()}
        storage.write_json(self.folder / "status.json", {**status, **self.facts, **results})

    def stop_asked(self) -> bool:
        """Whether somebody asked the run to stop."""
        return (self.folder / "stop").exists()

    def check_stop(self) -> None:
        """Raise Stopped when somebody asked for it."""
        if self.stop_asked():
            raise Stopped

    def _write(self, **values: Any) -> None:
        status = {"state": "running", "seconds": round(self.seconds, 2), "updated": time.time()}
        storage.write_json(self.folder / "status.json", {**status, **self.facts, **values}, durable=False)

    def _eta(self, done: int, total: int) -> float | None:
        """Seconds left at the rate of the last few seconds; None until there is something to measure."""
        then, start = self._seen[0]
        elapsed = time.monotonic() - then
        if not total or done <= start or elapsed < 0.5:
            return None
        return round((total - done) * elapsed / (done - start), 1)
