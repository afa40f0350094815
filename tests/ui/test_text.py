"""Words and numbers for people, and the examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["core.words", "ui.text", "ui.forecast", "core.names", "data.layout", "data.sources"])
def test_the_examples_in_the_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"imgtag.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
