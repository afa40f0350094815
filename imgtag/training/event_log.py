"""TensorBoard's view of a run: runs/<id>/tb, the same numbers as metrics.jsonl.

    tensorboard --logdir PROJECT/runs

metrics.jsonl is the truth; this is a copy for those who know TensorBoard.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from imgtag.core import storage

_SKIPPED = ("t", "phase", "epoch", "step", "backbone")


class EventLog:
    """Copies what is new in metrics.jsonl at each `catch_up`."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder
        self._done = 0
        self._steps: dict[str, int] = {}
        self._writer: Any = None

    def catch_up(self) -> None:
        """Write the rows since the last time. A row of rounds stands at its round, others at their number."""
        rows = storage.read_json_lines(self.folder / "metrics.jsonl")
        if self._writer is None:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            for old in (self.folder / "tb").glob("events.out.tfevents.*"):
                storage.remove_file(old)  # of an interrupted process; everything is written anew
            self._writer = EventFileWriter(str(storage.make_folder(self.folder / "tb")))
            self._began = time.time() - float(rows[-1]["t"] if rows else 0)
        for row in rows[self._done :]:
            self._write(row)
        self._done = len(rows)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.catch_up()
        self._writer.close()

    def _write(self, row: dict[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        phase = str(row["phase"]).replace(" ", "_")
        number = self._steps[phase] = self._steps.get(phase, 0) + 1
        step = int(row.get("step") or (row["epoch"] if isinstance(row.get("epoch"), int) else number))
        values = [
            Summary.Value(tag=f"{phase}/{name}", simple_value=float(value))
            for name, value in row.items()
            if name not in _SKIPPED and isinstance(value, (int, float))
        ]
        if values:
            self._writer.add_event(Event(wall_time=self._began + row["t"], step=step, summary=Summary(value=values)))
