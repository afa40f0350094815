"""What the trainer says: status.json whole at every moment, curves, a measured time left, and the stop."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
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
    assert [(r["phase"], r["epoch"], r["val_loss"]) for r in rows] == [("fitting", 1, 0.1234568), ("fitting", 2, None)]
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


# ----------------------------------------------------------------------------- pauses


def later(seconds: float, what: Callable[[], object]) -> threading.Thread:
    """Do something after a while, as a person at the page would."""
    thread = threading.Thread(target=lambda: (time.sleep(seconds), what()))
    thread.start()
    return thread


def test_a_pause_is_said_waits_and_does_not_count(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.phase("tuning", "Learning, round 2", 10, 4)
    (tmp_path / "pause").touch()
    said: list[dict[str, object]] = []
    lent: list[str] = []

    @contextlib.contextmanager
    def lend() -> Iterator[None]:
        lent.append("away")
        yield
        lent.append("back")

    watch.while_paused = lend
    threads = [
        later(0.4, lambda: said.append(status(tmp_path))),
        later(0.9, (tmp_path / "pause").unlink),
    ]
    began, before = time.monotonic(), watch.seconds
    watch.check_stop()
    waited = time.monotonic() - began
    for thread in threads:
        thread.join()
    assert 0.8 < waited < 3
    assert watch.seconds - before < 0.3
    assert lent == ["away", "back"]
    assert (said[0]["phase"], said[0]["message"], said[0]["done"], said[0]["total"]) == ("paused", "Paused", 4, 10)
    assert said[0]["state"] == "running"
    after = status(tmp_path)
    assert (after["phase"], after["message"], after["done"]) == ("tuning", "Learning, round 2", 4), "said at once"


def test_a_stop_ends_a_pause(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    (tmp_path / "pause").touch()
    thread = later(0.3, (tmp_path / "stop").touch)
    with pytest.raises(Stopped):
        watch.check_stop()
    thread.join()


def test_a_silent_one_obeys_and_writes_nothing(tmp_path: Path) -> None:
    watch = Watch(tmp_path, silent=True)
    watch.phase("looking", "", 10, 1)
    watch.measured("fitting", epoch=1)
    watch.finish("finished")
    (tmp_path / "pause").touch()
    thread = later(0.3, (tmp_path / "pause").unlink)
    watch.check_stop()
    thread.join()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "stop").touch()
    with pytest.raises(Stopped):
        watch.check_stop()


# ----------------------------------------------------------------------------- the time left, with a plan


def eta(folder: Path) -> float:
    left = status(folder)["eta_s"]
    assert isinstance(left, float)
    return left


def test_before_anything_is_measured_the_plan_is_told(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.expect({"looking": 10.0, "fitting": 2.0, "tuning": 60.0})
    watch.phase("looking", "", 100, 0)
    assert eta(tmp_path) == pytest.approx(72, abs=0.3)
    watch.phase("fitting", "", 40, 0)
    assert eta(tmp_path) == pytest.approx(62, abs=0.3)
    watch.expect({"tuning": 30.0})  # measured meanwhile
    time.sleep(0.5)
    watch.phase("fitting", "", 40, 0)
    assert eta(tmp_path) == pytest.approx(31.5, abs=0.3)


def test_what_is_measured_is_believed_more_and_more(tmp_path: Path) -> None:
    """Planned were ten seconds; it turns out to be three."""
    watch = Watch(tmp_path)
    watch.expect({"looking": 10.0, "checking": 1.0})
    told = []
    for done in range(13):
        watch.phase("looking", "", 30, done)
        told.append(eta(tmp_path))
        time.sleep(0.1)
        time.sleep(0.11)  # so that each is written
    assert told[0] == pytest.approx(11, abs=0.2)
    real = 18 * 0.21 + 1  # thirteen of thirty are done
    assert told[-1] == pytest.approx(real, rel=0.25)
    assert told == sorted(told, reverse=True)


def test_a_phase_that_takes_longer_than_planned_is_not_told_to_end_before_now(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.expect({"looking": 0.1, "checking": 1.0})
    watch.phase("looking", "", 0, 0)
    time.sleep(0.3)
    watch.phase("looking", "", 0, 0)
    assert eta(tmp_path) == 1.0


def test_a_pause_does_not_change_the_time_left(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.expect({"tuning": 20.0})
    watch.phase("tuning", "", 100, 0)
    (tmp_path / "pause").touch()
    thread = later(1.5, (tmp_path / "pause").unlink)
    watch.check_stop()
    thread.join()
    assert eta(tmp_path) > 19
