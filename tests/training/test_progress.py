"""What the trainer says: status.json whole at every moment, curves, a measured time left, and the stop."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from imgtag.training.head import Stopped
from imgtag.training.progress import Watch


def status(folder: Path) -> dict[str, object]:
    return json.loads((folder / "status.json").read_text())


def test_a_phase_is_on_disk_at_once(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.facts.update(engine="toy")
    watch.phase("looking", "Looking at picture 0 of 10", 10, 0)
    said = status(tmp_path)
    assert (said["state"], said["phase"], said["done"], said["total"]) == ("running", "looking", 0, 10)
    assert said["engine"] == "toy"
    assert said["eta_s"] is None


def test_progress_is_written_a_few_times_a_second_but_never_misses_the_end(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    seen = set()
    for done in range(1001):
        watch.phase("looking", f"{done}", 1000, done)
        seen.add(status(tmp_path)["done"])
    assert len(seen) < 200
    assert status(tmp_path)["done"] == 1000


def test_the_time_left_is_measured(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    for done in range(8):
        watch.phase("looking", "", 20, done)
        time.sleep(0.1)
    watch.phase("looking", "", 20, 8)
    time.sleep(0.21)
    watch.phase("looking", "", 20, 8)
    eta = status(tmp_path)["eta_s"]
    assert isinstance(eta, float)
    assert 0.9 < eta < 4  # 12 left at about 8 in a second


def test_a_new_phase_measures_anew(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.phase("looking", "", 10, 5)
    time.sleep(0.6)
    watch.phase("fitting", "", 100, 1)
    assert status(tmp_path)["eta_s"] is None


def test_curves_are_one_json_line_each_and_rounded(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.measured("fitting", epoch=1, val_loss=0.123456789)
    watch.measured("fitting", epoch=2, val_loss=None)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(r["phase"], r["epoch"], r["val_loss"]) for r in rows] == [("fitting", 1, 0.12346), ("fitting", 2, None)]
    assert 0 <= rows[0]["t"] <= rows[1]["t"]


def test_a_resumed_run_goes_on_where_its_curve_ended(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"t": 100.0, "phase": "looking"}\n{"t": 120.5, "phase": "looking"}\n{"t": 1'
    )
    watch = Watch(tmp_path)
    assert 120.5 <= watch.seconds < 125
    watch.measured("fitting", epoch=1)
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["t"] >= 120.5


def test_the_last_word_replaces_progress_and_keeps_the_facts(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.facts.update(engine="toy")
    watch.phase("looking", "Looking", 10, 3)
    watch.finish("finished", val_accuracy=0.5)
    said = status(tmp_path)
    assert (said["state"], said["val_accuracy"], said["engine"]) == ("finished", 0.5, "toy")
    assert "done" not in said


def test_the_stop_file_is_noticed(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.check_stop()
    assert not watch.stop_asked()
    (tmp_path / "stop").touch()
    assert watch.stop_asked()
    with pytest.raises(Stopped):
        watch.check_stop()
