"""Random changes to training pictures, and a look at what they do.

Each is a transform of torchvision (https://docs.pytorch.org/vision/stable/transforms.html#v2-api-reference-recommended)
on uint8 pictures, with a strength at which a thing stays recognisable.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgtag.data.images import encode_png, open_picture, to_input
from imgtag.training.backbones import Preprocessing

if TYPE_CHECKING:
    import torch


def augmentation(names: Sequence[str], size: int) -> Any:
    """A transform of uint8 pictures (3, side, side) to (3, size, size); without names, the central crop alone."""
    import torch
    from torchvision.transforms import v2

    made = {
        "crop": lambda: v2.RandomResizedCrop(size, scale=(0.6, 1.0), ratio=(0.8, 1.25), antialias=True),
        "flip": lambda: v2.RandomHorizontalFlip(),
        "flip-vertical": lambda: v2.RandomVerticalFlip(),
        "rotate": lambda: v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR, fill=127),
        "colour": lambda: v2.ColorJitter(0.25, 0.25, 0.25, 0.03),
        "blur": lambda: v2.RandomApply([v2.GaussianBlur(5, (0.2, 1.5))], p=0.3),
        "erase": lambda: v2.RandomErasing(p=0.3, scale=(0.02, 0.15), value=127),
    }
    # Turned before it is cut, so that fewer grey corners are left.
    order = ("rotate", "crop", "flip", "flip-vertical", "colour", "blur", "erase")
    steps: list[Any] = [made[name]() for name in order if name in names]
    if "crop" not in names:
        steps.insert(1 if "rotate" in names else 0, v2.CenterCrop(size))
    return v2.Compose([*steps, v2.ToDtype(torch.uint8)])


def roomy_input(source: bytes | Path, how: Preprocessing) -> torch.Tensor:
    """A picture as uint8 (3, resize, resize): what the random crop has to choose from."""
    import torch

    picture, _ = open_picture(source, at_least=how.resize)
    pixels = to_input(picture, how.resize, how.resize)
    return torch.tensor(pixels).permute(2, 0, 1).contiguous()


def preview(
    source: bytes | Path, names: Sequence[str], how: Preprocessing, count: int = 16, seed: int = 0
) -> list[bytes]:
    """`count` random variants of one picture as PNG files, as a network would get them. Raises BadPicture."""
    import torch

    picture = roomy_input(source, how)
    change = augmentation(names, how.size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        variants = [change(picture) for _ in range(count)]
    return [encode_png(v.permute(1, 2, 0).numpy(), how.size) for v in variants]
