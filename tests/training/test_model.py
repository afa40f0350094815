"""A model on disk: readable facts, safe weights, and a refusal in words for everything that is not ours."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from imgtag.core.errors import BadModel
from imgtag.training.extractor import weights_file
from imgtag.training.model import load_model
from imgtag.training.runs import Run
from tests.prepared import ROW


def facts(run: Run) -> dict[str, Any]:
    return json.loads((run.path / "model" / "model.json").read_text())


def change_facts(run: Run, **changes: object) -> None:
    (run.path / "model" / "model.json").write_text(json.dumps({**facts(run), **changes}))


def replace_weights(run: Run, data: bytes, *, vouched: bool) -> None:
    """Put other bytes in place of the weights; `vouched` also writes their hash into model.json."""
    (run.path / "model" / "model.safetensors").write_bytes(data)
    if vouched:
        change_facts(run, sha256={"model.safetensors": hashlib.sha256(data).hexdigest()})


def refused(run: Run) -> str:
    with pytest.raises(BadModel) as error:
        load_model(run)
    assert error.value.next_step
    return error.value.explanation


def test_a_trained_model_loads_with_its_classes_in_order(trained: Run) -> None:
    model = load_model(trained)
    assert model.classes == ("1", "2", "10")
    assert dict(model.display_names) == {"1": "one", "2": "two", "10": "ten"}
    assert model.head.weight.shape == (3, ROW.dimensions)
    assert np.isfinite(model.head.weight).all() and np.isfinite(model.head.bias).all()


def test_the_facts_are_there_for_a_person_to_read(trained: Run) -> None:
    said = facts(trained)
    assert said["classes"] == ["1", "2", "10"]
    assert said["backbone"] == ROW.name
    assert {"resize", "size", "crop", "mean", "std", "interpolation", "version"} <= set(said["preprocessing"])
    assert {"temperature", "unknown_threshold", "versions", "sha256", "licence"} <= set(said)
    weights = (trained.path / "model" / "model.safetensors").read_bytes()
    assert said["sha256"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()


def test_the_weights_hold_backbone_and_head(trained: Run) -> None:
    tensors = load_file(trained.path / "model" / "model.safetensors")
    backbone = load_file(weights_file(ROW))
    assert {f"backbone.{name}" for name in backbone} | {"head.weight", "head.bias"} == set(tensors)
    assert all(np.array_equal(tensors[f"backbone.{name}"], value) for name, value in backbone.items())


def test_tampered_weights_are_refused(trained: Run) -> None:
    path = trained.path / "model" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    assert "weights" in refused(trained)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_truncated_weights_are_refused_even_when_vouched_for(trained: Run, share: float) -> None:
    data = (trained.path / "model" / "model.safetensors").read_bytes()
    replace_weights(trained, data[: int(len(data) * share)], vouched=True)
    assert "weights" in refused(trained)


class Evil:
    """Unpickling this would create the canary file."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.canary),)


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_named_safetensors_is_refused_and_runs_no_code(trained: Run, tmp_path: Path, kind: str) -> None:
    canary = tmp_path / "canary"
    if kind == "pickle":
        data = pickle.dumps(Evil(str(canary)))
    else:
        import torch

        torch.save(Evil(str(canary)), tmp_path / "evil.pt")
        data = (tmp_path / "evil.pt").read_bytes()
    pickle.loads(pickle.dumps(Evil(str(canary))))
    assert canary.exists(), "the trap itself must work"
    canary.unlink()
    replace_weights(trained, data, vouched=True)
    refused(trained)
    assert not canary.exists()


def test_a_header_that_claims_to_be_huge_is_refused(trained: Run) -> None:
    replace_weights(trained, struct.pack("<Q", 100 << 20) + b"{" + b" " * 1000, vouched=True)
    assert "weights" in refused(trained)


def test_weights_without_a_head_are_refused(trained: Run) -> None:
    replace_weights(trained, save({"other": np.zeros(3, np.float32)}), vouched=True)
    assert "weights" in refused(trained)


@pytest.mark.parametrize("bias", [2, 4])
def test_a_head_whose_parts_do_not_fit_is_refused(trained: Run, bias: int) -> None:
    parts = {"head.weight": np.zeros((3, ROW.dimensions), np.float32), "head.bias": np.zeros(bias, np.float32)}
    replace_weights(trained, save(parts), vouched=True)
    assert "classes" in refused(trained)


@pytest.mark.parametrize("classes", [["1", "2"], ["1", "2", "10", "3"], [], "abc", None, {"1": 0, "2": 1, "10": 2},
                                     ["1", "1", "10"]])  # fmt: skip
def test_wrong_classes_are_refused(trained: Run, classes: object) -> None:
    change_facts(trained, classes=classes)
    refused(trained)


@pytest.mark.parametrize(
    "changes",
    [{"backbone": "resnet5000"}, {"backbone": None}, {"preprocessing": {"version": 99}}, {"preprocessing": []},
     {"sha256": []}, {"sha256": {}}, {"temperature": "hot"}, {"display_names": ["one"]}],
)  # fmt: skip
def test_facts_of_another_shape_are_refused(trained: Run, changes: dict[str, object]) -> None:
    change_facts(trained, **changes)
    refused(trained)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}"])
def test_a_damaged_model_json_is_refused(trained: Run, content: str) -> None:
    (trained.path / "model" / "model.json").write_text(content)
    assert "model.json" in refused(trained)
