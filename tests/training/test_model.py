"""A model on disk: readable facts, safe weights, and a refusal in words for everything that is not ours."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from imgtag.core.errors import BadModel
from imgtag.serving.predictor import load_predictor
from imgtag.training.extractor import Tuned, weights_file
from imgtag.training.head import Head
from imgtag.training.model import Member, load_model, save_model
from imgtag.training.runs import Run
from tests.prepared import LARGER, ROW, bytes_of


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
    (member,) = model.members
    assert (member.row, member.share, member.tuned) == (ROW, 1.0, None)
    ((weight, bias),) = member.head.layers
    assert weight.shape == (3, ROW.dimensions)
    assert np.isfinite(weight).all() and np.isfinite(bias).all()
    assert not model.mirror


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
    assert {f"0.backbone.{name}" for name in backbone} | {"0.head.0.weight", "0.head.0.bias"} == {
        name for name in tensors if not name.startswith("familiar.")
    }
    assert all(np.array_equal(tensors[f"0.backbone.{name}"], value) for name, value in backbone.items())


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


def vouched_head(*layers: tuple[tuple[int, int], int]) -> bytes:
    """Weights whose only member has a head of these shapes: (weight, bias) for each layer."""
    parts = {}
    for n, (weight, bias) in enumerate(layers):
        parts[f"0.head.{n}.weight"], parts[f"0.head.{n}.bias"] = (
            np.zeros(weight, np.float32),
            np.zeros(bias, np.float32),
        )
    return save(parts)


WIDTH = ROW.dimensions
MISFITS = {
    "a bias too few": [((3, WIDTH), 2)],
    "a bias too many": [((3, WIDTH), 4)],
    "a class too few": [((2, WIDTH), 2)],
    "another network's features": [((3, WIDTH + 1), 3)],
    "layers that do not follow": [((5, WIDTH), 5), ((3, 6), 3)],
    "a first layer too many": [((WIDTH, 7), WIDTH), ((3, WIDTH), 3)],
    "no layer": [],
}


@pytest.mark.parametrize("what", MISFITS)
def test_a_head_whose_parts_do_not_fit_is_refused(trained: Run, what: str) -> None:
    layers = MISFITS[what]
    replace_weights(trained, vouched_head(*layers), vouched=True)
    change_facts(trained, members=[{**facts(trained)["members"][0], "layers": len(layers)}], familiar=None)
    assert "weights" in refused(trained)


def test_the_head_for_those_misfits_is_taken_when_it_fits(trained: Run) -> None:
    replace_weights(trained, vouched_head(((5, WIDTH), 5), ((3, 5), 3)), vouched=True)
    change_facts(trained, members=[{**facts(trained)["members"][0], "layers": 2}], familiar=None)
    assert len(load_model(trained).members[0].head.layers) == 2


@pytest.mark.parametrize("classes", [["1", "2"], ["1", "2", "10", "3"], [], "abc", None, {"1": 0, "2": 1, "10": 2},
                                     ["1", "1", "10"]])  # fmt: skip
def test_wrong_classes_are_refused(trained: Run, classes: object) -> None:
    change_facts(trained, classes=classes)
    refused(trained)


@pytest.mark.parametrize(
    "changes",
    [{"backbone": None}, {"preprocessing": []}, {"sha256": []}, {"sha256": {}}, {"temperature": "hot"},
     {"display_names": ["one"]}, {"members": []}, {"members": None}, {"members": ["efficientnet_lite0"]},
     {"members": [{}]}],
)  # fmt: skip
def test_facts_of_another_shape_are_refused(trained: Run, changes: dict[str, object]) -> None:
    change_facts(trained, **changes)
    refused(trained)


@pytest.mark.parametrize(
    "changes",
    [{"backbone": "resnet5000"}, {"backbone": None}, {"preprocessing": {"version": 99}}, {"preprocessing": []},
     {"layers": "one"}, {"layers": 2}, {"layers": -1}, {"share": "half"}, {"tuned": "../../../../strange"},
     {"backbone": LARGER.name, "preprocessing": LARGER.preprocessing.as_dict()}],
)  # fmt: skip
def test_a_member_of_another_shape_is_refused(trained: Run, changes: dict[str, object]) -> None:
    change_facts(trained, members=[{**facts(trained)["members"][0], **changes}])
    refused(trained)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}"])
def test_a_damaged_model_json_is_refused(trained: Run, content: str) -> None:
    (trained.path / "model" / "model.json").write_text(content)
    assert "model.json" in refused(trained)


# ----------------------------------------------------------------------------- members


def random_head(width: int, *, hidden: tuple[int, ...] = (), seed: int = 0) -> Head:
    random = np.random.default_rng(seed)
    sizes = (width, *hidden, 3)
    layers = ((random.normal(size=(b, a)).astype(np.float32), np.ones(b, np.float32)) for a, b in pairwise(sizes))
    return Head(tuple(layers))


def test_members_come_back_as_they_were_saved(trained: Run) -> None:
    """Two networks, one of them changed, a head with a hidden layer, and shares that are not equal."""
    weights = {name: value + 1 for name, value in load_file(weights_file(ROW)).items()}
    first = Member(ROW, random_head(ROW.dimensions, hidden=(5,)), 0.7, Tuned("0123456789abcdef", lambda: weights))
    second = Member(ROW, random_head(ROW.dimensions, seed=1), 0.3)
    save_model(trained, [first, second], mirror=True)
    model = load_model(trained)
    assert model.mirror
    assert [(m.row, m.share) for m in model.members] == [(ROW, 0.7), (ROW, 0.3)]
    for found, saved in zip(model.members, (first, second), strict=True):
        for (weight, bias), (kept_weight, kept_bias) in zip(found.head.layers, saved.head.layers, strict=True):
            assert np.array_equal(weight, kept_weight) and np.array_equal(bias, kept_bias)
    one, two = model.members
    assert one.tuned is not None and one.tuned.key == "0123456789abcdef"
    assert two.tuned is None
    read = one.tuned.read()
    assert set(read) == set(weights)
    assert all(np.array_equal(read[name], value) for name, value in weights.items())


@pytest.mark.parametrize("number", [0, 1])
def test_a_tampered_member_is_refused(trained: Run, number: int) -> None:
    """One number in one head is changed; everything else is as it was saved."""
    save_model(trained, [Member(ROW, random_head(ROW.dimensions, seed=n), 0.5) for n in range(2)], mirror=False)
    assert len(load_model(trained).members) == 2
    tensors = load_file(trained.path / "model" / "model.safetensors")
    tensors[f"{number}.head.0.bias"][0] += 1
    replace_weights(trained, save(tensors), vouched=False)
    assert "weights" in refused(trained)
    del tensors[f"{number}.head.0.bias"]
    replace_weights(trained, save(tensors), vouched=True)
    assert "weights" in refused(trained)


# ----------------------------------------------------------------------------- the first format


def write_first_format(run: Run) -> None:
    """The run's model as version 0.1 wrote it: one backbone, one layer, and no list of members."""
    tensors = load_file(run.path / "model" / "model.safetensors")
    old = {name.removeprefix("0.").replace("head.0.", "head."): value for name, value in tensors.items()}
    data = save(old)
    said = facts(run)
    wanted = ("classes", "display_names", "backbone", "licence", "preprocessing", "temperature", "unknown_threshold",
              "created", "versions")  # fmt: skip
    sha256 = {"model.safetensors": hashlib.sha256(data).hexdigest()}
    (run.path / "model" / "model.safetensors").write_bytes(data)
    described = {"format": 1, **{key: said[key] for key in wanted}, "sha256": sha256}
    (run.path / "model" / "model.json").write_text(json.dumps(described))


def test_a_model_of_the_first_format_still_answers_the_same(trained: Run) -> None:
    files = [("red", bytes_of("red")), ("blue", bytes_of("blue", shape="square"))]
    before = load_predictor(trained).classify(files)
    write_first_format(trained)
    model = load_model(trained)
    (member,) = model.members
    assert (member.row, member.share, member.tuned, model.mirror) == (ROW, 1.0, None, False)
    assert load_predictor(trained).classify(files) == before
    assert [a.tags[0].label for a in before] == ["2", "10"]


@pytest.mark.parametrize(
    "changes", [{"backbone": "resnet5000"}, {"preprocessing": {"version": 99}}, {"classes": ["1"]}]
)
def test_a_first_format_that_does_not_fit_is_refused(trained: Run, changes: dict[str, object]) -> None:
    write_first_format(trained)
    change_facts(trained, **changes)
    refused(trained)
