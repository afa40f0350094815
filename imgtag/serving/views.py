"""Several views of one picture, whose answers are averaged: test-time augmentation."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from imgtag.training.augmentation import augmentation, roomy_input
from imgtag.training.backbones import Preprocessing
from imgtag.training.features import mirrored, network_input, network_inputs

Views = dict[Preprocessing, list[np.ndarray]]  # of one picture, by how its networks want it
Way = Literal["once", "plain", "fixed", "random"]
RANDOM_VIEWS = 5  # as in the boats tutorial
_ZOOM = 1.15
_CHANGES = ("crop", "flip", "rotate", "colour")
_one_at_a_time = threading.Lock()  # torchvision draws from the one generator of the process


def views_of_picture(source: bytes | Path, how: Preprocessing, way: Way, *, mirror: bool) -> list[np.ndarray]:
    """Views, uint8 (size, size, 3), the plain one first. Raises BadPicture.

    once: nothing else, for a live camera. plain: also the mirrored one, if mirror. fixed: as it is and 15 % larger,
    each also mirrored. random: five random ones follow, the same for the same picture; only these five are to be
    averaged.
    """
    plain = network_input(source, how)
    if way == "once":
        return [plain]
    if way == "fixed":
        larger = network_input(source, replace(how, resize=round(_ZOOM * how.resize)))
        return [plain, _mirrored(plain), larger, _mirrored(larger)]
    if way == "plain":
        return [plain, _mirrored(plain)] if mirror else [plain]
    return [plain, *_random(source, how)]


def views_for(source: bytes | Path, hows: Sequence[Preprocessing], way: Way, *, mirror: bool) -> Views:
    """`views_of_picture` for several networks; the usual ways decode the picture once for all of them."""
    if way not in ("once", "plain"):
        return {how: views_of_picture(source, how, way, mirror=mirror) for how in hows}
    seen = zip(hows, network_inputs(source, hows), strict=True)
    return {how: [plain, _mirrored(plain)] if mirror and way == "plain" else [plain] for how, plain in seen}


def averaged(way: Way, views: int) -> slice:
    """Which of so many views the answer is the mean of."""
    return slice(1, views) if way == "random" else slice(0, views)


def _random(source: bytes | Path, how: Preprocessing) -> list[np.ndarray]:
    import torch

    room = roomy_input(source, how)
    with _one_at_a_time, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        change = augmentation(_CHANGES, how.size)
        variants: list[np.ndarray] = [change(room).permute(1, 2, 0).numpy() for _ in range(RANDOM_VIEWS)]
    return variants


def _mirrored(view: np.ndarray) -> np.ndarray:
    return np.asarray(mirrored(view[None])[0])
