"""TensorBoard's copy has the numbers of metrics.jsonl, read back with TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from imgtag.training.event_log import EventLog
from imgtag.training.progress import Watch


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by name, as TensorBoard shows them."""
    events = EventAccumulator(str(folder / "tb"), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_the_numbers_are_those_of_the_curves(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.measured("looking", pictures=24, val_loss=0.9)
    watch.measured("looking", pictures=30, val_loss=0.8)
    watch.measured("fitting 1", epoch=1, backbone="toy", val_loss=None, train_loss=0.5)
    watch.measured("tuning step", step=7, epoch=0.35, train_loss=0.25, rate=1e-4)
    watch.measured("tuning", epoch=3, val_loss=float("nan"), val_accuracy=1.0)
    EventLog(tmp_path).close()
    assert read(tmp_path) == {
        "looking/pictures": [(1, 24), (2, 30)],
        "looking/val_loss": [(1, pytest.approx(0.9)), (2, pytest.approx(0.8))],
        "fitting_1/train_loss": [(1, 0.5)],
        "tuning_step/train_loss": [(7, 0.25)],
        "tuning_step/rate": [(7, pytest.approx(1e-4))],
        "tuning/val_accuracy": [(3, 1.0)],
    }


def test_each_row_is_copied_once_as_the_curve_grows(tmp_path: Path) -> None:
    watch, log = Watch(tmp_path), EventLog(tmp_path)
    for epoch in (1, 2, 3):
        watch.measured("tuning", epoch=epoch, val_loss=1 / epoch)
        log.catch_up()
        assert [step for step, _ in read(tmp_path)["tuning/val_loss"]] == list(range(1, epoch + 1))
    log.catch_up()
    log.close()
    assert len(read(tmp_path)["tuning/val_loss"]) == 3


def test_a_resumed_run_is_copied_anew_without_doubles(tmp_path: Path) -> None:
    watch, fallen = Watch(tmp_path), EventLog(tmp_path)
    watch.measured("tuning", epoch=1, val_loss=0.5)
    fallen.catch_up()
    watch.measured("tuning", epoch=2, val_loss=0.25)
    EventLog(tmp_path).close()
    assert read(tmp_path) == {"tuning/val_loss": [(1, 0.5), (2, 0.25)]}
    assert len(list((tmp_path / "tb").iterdir())) == 1


def test_a_run_without_numbers_has_an_empty_copy(tmp_path: Path) -> None:
    EventLog(tmp_path).close()
    assert read(tmp_path) == {}
