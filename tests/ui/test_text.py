"""Words and numbers for people, and the examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib
import time

import pytest

from imgtag.ui import text


@pytest.mark.parametrize("name", ["ui.text", "ui.forecast", "core.names", "data.layout", "data.sources"])
def test_the_examples_in_the_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"imgtag.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_a_moment_of_another_year_names_the_year() -> None:
    assert time.strftime("%Y", time.localtime(86_400 * 200)) in text.moment(86_400 * 200)
    assert time.strftime("%Y") not in text.moment(time.time())


def test_percentages_never_round_to_a_false_certainty() -> None:
    assert text.percent(0.999) == "99.9 %"
    assert text.percent(1.0) == "100 %"
    assert text.percent(0.004) == "0.4 %"
