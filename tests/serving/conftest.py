"""Fixtures that need the real backbone: converted once for the whole session (see tests/training/prepared.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgtag.data.projects import Project
from imgtag.training.runs import Run, find_run
from tests.training import prepared


@pytest.fixture
def ready(home: Path) -> Path:
    """A home folder in which the backbone is converted already."""
    prepared.link_backbones(home)
    return home


@pytest.fixture
def numbers(ready: Path) -> Project:
    """A project with the classes 1, 2 and 10 of 12 pictures each, and one finished run."""
    return prepared.copy_trained(ready)


@pytest.fixture
def trained(numbers: Project) -> Run:
    """The finished run of `numbers`."""
    return find_run(numbers)
