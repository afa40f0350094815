"""A trained model on disk: model.safetensors (weights) and model.json (everything else, readable).

A model has one or more members, each a network with a head; its answer is the weighted mean of theirs (and of
the mirrored picture's, if it was trained so). Nothing is ever unpickled. model.json holds the sha256 of the weights;
a model whose parts do not belong together is refused.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from imgtag import __version__
from imgtag.core import storage
from imgtag.core.errors import BadModel, BadRecipe
from imgtag.training.backbones import Backbone, Preprocessing, backbone
from imgtag.training.extractor import Tuned, weights_file
from imgtag.training.head import Head, Scaler
from imgtag.training.runs import Run
from imgtag.training.trust import Familiar, Refusal, Trust


@dataclass(frozen=True)
class Member:
    """A network and the head on it. `tuned` is None while the network is as it was pretrained.

    share: its part in the answer; those of all members sum to 1.
    """

    row: Backbone
    head: Head
    share: float = 1.0
    tuned: Tuned | None = None


@dataclass(frozen=True)
class Model:
    """What is needed to classify: members, the classes in the order of their outputs, what people call them."""

    classes: tuple[str, ...]
    display_names: Mapping[str, str]
    members: tuple[Member, ...]
    mirror: bool
    trust: Trust


def save_model(run: Run, members: Sequence[Member], *, mirror: bool, trust: Trust | None = None) -> None:
    """Write model/ of a run: all weights in one safetensors file, facts in model.json."""
    trust = trust or Trust()
    tensors: dict[str, np.ndarray] = {}
    for i, member in enumerate(members):
        weights = member.tuned.read() if member.tuned else load_file(weights_file(member.row))
        tensors.update({f"{i}.backbone.{name}": np.array(value, order="C") for name, value in weights.items()})
        for n, (weight, bias) in enumerate(member.head.layers):
            tensors[f"{i}.head.{n}.weight"] = np.ascontiguousarray(weight)
            tensors[f"{i}.head.{n}.bias"] = np.ascontiguousarray(bias)
    if trust.familiar:
        scaler = trust.familiar.scaler
        known = {"mean": scaler.mean, "spread": scaler.spread, "references": trust.familiar.references}
        tensors.update({f"familiar.{name}": np.ascontiguousarray(value) for name, value in known.items()})
    data = save(tensors)
    folder = run.path / "model"
    storage.atomic_write(folder / "model.safetensors", data)
    versions = {name: importlib.metadata.version(name) for name in ("torch", "timm", "openvino", "safetensors")}
    first = members[0].row
    storage.write_json(
        folder / "model.json",
        {
            "format": 2,
            "classes": run.classes,
            "display_names": {c: run.display_name(c) for c in run.classes},
            "backbone": "+".join(dict.fromkeys(m.row.name for m in members)),
            "licence": "; ".join(dict.fromkeys(m.row.licence for m in members)),
            "preprocessing": first.preprocessing.as_dict(),
            "members": [
                {
                    "backbone": m.row.name,
                    "preprocessing": m.row.preprocessing.as_dict(),
                    "dimensions": m.head.inputs,
                    "layers": len(m.head.layers),
                    "share": m.share,
                    "tuned": m.tuned.key if m.tuned else None,
                }
                for m in members
            ],
            "mirror": mirror,
            "temperature": trust.temperature,
            "unknown_threshold": asdict(trust.refusal) if trust.refusal else None,
            "familiar": {"member": trust.member} if trust.familiar else None,
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
    sha = facts["sha256"].get(path.name, "")
    if not path.is_file() or storage.sha256_of(path) != sha:
        raise _bad("the weights are missing or are not those that were saved")
    classes = len(facts["classes"])
    try:
        members = tuple(_read_member(path, i, entry) for i, entry in enumerate(_entries(facts)))
        trust = _read_trust(path, facts, members)
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise _bad("the weights cannot be read") from error
    if any(m.head.classes != classes for m in members):
        raise _bad("the weights do not fit the list of classes")
    names = facts["display_names"]
    return Model(tuple(facts["classes"]), names, members, bool(facts.get("mirror")), trust)


def set_refusal(run: Run, refusal: Refusal) -> None:
    """Let the model answer “unknown” from other limits on."""
    path = run.path / "model" / "model.json"
    storage.write_json(path, {**storage.read_json(path), "unknown_threshold": asdict(refusal)})


def _read_trust(path: Path, facts: Mapping[str, Any], members: Sequence[Member]) -> Trust:
    limits = facts.get("unknown_threshold")
    refusal = None
    if limits:
        familiarity = limits["familiarity"]
        refusal = Refusal(
            float(limits["probability"]),
            None if familiarity is None else float(familiarity),
            float(limits["cost"]),
        )
    known = facts.get("familiar")
    familiar, member = None, int(known["member"]) if known else 0
    if known:
        with safe_open(path, framework="numpy") as file:
            mean, spread, references = (file.get_tensor(f"familiar.{n}") for n in ("mean", "spread", "references"))
        width = members[member].head.inputs
        if mean.shape != (width,) or spread.shape != (width,) or references.shape[1:] != (width,):
            raise _bad("what it remembers of the training pictures does not fit its network")
        familiar = Familiar(Scaler(mean, spread), references)
    return Trust(float(facts["temperature"]), refusal, familiar, member)


def _entries(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The members as model.json lists them; the first format had a single one, without a list."""
    if facts.get("format") == 1:
        return [{"backbone": facts["backbone"], "preprocessing": facts["preprocessing"], "first_format": True}]
    return list(facts["members"])


