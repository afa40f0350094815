"""A bundle from another machine becomes a run that classifies, and that Review explains as far as its facts go.

What the bundle says about itself is data to be checked: each entry is taken only if it is of the kind expected, and the
files of the run are written anew.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import BadName, BadUpload, ImgtagError
from imgtag.core.names import check_name
from imgtag.data.images import encode_png
from imgtag.data.projects import Project
from imgtag.data.sources import safe_parts
from imgtag.data.splits import SPLITS
from imgtag.serving.bundles import FACTS, Bundle, open_bundle
from imgtag.serving.predictor import load_predictor
from imgtag.training.backbones import backbone
from imgtag.training.extractor import weights_file
from imgtag.training.model import load_model
from imgtag.training.predictions import PREDICTION_COLUMNS
from imgtag.training.recipes import Recipe, changed, recipe_from
from imgtag.training.runs import Run, list_runs

Tell = Callable[[int, int, str], None]
_MOST_CLASSES = 10_000
_NUMBERS = (
    "seconds", "best_epoch", "strength", "temperature", "train_accuracy", "train_loss", "val_accuracy", "val_loss",
    "test_accuracy", "test_loss", "found_rate",
)  # fmt: skip


def import_model(
    project: Callable[[], Project], bundle: Path, tell: Tell = lambda done, total, message: None, name: str = ""
) -> Run:
    """Make a run from a bundle, a zip or a folder; nothing is left when that fails.

    project: gives the project; asked only once the bundle has been looked at. name: what the user calls the file.
    tell(done, total, message) may raise to stop. Raises NotFound, BadUpload, BadModel, DiskFull.
    """
    with open_bundle(bundle) as opened:
        tell(0, 0, "Reading the bundle")
        facts = _facts(opened)
        owner = project()
        work = owner.runs / f".importing-{uuid.uuid4().hex[:8]}"
        try:
            run = _written(opened, facts, work, name or bundle.name)
            tell(0, 0, "Trying the model")
            _try(run)
            return Run(storage.move(work, _free(owner)))
        except BaseException:
            storage.remove_folder(work)
            raise


def import_uploaded(project: Project, data: bytes, name: str, tell: Tell) -> Run:
    """The same for the bytes of an uploaded zip."""
    path = project.cache / "import" / f"{uuid.uuid4().hex}.zip"
    try:
        storage.atomic_write(path, data, durable=False)
        return import_model(lambda: project, path, tell, name)
    finally:
        storage.remove_file(path)


def _facts(opened: Bundle) -> dict[str, Any]:
    """model.json, with classes that may become folders. Raises BadUpload."""
    facts = opened.json(FACTS)
    classes = facts.get("classes") if isinstance(facts, dict) else None
    if not isinstance(facts, dict) or not isinstance(classes, list) or not 2 <= len(classes) <= _MOST_CLASSES:
        raise _bad("model.json holds no list of classes")
    for label in classes:
        try:
            whole = isinstance(label, str) and check_name(label) == label
        except BadName as error:
            raise _bad(f"one of its classes has a name that cannot be used. {error.explanation}") from error
        if not whole:
            raise _bad("one of its classes has a name that cannot be used")
    if len({label.casefold() for label in classes}) < len(classes):
        raise _bad("two of its classes have the same name")
    shown = facts.get("display_names")
    if not isinstance(shown, dict) or not all(isinstance(v, str) and len(v) <= 200 for v in shown.values()):
        raise _bad("model.json holds no names for the classes")
    return facts


def _written(opened: Bundle, facts: Mapping[str, Any], work: Path, name: str) -> Run:
    """The files of the run, in a folder that no listing shows."""
    classes = list(facts["classes"])
    storage.require_space(work, 0)
    opened.copy_weights(work / "model" / "model.safetensors")
    storage.write_json(work / "model" / "model.json", facts)
    rows = _manifest(opened, set(classes))
    storage.write_csv(work / "manifest.csv", ("path", "sha256", "class", "split"), rows)
    predictions = _predictions(opened, set(classes))
    if predictions:
        storage.write_csv(work / "predictions.csv", PREDICTION_COLUMNS, predictions)
    config, counts = _dict(opened.json("run/config.json")), {s: sum(r[3] == s for r in rows) for s in SPLITS}
    storage.write_json(
        work / "config.json",
        {
            "version": 1,
            "imgtag": str(config.get("imgtag", ""))[:40],
            "created": time.time(),
            "recipe": _recipe(config).as_dict(),
            "classes": classes,
            "display_names": {c: facts["display_names"].get(c, c) for c in classes},
            "counts": counts,
            "imported": name,
        },
    )
    status = _dict(opened.json("run/status.json"))
    trained = _number(config.get("created"))
    day = time.strftime("%Y-%m-%d", time.localtime(trained)) if trained and 0 < trained < 1e11 else "an unknown day"
    numbers = {key: value for key in _NUMBERS if (value := _number(status.get(key))) is not None}
    storage.write_json(
        work / "status.json",
        {
            "state": "finished",
            "updated": time.time(),
            **numbers,
            "refit": status.get("refit") is True,
            "pictures": counts,
            "note": f"It came from another computer, in “{name}”, where it was trained on {day}.",
            "message": str(status.get("message", ""))[:2000],
        },
    )
    for line in opened.text("run/metrics.jsonl").split("\n"):
        measured = _measurement(line)
        if measured:
            storage.append_json_line(work / "metrics.jsonl", measured)
    return Run(work)


def _try(run: Run) -> None:
    """Classify a picture. Raises BadModel, BadUpload."""
    _keep_its_weights(run)
    try:
        predictor = load_predictor(run)
        picture = encode_png(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8), 320)
        (answer,) = predictor.classify([("test", picture)], top=1)
    except ImgtagError:
        raise
    except Exception as error:  # weights of the wrong shape fail in many ways
        raise _bad(f"its networks cannot be used ({type(error).__name__})") from error
    if answer.error or not math.isfinite(answer.tags[0].probability):
        raise _bad("it gives no answer")


def _keep_its_weights(run: Run) -> None:
    """Mark networks whose pretrained weights are not the ones here: the bundle's are used, nothing is fetched."""
    facts = dict(run.model_facts)
    members = facts.get("members")
    if not isinstance(members, list) or facts.get("format") != 2:
        raise _bad("it was made by another version of imgtag")
    load_model(run)
    for number, entry in enumerate(members):
        if not entry.get("tuned") and not _same_as_here(run, number, str(entry["backbone"])):
            entry["tuned"] = str(facts["sha256"]["model.safetensors"])[:15] + f"{number % 16:x}"
    storage.write_json(run.path / "model" / "model.json", facts)


