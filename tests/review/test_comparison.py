"""Two runs picture by picture: only pictures that neither has learnt from count, by the labels of the second."""

from __future__ import annotations

import numpy as np

from imgtag.data.projects import Project
from imgtag.review.comparison import compare_runs
from imgtag.training.predictions import Predicted, save_predictions
from imgtag.training.recipes import Recipe
from imgtag.training.runs import ManifestRow, Run, create_run


def run_of(project: Project, said: dict[str, tuple[str, str, str]]) -> Run:
    """A run whose predictions.csv says for each picture: (split, label, predicted)."""
    run = create_run(project, Recipe())
    classes = run.classes
    parts = {}
    for split in {s for s, _, _ in said.values()}:
        rows = [ManifestRow(f"images/{label}/{i}.png", i, label, s) for i, (s, label, _) in said.items() if s == split]
        answers = [predicted for s, _, predicted in said.values() if s == split]
        parts[split] = Predicted(
            rows, np.array([[0.9 if c == a else 0.1 for c in classes] for a in answers], np.float32)
        )
    save_predictions(run, parts)
    return run


def test_what_was_fixed_and_what_is_newly_wrong(shapes: Project) -> None:
    before = run_of(
        shapes,
        {
            "fixed": ("val", "circle", "square"),
            "lost": ("val", "circle", "circle"),
            "mended": ("val", "circle", "square"),  # its label was wrong: the first run was right all along
            "still wrong": ("val", "square", "circle"),
            "learnt": ("train", "circle", "square"),
            "only before": ("val", "circle", "circle"),
        },
    )
    after = run_of(
        shapes,
        {
            "fixed": ("val", "circle", "circle"),
            "lost": ("val", "circle", "square"),
            "mended": ("val", "square", "square"),
            "still wrong": ("val", "square", "circle"),
            "learnt": ("val", "circle", "circle"),
            "other split": ("test", "circle", "circle"),
        },
    )
    found = compare_runs(before, after, "val")
    assert found is not None
    assert found.pictures == 4
    assert found.relabelled == 1
    assert [p.sha256 for p in found.fixed] == ["fixed"]
    assert [p.sha256 for p in found.newly_wrong] == ["lost"]
    assert (found.right_before, found.right_after) == (2, 2)
    assert found.gain == 0
    assert found.chance == 1.0
    assert compare_runs(before, after, "test") is None
