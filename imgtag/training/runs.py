"""The run folder: the only way trainer and pages talk to each other.

runs/<id>/  config.json    recipe, classes, display names; written once
            manifest.csv   path, sha256, class, split of every picture; written once
            status.json    state, phase, progress, results; replaced whole
            metrics.jsonl  one line per measurement
            lock           held by the living trainer
            stop, pause    created to ask it to stop or to wait
            resume.ckpt    the last round of an unfinished fine-tuning; best.ckpt the best
            model/ predictions.csv log.txt tb/
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from imgtag import __version__
from imgtag.core import locks, storage
from imgtag.core.errors import NotEnough, NotFound
from imgtag.data.dataset import Picture, Whereabouts, look
from imgtag.data.duplicates import same_shots
from imgtag.data.history import place
from imgtag.data.importing import require_no_import
from imgtag.data.projects import Project
from imgtag.data.splits import SPLITS, assign_splits
from imgtag.training.concerns import concerns
from imgtag.training.recipes import Recipe, recipe_from
from imgtag.training.tuning import LAST

FINAL_STATES = ("finished", "stopped", "failed")
ACTIVE_STATES = ("starting", "waiting", "running", "paused", "stopping")
_GRACE_S = 30.0  # how long a new trainer may take to hold its lock


@dataclass(frozen=True)
class ManifestRow:
    """A picture as it was when the run began."""

    path: str
    sha256: str
    label: str
    split: str


@dataclass(frozen=True)
class Run:
    """A run folder, read afresh at every look (see `find_run`, `list_runs`)."""

    path: Path

    @property
    def id(self) -> str:
        """Name of the folder: date, time and preset."""
        return self.path.name

    @property
    def project(self) -> Project:
        """The project that the run belongs to."""
        return Project(self.path.parents[1])

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json; empty when damaged."""
        found = storage.read_json(self.path / "config.json", {})
        kinds: dict[str, Any] = {"classes": list, "display_names": dict, "recipe": dict, "created": (int, float)}
        whole = isinstance(found, dict) and all(isinstance(found.get(key), kind) for key, kind in kinds.items())
        return found if whole else {}

    @cached_property
    def status(self) -> dict[str, Any]:
        """status.json; empty when damaged."""
        found = storage.read_json(self.path / "status.json", {})
        return found if isinstance(found, dict) else {}

    @cached_property
    def state(self) -> str:
        """One of the active or final states, interrupted, or damaged."""
        if not self.config.get("classes") or not (self.path / "manifest.csv").is_file():
            return "damaged"
        state = str(self.status.get("state", ""))
        if state in FINAL_STATES:
            return state
        if locks.is_held(self.path / "lock"):
            if (self.path / "stop").exists():
                return "stopping"
            phase = str(self.status.get("phase", ""))
            return phase if phase in ("waiting", "paused") else "running"
        updated = self.status.get("updated")
        if state == "starting" and isinstance(updated, (int, float)) and time.time() - updated < _GRACE_S:
            return "starting"
        # The trainer may have written its last word between our two looks.
        again = str(Run(self.path).status.get("state", ""))
        return again if again in FINAL_STATES else "interrupted"

    @property
    def active(self) -> bool:
        """Whether a trainer is at work on it."""
        return self.state in ACTIVE_STATES

    @property
    def can_go_on(self) -> bool:
        """Whether it was cut off, by a crash or by an error such as a full disk, where it can be resumed."""
        return self.state == "interrupted" or (self.state == "failed" and (self.path / LAST).is_file())

    @property
    def has_model(self) -> bool:
        """Whether there is a model to classify with, and a run around it that explains it."""
        return (self.path / "model" / "model.json").is_file() and self.state != "damaged"

    @cached_property
    def model_facts(self) -> dict[str, Any]:
        """model.json; empty when there is none, or a damaged one."""
        found = storage.read_json(self.path / "model" / "model.json", {})
        return found if isinstance(found, dict) else {}

    @property
    def recipe(self) -> Recipe:
        """The settings it was started with."""
        return recipe_from(self.config.get("recipe", {}))

    @property
    def classes(self) -> list[str]:
        """Class folders in the order of the model's outputs."""
        return list(self.config.get("classes", []))

    def display_name(self, label: str) -> str:
        """The display name a class had when the run began."""
        return str(self.config.get("display_names", {}).get(label, label))

    @property
    def created(self) -> float:
        """Seconds since 1970 at its start."""
        return float(self.config.get("created", 0.0))

    def manifest(self) -> list[ManifestRow]:
        """The pictures of the run."""
        rows = storage.read_csv(self.path / "manifest.csv")
        return [ManifestRow(r["path"], r["sha256"], r["class"], r["split"]) for r in rows if r.get("split")]

    def metrics(self) -> list[dict[str, Any]]:
        """All measurements so far, oldest first."""
        return storage.read_json_lines(self.path / "metrics.jsonl")

    def log_text(self, last: int = 200) -> str:
        """The last lines of the trainer's log."""
        try:
            text = (self.path / "log.txt").read_text("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-last:])


def create_run(project: Project, recipe: Recipe) -> Run:
    """Freeze the pictures as they are now into a new run folder. Raises NotEnough, or Conflict during an import."""
    require_no_import(project, "A training now would not know all of them, nor which are for checking.")
    dataset = look(project)
    for concern in concerns(dataset):
        if concern.blocking:
            raise NotEnough(concern.title, concern.explanation, concern.remedy)
    pictures = dataset.for_training
    splits = assign_splits(project, pictures, same_shots(project, dataset.pictures))
    taught = {p.label for p in pictures if splits[p.id] == "train"}
    if len(taught) < 2:
        raise NotEnough(
            "Too few classes have training pictures.",
            "In the folders that came with splits, all pictures of the other classes are for checking only.",
            "Add training pictures to these classes.",
        )
    classes = [name for name in dataset.class_names if name in taught]
    run = Run(_free_folder(project, recipe))
    rows = [_manifest_row(project, p, splits[p.id]) for p in pictures if p.label in taught]
    storage.write_csv(run.path / "manifest.csv", ("path", "sha256", "class", "split"), rows)
    storage.write_json(run.path / "status.json", {"state": "starting", "updated": time.time()})
    storage.write_json(
        run.path / "config.json",
        {
            "version": 1,
            "imgtag": __version__,
            "created": time.time(),
            "recipe": recipe.as_dict(),
            "classes": classes,
            "display_names": _unique_display_names(project, classes),
            "counts": {s: sum(r[3] == s for r in rows) for s in SPLITS},
        },
    )
    return run


def files_of(run: Run, manifest: Sequence[ManifestRow]) -> Whereabouts:
    """Where these pictures lie now."""
    return Whereabouts(run.project, [m.sha256 for m in manifest], [run.project.path / m.path for m in manifest])


def list_runs(project: Project) -> list[Run]:
    """All runs of a project, the newest first. A damaged one is listed as such."""
    try:
        folders = [p for p in project.runs.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError:
        return []
    return [Run(p) for p in sorted(folders, key=lambda p: p.name, reverse=True)]


def find_run(project: Project, id_: str = "") -> Run:
    """A run by id, or the newest one that has a model. The id is looked up, never used as a path."""
    runs = list_runs(project)
    if id_:
        for run in runs:
            if run.id == id_:
                return run
        raise NotFound(
            f"There is no run “{id_}” in this project.",
            f"There are {len(runs)} runs.",
            "Choose one from the list.",
        )
    for run in runs:
        if run.has_model:
            return run
    raise NotFound("This project has no trained model yet.", "No run has finished.", "Train it first.")


def _unique_display_names(project: Project, classes: Sequence[str]) -> dict[str, str]:
    """Display names by class; two classes of the same name get their folder behind it."""
    shown = {c: project.display_name(c) for c in classes}
    repeated = {name for name, times in Counter(shown.values()).items() if times > 1}
    return {c: f"{name} [{c}]" if name in repeated else name for c, name in shown.items()}


def _manifest_row(project: Project, picture: Picture, split: str) -> Sequence[str]:
    return place(project, picture.path), picture.id, picture.label, split


def _free_folder(project: Project, recipe: Recipe) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path, number = project.runs / f"{stamp}-{recipe.preset}", 2
    while path.exists():
        path, number = project.runs / f"{stamp}-{recipe.preset}-{number}", number + 1
    return storage.make_folder(path)
