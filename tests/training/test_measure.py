"""The measurement for predictions of the training time, in its own process."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from imgtag.training import jobs
from imgtag.training.backbones import at_size, backbone
from imgtag.training.estimates import seconds_per_step
from imgtag.training.extractor import known_speed
from imgtag.training.recipes import make_recipe


def test_it_measures_a_step_once_and_says_that_it_is_at_it(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    recipe = make_recipe("custom", ["layers=partly", "picture_size=32", "batch_size=4", "devices=cpu"])
    assert seconds_per_step(recipe) is None
    jobs.measure(recipe)
    assert jobs.measuring()
    (process,) = jobs._measurement
    jobs.measure(recipe)
    assert jobs._measurement == [process], "one at a time"
    try:
        assert process.wait(120) == 0
    finally:
        process.kill()
    assert not jobs.measuring()
    measured = seconds_per_step(recipe)
    assert measured is not None and 0.001 < measured < 30
    assert seconds_per_step(make_recipe("custom", ["layers=all", "picture_size=32", "devices=cpu"])) is None
    assert known_speed(at_size(backbone("efficientnet_lite0"), 32))
    began = time.monotonic()
    jobs.measure(recipe)
    assert jobs._measurement[0].wait(60) == 0
    assert time.monotonic() - began < 30
    assert seconds_per_step(recipe) == measured, "what is known is not measured again"
