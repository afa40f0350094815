"""The registry: complete rows, sizes, names of timm, and no library loaded for any of it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from imgtag.core.errors import BadRecipe
from imgtag.training.backbones import BACKBONES, at_size, backbone, resolved
from imgtag.training.networks import build
from imgtag.training.weights import pretrained_weights

LITE = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


@pytest.mark.parametrize("name", BACKBONES)
def test_every_row_is_complete_and_named_by_its_key(name: str) -> None:
    row = backbone(name)
    assert row.name == name
    assert row.licence and row.source and row.title and row.family
    assert row.megabytes > 0 and row.gflops > 0 and row.dimensions > 0
    assert row.least_size <= row.preprocessing.size <= row.preprocessing.resize
    assert row.cache_key == f"{name}-v{row.preprocessing.version}"
    assert row.included == (row.library == "embedded") == (name in LITE)
    assert bool(row.url) == bool(row.file_name) == bool(row.sha256) == (not row.included)
    assert resolved(row) is row


def test_the_default_comes_first_and_its_caches_keep_their_place() -> None:
    assert tuple(BACKBONES)[:3] == LITE
    assert backbone("efficientnet_lite0").cache_key == "efficientnet_lite0-v1"
    assert len({row.cache_key for row in BACKBONES.values()}) == len(BACKBONES)


def test_speed_in_words() -> None:
    speeds = {name: backbone(name).speed for name in ("efficientnet_lite2", "resnet18", "resnet50", "vgg16")}
    assert speeds == {
        "efficientnet_lite2": "very fast", "resnet18": "fast", "resnet50": "medium", "vgg16": "slow",
    }  # fmt: skip
    assert backbone("timm:resnet18").speed == "unknown"


# ----------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["resnet5000", "", "timm:", "timm:../../x", "timm:a/b", "timm:hf-hub:x/y", "timm:.."])
def test_an_unknown_backbone_is_refused_with_known_ones(name: str) -> None:
    with pytest.raises(BadRecipe) as refused:
        backbone(name)
    assert name in refused.value.title
    assert any(known in refused.value.explanation for known in BACKBONES)


def test_a_misspelt_backbone_is_answered_with_similar_names() -> None:
    with pytest.raises(BadRecipe, match="resnet50"):
        backbone("resnet-50")


def test_rows_and_their_names_need_no_torch() -> None:
    code = (
        "import sys\n"
        "from imgtag.training.backbones import BACKBONES, at_size, backbone\n"
        "from imgtag.training.weights import availability\n"
        "import imgtag.training.networks\n"
        "for name in [*BACKBONES, 'timm:resnet18']: availability(backbone(name)), backbone(name).speed\n"
        "at_size(backbone('resnet18'), 128)\n"
        "print({m.split('.')[0] for m in sys.modules} & {'torch', 'timm', 'torchvision', 'numpy'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ----------------------------------------------------------------------------- timm


def test_a_name_of_timm_is_a_row_at_once_and_complete_when_resolved() -> None:
    row = backbone("timm:tf_efficientnet_lite0.in1k")
    assert (row.library, row.architecture) == ("timm", "tf_efficientnet_lite0.in1k")
    assert row.file_name == "tf_efficientnet_lite0.in1k.safetensors"
    assert row.dimensions == 0
    assert row.cache_key == "timm_tf_efficientnet_lite0.in1k-v1-224"
    full = resolved(row)
    assert full.dimensions == 1280
    assert full.url == "https://huggingface.co/timm/tf_efficientnet_lite0.in1k/resolve/main/model.safetensors"
    assert full.licence == "apache-2.0"
    assert full.megabytes == pytest.approx(13.5, abs=1)
    assert full.preprocessing.mean == (127.5, 127.5, 127.5)
    assert (full.preprocessing.size, full.preprocessing.resize) == (224, 256)
    assert full.preprocessing.interpolation == "bicubic"
    assert not full.fixed_size
    assert resolved(full) is full


def test_timms_transformers_keep_their_size() -> None:
    row = resolved(backbone("timm:vit_tiny_patch16_224"))
    assert row.fixed_size
    with pytest.raises(BadRecipe, match="224 pixels only"):
        at_size(backbone("timm:vit_tiny_patch16_224"), 256)


def test_a_name_that_timm_does_not_know_is_answered_with_similar_ones() -> None:
    with pytest.raises(BadRecipe, match="resnet18") as refused:
        resolved(backbone("timm:resnet_18"))
    assert "timm has no network" in refused.value.title
    for name in ("timm:resnet18.no_such_training", "timm:qqqqqqqq"):
        with pytest.raises(BadRecipe):
            resolved(backbone(name))


# ----------------------------------------------------------------------------- picture sizes


def test_another_size_keeps_the_proportion_and_has_a_cache_of_its_own() -> None:
    row = backbone("efficientnet_lite0")
    smaller = at_size(row, 112)
    assert (smaller.preprocessing.size, smaller.preprocessing.resize) == (112, 128)
    assert smaller.cache_key == "efficientnet_lite0-v1-112"
    assert smaller.gflops == pytest.approx(row.gflops / 4)
    assert dataclasses.replace(smaller, preprocessing=row.preprocessing, gflops=row.gflops) == row
    assert at_size(row, 224) is row
    assert at_size(smaller, 224).preprocessing == row.preprocessing
    for odd in (33, 127, 999):
        assert at_size(row, odd).preprocessing.resize >= odd


@pytest.mark.parametrize(
    ("name", "pixels"),
    [("resnet18", 31), ("resnet18", 1025), ("resnet18", 0), ("inception_v3", 74), ("vit_b_16", 256), ("maxvit_t", 448)],
)
def test_an_impossible_size_is_refused_with_the_possible_ones(name: str, pixels: int) -> None:
    with pytest.raises(BadRecipe) as refused:
        at_size(backbone(name), pixels)
    assert "pixels" in str(refused.value)
    assert at_size(backbone(name), backbone(name).preprocessing.size) == backbone(name)


# ----------------------------------------------------------------------------- the included networks


@pytest.mark.parametrize("name", LITE)
def test_features_have_the_promised_shape_and_depend_on_the_picture_alone(name: str) -> None:
    import torch

    row = backbone(name)
    network = build(row, pretrained_weights(row))
    side = row.preprocessing.size
    pictures = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, side, side, 3), dtype=np.uint8))
    with torch.inference_mode():
        together = network(pictures)
        alone = network(pictures[1:2])
    assert together.shape == (3, row.dimensions)
    assert together.dtype == torch.float32
    assert torch.isfinite(together).all()
    assert together.abs().max() < 65504, "must fit float16, in which features are cached"
    assert torch.allclose(together[1], alone[0], atol=1e-3)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


@pytest.mark.parametrize("name", LITE)
def test_the_pretrained_network_knows_what_it_was_trained_on(name: str, real_data) -> None:  # type: ignore[no-untyped-def]
    """A gondola's own ImageNet class is among the first five: normalisation and weights fit together."""
    import timm
    import torch

    from imgtag.training.features import network_input

    row = backbone(name)
    network = timm.create_model(row.architecture)
    network.load_state_dict(pretrained_weights(row))
    network.eval()
    how = row.preprocessing
    files = sorted((real_data / "boats-small" / "gondola").glob("*"))[:12]
    batch = np.stack([network_input(file, how) for file in files]).astype(np.float32)
    batch = (batch - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    with torch.inference_mode():
        top = network(torch.from_numpy(batch).permute(0, 3, 1, 2)).topk(5).indices
    assert sum(576 in five.tolist() for five in top) >= 10
