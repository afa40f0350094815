"""Real photographs, from zip or folder to tags: figures that a tutorial's result can be compared with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from imgtag.data.importing import Report, import_files
from imgtag.data.projects import Project
from imgtag.data.sources import open_sources
from imgtag.data.suggestions import accept_names
from imgtag.review.metrics import evaluate
from imgtag.serving.predictor import load_predictor
from imgtag.training.jobs import start_training, wait_for
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run
from tests.drawing import zip_of


def bring_in(project: Project, source: Path) -> Report:
    with open_sources([source]) as groups:
        report = import_files(project, groups, source.name)
    for labels in report.label_files:
        project.set_display_names(labels.names)
    return report


def train(project: Project, preset: str = "quick") -> Run:
    run = wait_for(start_training(project, make_recipe(preset)))
    assert run.state == "finished", run.log_text()
    return run


@pytest.mark.slow
def test_walle_and_doraemon_are_told_apart(ready: Path, project: Project, real_data: Path, tmp_path: Path) -> None:
    """The tutorial: fastai with a ResNet-34, 5 of 6 test pictures after one cycle, 6 of 6 after fine-tuning."""
    packed = tmp_path / "walle.zip"
    files = [p for p in sorted((real_data / "walle").rglob("*")) if p.is_file()]
    packed.write_bytes(
        zip_of({f"walle/{p.relative_to(real_data / 'walle').as_posix()}": p.read_bytes() for p in files})
    )
    report = bring_in(project, packed)
    assert set(report.classes) == {"doraemon", "walle"}
    assert report.added + len(report.skipped) == len(files), "every file is taken or named"
    assert report.added >= 310
    accept_names(project)  # the six test pictures lie flat; their names tell the class
    run = train(project)
    assert run.classes == ["doraemon", "walle"]
    assert run.status["val_accuracy"] >= 0.95
    found = evaluate(run, "test")
    assert (found.n, found.right) == (6, 6)
    tests = sorted((real_data / "walle" / "test").iterdir())
    for path, answer in zip(tests, load_predictor(run).classify((p.name, p) for p in tests), strict=True):
        assert answer.tags[0].label in path.name.lower()


@pytest.mark.slow
def test_flowers_keep_their_names_though_numbers_sort_as_text(
    ready: Path, project: Project, real_data: Path, tmp_path: Path
) -> None:
    """Every third of the folders 1 to 102, and cat_to_name.json: the classic off-by-index bug shows wrong flowers."""
    source = tmp_path / "flowers"
    labels = [str(n) for n in range(1, 103, 3)]
    shutil.copytree(
        real_data / "flowers-small",
        source,
        ignore=lambda folder, names: [n for n in names if n.isdigit() and n not in labels],
    )
    names = json.loads((source / "cat_to_name.json").read_text())
    report = bring_in(project, source)
    assert list(report.classes) == labels
    run = train(project)
    assert run.classes == labels != sorted(labels)
    assert run.status["val_accuracy"] >= 0.8
    assert {label: run.display_name(label) for label in labels} == {label: names[label].strip() for label in labels}
    chosen = [next(iter(sorted((source / "test" / label).iterdir()))) for label in ("4", "10", "37", "40", "73", "100")]
    answers = load_predictor(run).classify((str(p), p) for p in chosen)
    right = sum(a.tags[0].display == names[p.parent.name] for p, a in zip(chosen, answers, strict=True))
    assert right >= 5


@pytest.mark.slow
def test_aerial_views_are_told_apart_and_two_networks_are_no_worse_than_one(
    ready: Path, project: Project, real_data: Path
) -> None:
    """Seven kinds of ground from above, 50 pictures each."""
    report = bring_in(project, real_data / "aerial-small")
    assert len(report.classes) == 7
    quick, balanced = train(project), train(project, "balanced")
    assert quick.status["val_accuracy"] >= 0.8
    assert balanced.status["val_accuracy"] >= 0.85
    assert balanced.status["val_loss"] < quick.status["val_loss"]
    paths = [p for label in quick.classes for p in sorted((project.images / label).iterdir())[:2]]
    answers = load_predictor(balanced).classify((p.name, p) for p in paths)
    right = sum(a.tags[0].label == p.parent.name for p, a in zip(paths, answers, strict=True))
    assert right >= 12
