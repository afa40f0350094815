"""Costly things made once for all tests: the converted backbones, and a small project that was trained for real.

Each test gets its own copy (or link) of them under its own IMGTAG_HOME.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgtag.data.dataset import look
from imgtag.data.projects import Project, create_project
from imgtag.data.splits import assign_splits
from imgtag.training.backbones import BACKBONES
from imgtag.training.engine import train
from imgtag.training.extractor import load_extractor
from imgtag.training.progress import Watch
from imgtag.training.recipes import PRESETS, Recipe
from imgtag.training.runs import Run, create_run, list_runs
from tests.drawing import picture, write_tree

ROW = BACKBONES["efficientnet_lite0"]
LARGER = BACKBONES["efficientnet_lite2"]
NUMBERS = {"1": ("green", "circle", "one"), "2": ("red", "circle", "two"), "10": ("blue", "square", "ten")}
PER_NUMBER = 12


@functools.cache
def _own_home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="imgtag-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _at(folder: Path) -> Iterator[None]:
    """IMGTAG_HOME set to a folder for the length of a block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMGTAG_HOME", str(folder))
        yield


def toss_coins(project: Project) -> Project:
    """Heads and tails that cannot be told apart: losses stay far from zero. Eight of each train, in any version."""
    for n, side in enumerate(("heads", "tails")):
        write_tree(project.images / side, {f"{i}.png": picture("grey", 100 * n + i) for i in range(12)})
    assign_splits(project, look(project).labelled)
    return project


@functools.cache
def backbones() -> Path:
    """A folder with the converted backbone, as the first training on a machine leaves it (about 10 s).

    Others are converted into it by the first test that uses them: home folders are linked to it.
    """
    with _at(_own_home()):
        load_extractor(ROW)
    return _own_home() / ".cache" / "backbones"


def link_backbones(home: Path) -> None:
    """Let a home folder use the converted backbones. Tests that change their files must copy them instead."""
    (home / ".cache").mkdir(parents=True, exist_ok=True)
    (home / ".cache" / "backbones").symlink_to(backbones(), target_is_directory=True)


@functools.cache
def _trained_numbers() -> Path:
    backbones()
    with _at(_own_home()):
        project = create_project("numbers")
        draw_numbers(project)
        project.set_display_names({label: display for label, (_, _, display) in NUMBERS.items()})
        run = create_run(project, Recipe())
        train(run, Watch(run.path))
        return project.path


@functools.cache
def _trained_in_pairs() -> Path:
    """The same pictures and cache, and a finished run of the preset balanced beside the quick one."""
    with _at(_own_home()):
        project = Project(_own_home() / "pairs")
        shutil.copytree(_trained_numbers(), project.path)
        run = create_run(project, PRESETS["balanced"])
        train(run, Watch(run.path))
        return project.path


def draw_numbers(project: Project, per_class: int = PER_NUMBER) -> None:
    """Three classes named 1, 2 and 10: green circles, red circles, blue squares."""
    for label, (colour, shape, _) in NUMBERS.items():
        drawn = {f"{shape}-{n}.png": picture(colour, n, shape=shape) for n in range(per_class)}
        write_tree(project.images / label, drawn)


def copy_trained(home: Path) -> Project:
    """A copy, in this home, of the project “numbers” with one finished run."""
    shutil.copytree(_trained_numbers(), home / "numbers")
    return Project(home / "numbers")


def copy_balanced(home: Path) -> Run:
    """A run, in this home, of two networks that looked at mirrored pictures too."""
    shutil.copytree(_trained_in_pairs(), home / "pairs")
    return next(r for r in list_runs(Project(home / "pairs")) if r.recipe.preset == "balanced")


def many_pictures(project: Project, count: int) -> None:
    """Two classes with `count` small pictures each: enough to be interrupted while they are looked at."""
    for label, colour, shape in (("disc", "red", "circle"), ("box", "blue", "square")):
        drawn = {f"{n}.png": picture(colour, n, shape=shape, size=(32, 32)) for n in range(count)}
        write_tree(project.images / label, drawn)


def a_run(project: Project, **recipe: object) -> Run:
    """A new run folder without a trainer."""
    return create_run(project, Recipe(**recipe))  # type: ignore[arg-type]


def bytes_of(colour: str, seed: int = 0, shape: str = "circle") -> bytes:
    """A toy picture that is in none of the prepared projects (their seeds are below 100)."""
    return picture(colour, 1000 + seed, shape=shape)
