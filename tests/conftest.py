"""What every test stands on: a home folder of its own, two toy projects, and the way to the real photographs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgtag.data.projects import Project, create_project
from imgtag.training.runs import Run, find_run
from tests import prepared
from tests.drawing import picture, write_tree
from tests.trainers import end_processes_of

PER_CLASS = 12


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder (IMGTAG_HOME) for this test alone; it does not exist yet, as with a new user."""
    folder = tmp_path / "home"
    monkeypatch.setenv("IMGTAG_HOME", str(folder))
    yield folder
    end_processes_of(folder)


@pytest.fixture
def project(home: Path) -> Project:
    """An empty project called “toys”."""
    return create_project("toys")


@pytest.fixture
def shapes(project: Project) -> Project:
    """A project with two classes of 12 pictures: red circles, blue squares."""
    for name, colour, shape in (("circle", "red", "circle"), ("square", "blue", "square")):
        drawn = {f"{name}-{n}.png": picture(colour, n, shape=shape) for n in range(PER_CLASS)}
        write_tree(project.images / name, drawn)
    return project


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


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real photographs (shared/data beside the repository, or IMGTAG_TEST_DATA)."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IMGTAG_TEST_DATA") or beside)
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the real photographs are not at {folder}, and CI must not pass without them")
        pytest.skip(f"the real photographs are not at {folder}: set IMGTAG_TEST_DATA to their folder")
    return folder
