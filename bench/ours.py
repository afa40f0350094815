"""imgtag's own presets in the comparison: a project with the manifest's pictures and splits, and its trainer, timed.

The trainer is the process that the Train button starts.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.process import Failed, run_module
from bench.sets import Manifest
from imgtag.core import storage
from imgtag.core.settings import home
from imgtag.data.projects import Project, create_project
from imgtag.data.splits import record_splits
from imgtag.training.ahead import CLOSELY
from imgtag.training.backbones import backbone
from imgtag.training.extractor import load_extractor
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run, create_run

PRESETS = ("quick", "balanced", "best")
AGAIN = "quick again"
_RELABELLED = 10


def prepare() -> None:
    """Convert the networks where that has not been done: it happens once on a machine, so it is not timed."""
    for row in [*map(backbone, make_recipe("best").backbones), CLOSELY]:
        load_extractor(row)


@contextmanager
def temporary_home() -> Iterator[Path]:
    """An empty IMGTAG_HOME that shares only the converted networks with the user's."""
    ready, before = home() / ".cache" / "backbones", os.environ.get("IMGTAG_HOME")
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:  # a trainer may outlive what asked for it
        (Path(name) / ".cache").mkdir()
        (Path(name) / ".cache" / "backbones").symlink_to(ready)
        os.environ["IMGTAG_HOME"] = name
        try:
            yield Path(name)
        finally:
            os.environ.pop("IMGTAG_HOME")
            if before is not None:
                os.environ["IMGTAG_HOME"] = before


def train(method: str, manifest: Manifest) -> dict[str, Any]:
    """One preset on a new project, or quick for the second time after some pictures were relabelled.

    Raises ImgtagError for what leaves the method out, Failed when the trainer fails.
    """
    changes = [f"seed={manifest.repeat}"]
    recipe = make_recipe("quick" if method == AGAIN else method, changes)
    with temporary_home() as folder:
        project = _project(manifest)
        if method == AGAIN:
            run_module(["imgtag.training.worker", str(create_run(project, recipe).path)], folder)
            _relabel(project, manifest)
        began = time.perf_counter()
        run = create_run(project, recipe)
        created = time.perf_counter() - began
        finished = run_module(["imgtag.training.worker", str(run.path)], folder)
        spent = {"seconds": finished.seconds, "cpu_seconds": finished.cpu_seconds}
        return {**spent, "create_seconds": round(created, 3), **_results(run)}


def _project(manifest: Manifest) -> Project:
    project = create_project(manifest.set)
    for picture in manifest.pictures:
        target = _place(project, picture.label, picture.sha256, picture.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture.path, target)
    record_splits(project, {p.sha256: p.split for p in manifest.pictures})
    return project


def _relabel(project: Project, manifest: Manifest) -> None:
    """Move training pictures into the next class. These labels are wrong, so only the time of that run counts."""
    classes, train = manifest.classes, manifest.part("train")
    for picture in train[:: max(1, len(train) // _RELABELLED)][:_RELABELLED]:
        other = classes[(classes.index(picture.label) + 1) % len(classes)]
        source = _place(project, picture.label, picture.sha256, picture.path)
        source.rename(_place(project, other, picture.sha256, picture.path))


def _place(project: Project, label: str, sha256: str, original: str) -> Path:
    return project.images / label / f"{sha256[:16]}{Path(original).suffix}"


def _results(run: Run) -> dict[str, Any]:
    status = storage.read_json(run.path / "status.json", {})
    if status.get("state") != "finished":
        raise Failed(f"The trainer ended as {status.get('state')}: {status.get('error') or run.log_text(12)}")
    rows = storage.read_csv(run.path / "predictions.csv")
    right = {s: [r["label"] == r["predicted"] for r in rows if r["split"] == s] for s in ("val", "test")}
    return {
        "train_seconds": status["seconds"],
        "val_accuracy": round(sum(right["val"]) / len(right["val"]), 5),
        "test_accuracy": round(sum(right["test"]) / len(right["test"]), 5),
        "test_right": sum(right["test"]),
        "test_n": len(right["test"]),
        "engine": status.get("engine", "cached"),
    }
