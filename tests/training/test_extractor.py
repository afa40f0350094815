"""The engine: agrees with torch, is chosen with a reason, and later starts load neither torch nor timm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from imgtag.core import storage
from imgtag.training import extractor
from imgtag.training.backbones import at_size
from imgtag.training.extractor import Tuned, known_speed, load_extractor, weights_file
from imgtag.training.features import network_input
from imgtag.training.networks import build
from tests.drawing import picture
from tests.prepared import ROW, backbones

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ("red", "green", "blue", "yellow", "purple", "grey")


def toy_batch() -> np.ndarray:
    drawn = [picture(colour, n, shape=("circle", "square")[n % 2]) for n, colour in enumerate(COLOURS)]
    return np.stack([network_input(data, ROW.preprocessing) for data in drawn])


def test_the_engine_agrees_with_torch_on_pictures(ready: Path) -> None:
    import torch
    from safetensors.torch import load_file

    batch = toy_batch()
    extractor = load_extractor(ROW)
    ours = extractor.run(batch)
    with torch.inference_mode():
        truth = build(ROW, load_file(weights_file(ROW)))(torch.from_numpy(batch)).numpy()
    assert ours.shape == (len(batch), ROW.dimensions)
    assert ours.dtype == np.float32
    assert np.isfinite(ours).all()
    cosines = (ours * truth).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(truth, axis=1)
    assert cosines.min() > 0.995, extractor.engine
    # And it tells pictures apart: the likeness to the wrong picture is clearly smaller.
    unit_ours = ours / np.linalg.norm(ours, axis=1, keepdims=True)
    unit_truth = truth / np.linalg.norm(truth, axis=1, keepdims=True)
    assert ((unit_ours @ unit_truth.T).argmax(axis=1) == np.arange(len(batch))).all()


def test_a_batch_of_any_size_gives_the_same_features(ready: Path) -> None:
    batch = toy_batch()
    extractor = load_extractor(ROW)
    together = extractor.run(batch)
    one_by_one = np.concatenate([extractor.run(batch[i : i + 1]) for i in range(len(batch))])
    assert np.abs(together - one_by_one).max() < 0.02 * np.abs(together).max()


def test_an_answer_is_not_overwritten_by_the_next_one(ready: Path) -> None:
    batch = toy_batch()
    extractor = load_extractor(ROW)
    first = extractor.run(batch[:1])
    kept = first.copy()
    extractor.run(batch[1:2])
    assert np.array_equal(first, kept)


def test_the_choice_is_remembered_with_what_was_measured(ready: Path) -> None:
    found = json.loads((backbones() / ROW.cache_key / "engine.json").read_text())
    speeds = found["pictures_per_second"]
    assert "torch" in speeds
    assert speeds[found["precision"]] == max(speeds.values())
    extractor = load_extractor(ROW)
    assert f"{max(speeds.values()):.0f}" in extractor.reason
    assert "as you chose" in load_extractor(ROW, gpu_allowed=False).reason
    assert "because" in extractor.reason or "GPU was found" in extractor.reason


def test_a_second_load_imports_neither_torch_nor_timm(ready: Path) -> None:
    """Measured in a process of its own; a machine with a GPU loads torch on purpose, so it is looked away from."""
    code = (
        "import sys, numpy\n"
        "from imgtag.training import extractor\n"
        "extractor._has_gpu = lambda: False\n"
        "from imgtag.training.backbones import BACKBONES\n"
        "row = BACKBONES['efficientnet_lite0']\n"
        "found = extractor.load_extractor(row)\n"
        "side = row.preprocessing.size\n"
        "assert found.run(numpy.zeros((1, side, side, 3), numpy.uint8)).shape == (1, row.dimensions)\n"
        "print(found.engine, [m for m in ('torch', 'timm', 'torchvision') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    engine, _, imported = done.stdout.strip().partition(" [")
    if engine.startswith("OpenVINO"):
        assert imported == "]"


def test_a_network_that_cannot_be_opened_falls_back_to_torch(home: Path) -> None:
    folder = home / ".cache" / "backbones"
    shutil.copytree(backbones(), folder)
    found = json.loads((folder / ROW.cache_key / "engine.json").read_text())
    storage.write_json(folder / ROW.cache_key / "engine.json", {**found, "engine": "openvino", "precision": "f32"})
    (folder / ROW.cache_key / "network.xml").write_text("<net")
    extractor = load_extractor(ROW)
    assert "PyTorch" in extractor.engine
    assert extractor.run(toy_batch()).shape == (len(COLOURS), ROW.dimensions)


def test_the_weights_file_is_safetensors_with_the_whole_network(ready: Path) -> None:
    from safetensors import safe_open

    with safe_open(weights_file(ROW), framework="numpy") as file:
        names = list(file.keys())
    assert "conv_stem.weight" in names
    assert len(names) > 200


def test_the_speed_is_known_once_it_was_measured_on_this_machine(home: Path) -> None:
    assert known_speed(ROW) is None
    folder = home / ".cache" / "backbones"
    shutil.copytree(backbones(), folder)
    found = json.loads((folder / ROW.cache_key / "engine.json").read_text())
    assert known_speed(ROW) == max(found["pictures_per_second"].values())
    assert known_speed(at_size(ROW, 160)) is None, "another size has another speed"
    storage.write_json(folder / ROW.cache_key / "engine.json", {**found, "made_for": "another machine"})
    assert known_speed(ROW) is None


def test_only_the_newest_tuned_networks_stay_converted(home: Path) -> None:
    folder = home / ".cache" / "backbones"
    for number in range(15):
        storage.write_json(folder / f"a_net-v1-{number:016x}" / "engine.json", {})
        os.utime(folder / f"a_net-v1-{number:016x}" / "engine.json", (number, number))
    storage.write_json(folder / "a_net-v1" / "engine.json", {})
    extractor._forget_the_oldest(folder / f"a_net-v1-{3:016x}")
    left = sorted(p.name for p in folder.iterdir())
    assert left == ["a_net-v1", *(f"a_net-v1-{n:016x}" for n in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14))]


def test_tuned_weights_are_used_and_kept_apart_from_the_pretrained(home: Path) -> None:
    """A stem twice as strong: other features, in a folder of their own; the pretrained network answers as before."""
    from safetensors.numpy import load_file

    folder = home / ".cache" / "backbones"
    shutil.copytree(backbones(), folder)
    batch = toy_batch()[:2]
    before = load_extractor(ROW).run(batch)
    weights = load_file(weights_file(ROW))
    weights["conv_stem.weight"] = weights["conv_stem.weight"] * 2
    tuned = load_extractor(ROW, Tuned("0123456789abcdef", lambda: weights)).run(batch)
    assert not np.allclose(tuned, before, rtol=0.05)
    assert np.array_equal(load_extractor(ROW).run(batch), before)
    assert {p.name for p in folder.iterdir() if p.is_dir()} >= {ROW.cache_key, f"{ROW.cache_key}-0123456789abcdef"}