def _read_member(path: Path, number: int, entry: Mapping[str, Any]) -> Member:
    row = _row(entry)
    first = entry.get("first_format", False)
    prefix = "backbone." if first else f"{number}.backbone."
    with safe_open(path, framework="numpy") as file:
        if first:
            head = Head(((file.get_tensor("head.weight"), file.get_tensor("head.bias")),))
        else:
            names = [f"{number}.head.{n}" for n in range(int(entry["layers"]))]
            head = Head(tuple((file.get_tensor(f"{n}.weight"), file.get_tensor(f"{n}.bias")) for n in names))
    width = head.inputs
    for weight, bias in head.layers:
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise _bad("the weights of its head do not belong together")
        width = len(weight)
    if head.inputs != (row.dimensions or head.inputs):
        raise _bad("the weights do not fit the list of classes")

    def read() -> dict[str, np.ndarray]:
        with safe_open(path, framework="numpy") as weights:
            chosen = [name for name in weights.keys() if name.startswith(prefix)]  # noqa: SIM118 -- not a dict
            return {name.removeprefix(prefix): weights.get_tensor(name) for name in chosen}

    if entry.get("tuned") and not re.fullmatch(r"[0-9a-f]{16}", str(entry["tuned"])):  # it becomes a folder's name
        raise _bad("its fine-tuned network has a strange name")
    tuned = Tuned(str(entry["tuned"]), read) if entry.get("tuned") else None
    return Member(row, head, float(entry.get("share", 1.0)), tuned)


def _row(entry: Mapping[str, Any]) -> Backbone:
    """The registry row of a member, with the preprocessing that it was trained with."""
    try:
        row = backbone(str(entry["backbone"]))
    except BadRecipe as error:
        raise _bad(f"this version does not know its backbone “{entry['backbone']}”") from error
    stored = dict(entry["preprocessing"])
    if stored.get("version") != row.preprocessing.version:
        raise _bad("it was made by a version that prepares pictures differently")
    how = Preprocessing(**{**stored, "mean": tuple(stored["mean"]), "std": tuple(stored["std"])})
    return replace(row, preprocessing=how)


def _well_formed(facts: Any) -> bool:
    """Whether model.json has the entries that are read here, each of the right kind."""
    kinds = {"classes": list, "display_names": dict, "backbone": str, "preprocessing": dict, "sha256": dict}
    return (
        isinstance(facts, dict)
        and all(isinstance(facts.get(key), kind) for key, kind in kinds.items())
        and isinstance(facts.get("temperature"), (int, float))
        and (facts.get("format") == 1 or (isinstance(facts.get("members"), list) and bool(facts["members"])))
        and len(set(map(str, facts["classes"]))) == len(facts["classes"]) > 0
    )


def _bad(reason: str) -> BadModel:
    return BadModel("This model cannot be used.", f"The reason: {reason}.", "Train again; your pictures are unchanged.")
