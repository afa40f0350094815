"""The report: everything inside, true figures, and nothing that a name could break."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from imgtag.core.errors import NotFound
from imgtag.core.words import percent, right_of
from imgtag.data import edits
from imgtag.data.projects import Project
from imgtag.review.metrics import evaluate, read_predictions
from imgtag.review.report import write_report
from imgtag.training.runs import Run
from tests.review.test_metrics import run_with_classes, written


def test_it_holds_everything_and_asks_for_nothing(trained: Run) -> None:
    page = write_report(trained)
    body = page[page.index("<body>") :]
    found = evaluate(trained, "test")
    assert right_of(found.right, found.n) in body
    assert percent(found.accuracy) in body
    assert "Test pictures" in body
    assert body.count("data:image/jpeg;base64,") == min(12, found.right) + min(12, found.n - found.right)
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", body), "nothing is fetched"
    assert "Plotly.newPlot" in body
    assert all(trained.display_name(c) in body for c in trained.classes)


def test_pictures_that_are_gone_are_left_out(trained: Run) -> None:
    right = [p for p in read_predictions(trained) if p.split == "test" and p.right]
    edits.trash_pictures(trained.project, [right[0].sha256])
    for file in (trained.project.trash).rglob("*.png"):
        file.unlink()
    for kept in (trained.project.cache / "thumbs").rglob("*.jpg"):
        kept.unlink()
    page = write_report(trained)
    assert page.count("data:image/jpeg;base64,") == evaluate(trained, "test").n - 1


def test_names_of_strangers_stay_text(project: Project) -> None:
    run = written(run_with_classes(project, ["a", "b"]), "val", [("a", (0.9, 0.1)), ("b", (0.6, 0.4))])
    project.set_display_names({"a": "<script>alert(1)</script>"})
    (run.path / "config.json").write_text(
        (run.path / "config.json").read_text("utf-8").replace('"a": "a"', '"a": "<script>alert(1)</script>"'), "utf-8"
    )
    page = write_report(Run(run.path))
    body = page[page.index("<body>") :]
    assert "<script>alert(1)" not in body
    assert "&lt;script&gt;alert(1)" in body
    assert "Validation pictures" in body, "there are no test pictures"


def test_a_run_that_was_checked_with_nothing_is_refused(project: Project, tmp_path: Path) -> None:
    run = written(run_with_classes(project, ["a", "b"]), "train", [("a", (0.9, 0.1))])
    with pytest.raises(NotFound):
        write_report(run)


def test_of_many_classes_the_matrix_shows_those_with_a_mistake(project: Project) -> None:
    names = [f"class {n:02}" for n in range(30)]
    sure = np.full((30, 30), 0.01) + np.eye(30)
    table = [(name, sure[at] / sure[at].sum()) for at, name in enumerate(names)]
    table.append((names[3], sure[7] / sure[7].sum()))  # one of the fourth class is taken for the eighth
    page = write_report(written(run_with_classes(project, names), "val", table))
    assert "The 28 classes without a mistake are left out." in page
    figure = page[page.index("Plotly.newPlot") :]
    assert '"class 03"' in figure
    assert '"class 07"' in figure
    assert '"class 05"' not in figure
