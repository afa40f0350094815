"""Every row of the registry is built, gives the promised features, and learns."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from imgtag.core.errors import BadModel
from imgtag.training.backbones import BACKBONES, Backbone, at_size, backbone, resolved
from imgtag.training.networks import build, depth_groups, whole_network

SMALL = 64
OF_TIMM = ("timm:resnet10t", "timm:vit_tiny_patch16_224", "timm:mobilenetv4_conv_small")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Such small work is not worth sharing, and waiting for a busy core takes longer than the work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def plain_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start values from one draw each: torch cuts off a normal distribution by drawing again, for seconds."""
    import torch

    def draw(tensor: Any, *_: Any, **__: Any) -> Any:
        with torch.no_grad():
            return tensor.uniform_(-0.03, 0.03)

    monkeypatch.setattr(torch.nn.init, "trunc_normal_", draw)


def smallest(name: str) -> Backbone:
    """The row at the smallest size that keeps the test quick."""
    row = resolved(backbone(name))
    return row if row.fixed_size else at_size(row, max(row.least_size, SMALL))


def pictures(row: Backbone, count: int) -> Any:
    import torch

    side = row.preprocessing.size
    return torch.randint(0, 256, (count, side, side, 3), generator=torch.manual_seed(0)).to(torch.uint8)


@pytest.mark.parametrize("name", [*BACKBONES, *OF_TIMM])
@pytest.mark.usefixtures("plain_start")
def test_every_network_gives_the_promised_features_and_learns(name: str) -> None:
    """One step, in which the error reaches the very first layer, and the groups of parameters are complete."""
    import torch

    row = smallest(name)
    network = build(row, None)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    parameters = dict(network.named_parameters())
    groups = depth_groups(network)
    assert 3 <= len(groups) <= 9
    assert sorted(name for group in groups for name in group) == sorted(parameters)

    ends = [parameters[groups[0][0]].requires_grad_(), parameters[groups[-1][-1]].requires_grad_()]
    before = [end.detach().clone() for end in ends]
    head = torch.nn.Linear(row.dimensions, 3)
    count = 1 if row.family == "ViT" else 2  # all but these have batch normalisation or are cheap
    features = network.train()(pictures(row, count))
    assert features.shape == (count, row.dimensions)
    assert features.dtype == torch.float32
    loss = torch.nn.functional.cross_entropy(head(features), torch.arange(count))
    assert torch.isfinite(loss)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD([*ends, *head.parameters()], lr=1.0).step()
    assert all(not torch.equal(old, new) for old, new in zip(before, ends, strict=True))


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("efficientnet_lite0", ["conv_stem", *(f"blocks.{n}" for n in range(7)), "conv_head"]),
        ("resnet18", ["conv1", "layer1", "layer2", "layer3", "layer4"]),
        ("vgg11", ["features.0", "features.3", "features.6", "features.11", "features.16", "classifier.0"]),
        ("alexnet", ["features.0", "features.3", "features.6", "classifier.1"]),
        ("efficientnet_b0", [f"features.{n}" for n in range(9)]),
        ("shufflenet_v2_x0_5", ["conv1", "stage2", "stage3", "stage4", "conv5"]),
        ("swin_t", [*(f"features.{n}" for n in range(8)), "norm"]),
        ("regnet_x_400mf", ["stem", *(f"trunk_output.block{n}" for n in range(1, 5))]),
    ],
)
@pytest.mark.usefixtures("plain_start")
def test_groups_are_the_networks_own_stages_from_the_input_on(name: str, starts: list[str]) -> None:
    groups = depth_groups(build(smallest(name), None))
    assert len(groups) == len(starts)
    for group, start in zip(groups, starts, strict=True):
        assert group[0].startswith(f"net.{start}."), group[0]


def test_bytes_and_numbers_of_the_same_pictures_give_the_same_features() -> None:
    """Mixed pictures (mixup) are no bytes any more."""
    import torch

    row = smallest("efficientnet_lite0")
    network = build(row, None)
    batch = pictures(row, 2)
    with torch.inference_mode():
        assert torch.equal(network(batch), network(batch.float()))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mnasnet0_5", "googlenet", "squeezenet1_1", *OF_TIMM[:1]])
def test_a_network_is_built_again_from_its_own_weights_and_from_the_librarys(name: str) -> None:
    """The files of a library hold the classifier too; what imgtag saved does not."""
    import torch

    row = smallest(name)
    library = whole_network(row).state_dict()
    first = build(row, library)
    own = {key.removeprefix("net."): value for key, value in first.state_dict().items() if key.startswith("net.")}
    assert len(own) < len(library)
    assert all(torch.equal(library[key], value) for key, value in own.items())
    second = build(row, own)
    batch = pictures(row, 2)
    with torch.inference_mode():
        assert torch.equal(first(batch), second(batch))


def test_weights_of_another_network_are_refused() -> None:
    row = smallest("efficientnet_lite0")
    weights = whole_network(row).state_dict()
    other = whole_network(backbone("efficientnet_lite1")).state_dict()
    for wrong in (other, {}, {**weights, "more.weight": weights["conv_stem.weight"]}):
        with pytest.raises(BadModel, match="do not fit"):
            build(row, wrong)
    with pytest.raises(BadModel):
        build(row, {**weights, "conv_stem.weight": weights["conv_stem.weight"][:, :, :1]})


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_openvino_gives_the_same_features_for_any_number_of_pictures(name: str) -> None:
    import openvino
    import torch

    row = smallest(name)
    network = build(row, None)
    side = row.preprocessing.size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(network, example_input=torch.zeros((2, side, side, 3), dtype=torch.uint8))
    model.reshape([-1, side, side, 3])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for count in (1, 3):
        batch = pictures(row, count)
        with torch.inference_mode():
            wanted = network(batch).numpy()
        assert np.allclose(compiled([batch.numpy()])[0], wanted, rtol=1e-2, atol=1e-3 * abs(wanted).max())
