"""A trained model on disk: model.safetensors (weights) and model.json (everything else, readable).

Nothing is ever unpickled. model.json holds the sha256 of the weights; a model whose parts do not belong
together is refused.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from imgtag import __version__
from imgtag.core import storage
from imgtag.core.errors import BadModel
from imgtag.training.backbones import BACKBONES, Backbone
from imgtag.training.extractor import weights_file
from imgtag.training.head import Head
from imgtag.training.runs import ManifestRow, Run

PREDICTION_COLUMNS = (
    "path", "sha256", "split", "label", "predicted", "probability", "label_probability", "loss", "top",
)  # fmt: skip
_TOP = 5


@dataclass(frozen=True)
class Model:
    """What is needed to classify: the head, its classes in order, and the backbone's registry row."""

    classes: tuple[str, ...]
    display_names: Mapping[str, str]
    row: Backbone
    head: Head
    temperature: float


def save_model(run: Run, row: Backbone, head: Head) -> None:
    """Write model/ of a run: backbone and head weights in one safetensors file, facts in model.json."""
    tensors = {f"backbone.{name}": value for name, value in load_file(weights_file(row)).items()}
    tensors["head.weight"], tensors["head.bias"] = np.ascontiguousarray(head.weight), head.bias
    data = save(tensors)
    folder = run.path / "model"
    storage.atomic_write(folder / "model.safetensors", data)
    versions = {name: importlib.metadata.version(name) for name in ("torch", "timm", "openvino", "safetensors")}
    storage.write_json(
        folder / "model.json",
        {
            "format": 1,
            "classes": run.classes,
            "display_names": {c: run.display_name(c) for c in run.classes},
            "backbone": row.name,
            "licence": row.licence,
            "preprocessing": row.preprocessing.as_dict(),
            "temperature": 1.0,
            "unknown_threshold": None,
            "created": time.time(),
            "versions": {"imgtag": __version__, **versions},
            "sha256": {"model.safetensors": hashlib.sha256(data).hexdigest()},
        },
    )


def load_model(run: Run) -> Model:
    """Read a run's model and check that it is whole. Raises BadModel."""
    folder = run.path / "model"
    facts = storage.read_json(folder / "model.json")
    if not _well_formed(facts):
        raise _bad("model.json is missing or damaged")
    path = folder / "model.safetensors"
    if not path.is_file() or storage.sha256_of(path) != facts["sha256"].get(path.name):
        raise _bad("the weights are missing or are not those that were saved")
    try:
        with safe_open(path, framework="numpy") as file:
            head = Head(file.get_tensor("head.weight"), file.get_tensor("head.bias"))
    except SafetensorError as error:
        raise _bad("the weights cannot be read") from error
    if facts["backbone"] not in BACKBONES:
        raise _bad(f"this version does not know its backbone “{facts['backbone']}”")
    row = BACKBONES[facts["backbone"]]
    classes = len(facts["classes"])
    if head.weight.shape != (classes, row.dimensions) or head.bias.shape != (classes,):
        raise _bad("the weights do not fit the list of classes")
    if facts["preprocessing"].get("version") != row.preprocessing.version:
        raise _bad("it was made by a version that prepares pictures differently")
    return Model(tuple(facts["classes"]), facts["display_names"], row, head, float(facts["temperature"]))


def save_predictions(run: Run, parts: Mapping[str, tuple[Sequence[ManifestRow], np.ndarray]]) -> None:
    """Write predictions.csv: for each split, its pictures and their probabilities (N, K)."""
    classes = run.classes
    position = {name: i for i, name in enumerate(classes)}
    lines = []
    for split, (manifest, probabilities) in parts.items():
        order = np.argsort(-probabilities, axis=1)[:, :_TOP]
        for m, chances, top in zip(manifest, probabilities, order, strict=True):
            own = float(chances[position[m.label]])
            best = {classes[i]: round(float(chances[i]), 5) for i in top}
            lines.append(
                (
                    m.path,
                    m.sha256,
                    split,
                    m.label,
                    classes[top[0]],
                    f"{chances[top[0]]:.6f}",
                    f"{own:.6f}",
                    f"{-np.log(max(own, 1e-12)):.5f}",
                    json.dumps(best, ensure_ascii=False),
                )
            )
    storage.write_csv(run.path / "predictions.csv", PREDICTION_COLUMNS, lines)


def _well_formed(facts: Any) -> bool:
    """Whether model.json has the entries that are read here, each of the right kind."""
    kinds = {"classes": list, "display_names": dict, "backbone": str, "preprocessing": dict, "sha256": dict}
    return (
        isinstance(facts, dict)
        and all(isinstance(facts.get(key), kind) for key, kind in kinds.items())
        and isinstance(facts.get("temperature"), (int, float))
        and len(set(map(str, facts["classes"]))) == len(facts["classes"]) > 0
    )


def _bad(reason: str) -> BadModel:
    return BadModel("This model cannot be used.", f"The reason: {reason}.", "Train again; your pictures are unchanged.")