def _same_as_here(run: Run, number: int, name: str) -> bool:
    from safetensors import safe_open

    row = backbone(name)
    if not row.included:
        return False
    prefix = f"{number}.backbone."
    with (
        safe_open(run.path / "model" / "model.safetensors", framework="numpy") as theirs,
        safe_open(weights_file(row), framework="numpy") as ours,
    ):
        known = {n.removeprefix(prefix) for n in theirs.keys() if n.startswith(prefix)}  # noqa: SIM118 -- not a dict
        return known == set(ours.keys()) and all(
            np.array_equal(theirs.get_tensor(prefix + n), ours.get_tensor(n)) for n in known
        )


# ----------------------------------------------------------------------------- facts, each looked at


def _manifest(opened: Bundle, classes: set[str]) -> list[tuple[str, str, str, str]]:
    found = []
    for row in _rows(opened, "run/manifest.csv"):
        path, sha, label, split = (row.get(key) or "" for key in ("path", "sha256", "class", "split"))
        if label in classes and split in SPLITS and re.fullmatch(r"[0-9a-f]{64}", sha):
            found.append((str(safe_parts(path)), sha, label, split))
    return found


def _predictions(opened: Bundle, classes: set[str]) -> list[list[str]]:
    found = []
    for row in _rows(opened, "run/predictions.csv"):
        numbers = [_number(row.get(key)) for key in ("probability", "label_probability", "loss")]
        extra = [_number(row.get(key)) for key in ("raw_probability", "familiarity")]
        label, said, sha = (row.get(key) or "" for key in ("label", "predicted", "sha256"))
        try:
            top = json.loads(row.get("top") or "")
        except (ValueError, RecursionError):
            continue
        whole = isinstance(top, dict) and top.keys() <= classes and all(_number(v) is not None for v in top.values())
        known = {label, said} <= classes and row.get("split") in SPLITS and re.fullmatch(r"[0-9a-f]{64}", sha)
        if known and whole and None not in numbers:
            path = str(safe_parts(row.get("path") or ""))
            tail = [json.dumps(top, ensure_ascii=False), *("" if x is None else f"{x:.6f}" for x in extra)]
            found.append([path, sha, str(row["split"]), label, said, *(f"{x:.6f}" for x in numbers), *tail])
    return found


def _rows(opened: Bundle, name: str) -> list[dict[str, str]]:
    try:
        return [{str(k): str(v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(opened.text(name)))]
    except csv.Error:
        return []


def _recipe(config: Mapping[str, Any]) -> Recipe:
    """The settings it was trained with, as far as this version knows them."""
    try:
        return changed(recipe_from(_dict(config.get("recipe"))), {})
    except (ImgtagError, TypeError, ValueError, AttributeError):
        return Recipe("custom")


def _measurement(line: str) -> dict[str, Any]:
    """A line of metrics.jsonl if it is one: a phase and numbers."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(row, dict) or not isinstance(row.get("phase"), str) or _number(row.get("t")) is None:
        return {}
    numbers = {k: v for k, v in row.items() if isinstance(v, (int, float)) and _number(v) is not None}
    return {"phase": row["phase"][:40], **numbers}


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _free(project: Project) -> Path:
    """A folder name for the run; runs are listed by name, so that it is the newest."""
    taken = {run.id for run in list_runs(project)}
    stamp, number = f"{time.strftime('%Y%m%d-%H%M%S')}-imported", 2
    free = stamp
    while free in taken:
        free, number = f"{stamp}-{number}", number + 1
    return project.runs / free


def _bad(reason: str) -> BadUpload:
    return BadUpload(
        "This bundle cannot be taken.",
        f"The reason: {reason}.",
        "Export the model again, as a bundle, where it was trained.",
    )
