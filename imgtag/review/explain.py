"""Where a network looked when it chose a class.

The embedded networks answer by the mean of eight layers, so that every place's part in the answer can be told exactly
(class activation maps, Zhou et al. 2016): it is summed over all eight. Any other network of the zoo is asked by
Grad-CAM (Selvaraju et al. 2017) at the last layer whose places still matter: its channels are weighted by the mean
derivative of the class. Convolutions and transformers alike: tokens that form a square are places, too.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgtag.training.extractor import load_module
from imgtag.training.features import network_input
from imgtag.training.head import Head
from imgtag.training.model import Model

if TYPE_CHECKING:
    import torch

_PLACES = 14
_LEAST_SIDE = 4  # places; a smaller map says nothing


def where_it_looked(model: Model, picture: bytes | Path, label: str) -> tuple[np.ndarray, np.ndarray]:
    """What the first network saw, uint8 (size, size, 3), and how much each place spoke for a class, float32
    (size, size), 0 to 1: the mean over the model's networks by their shares.

    Raises BadPicture. Takes about a second for each network.
    """
    place = model.classes.index(label)
    inputs = [network_input(picture, member.row.preprocessing) for member in model.members]
    shown = inputs[0]
    heat = np.zeros(shown.shape[:2], np.float32)
    for member, seen in zip(model.members, inputs, strict=True):
        network = load_module(member.row, member.tuned)
        look = class_activation if member.row.library == "embedded" else grad_cam
        heat += np.float32(member.share) * _resized(look(network, member.head, seen, place), len(shown))
    return shown, heat / max(float(heat.max()), 1e-9)


def class_activation(network: Any, head: Head, seen: np.ndarray, place: int) -> np.ndarray:
    """How much more each place speaks for the class than the others do, float32 (14, 14), 0 to 1.

    network: an embedded one, of which the features are means of layers; seen: as in `grad_cam`.
    """
    import torch

    with torch.no_grad():
        layers = network.layers(torch.from_numpy(np.array(seen[None])))
    features = torch.cat([layer.mean(dim=(2, 3)) for layer in layers], dim=1).requires_grad_()
    (slopes,) = torch.autograd.grad(_stands_out(head, features, place), features)
    found = torch.zeros(_PLACES, _PLACES)
    for layer, slope in zip(layers, torch.split(slopes[0], [len(layer[0]) for layer in layers]), strict=True):
        centred = layer[0] - layer[0].mean(dim=(1, 2), keepdim=True)
        part = (centred * slope[:, None, None]).sum(dim=0) / layer[0, 0].numel()
        # As many parts of the answer in all, however many places the layer has.
        found += torch.nn.functional.interpolate(part[None, None], (_PLACES, _PLACES), mode="area")[0, 0] * (
            part.numel() / _PLACES**2
        )
    return _scaled(found)


def grad_cam(network: torch.nn.Module, head: Head, seen: np.ndarray, place: int) -> np.ndarray:
    """The map of one network for the class at `place`, float32 (rows, columns), 0 to 1.

    network: as `networks.build` gives it; seen: its input, uint8 (size, size, 3).
    """
    import torch

    outputs: list[torch.Tensor] = []

    def keep(_module: torch.nn.Module, _inputs: Any, out: Any) -> None:
        if isinstance(out, torch.Tensor) and out.requires_grad and _grid(out):
            outputs.append(out)

    hooks = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        with torch.enable_grad():
            picture = torch.from_numpy(np.array(seen[None])).float().requires_grad_()
            answer = _stands_out(head, network(picture), place)
            slopes = torch.autograd.grad(answer, outputs, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    for out, slope in zip(reversed(outputs), reversed(slopes), strict=True):
        places = _as_places(slope) if slope is not None else None
        if places is not None and places.any():  # behind its last attention, a transformer's places count no more
            return _scaled((places.mean(dim=(0, 1)) * _as_places(out.detach())).sum(dim=2))
    raise ValueError("this network has no layer that knows places")


def overlaid(seen: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The picture, uint8 (size, size, 3), with the places that mattered glowing and the others pale."""
    glow = np.stack([np.interp(heat, [0, 0.4, 0.7, 1], ramp) for ramp in _GLOW], axis=-1)
    strength = 0.65 * heat[..., None] ** 0.8
    pale = seen * 0.55 + 0.45 * seen.mean(axis=2, keepdims=True)
    return np.asarray(np.clip(pale * (1 - strength) + glow * strength, 0, 255), np.uint8)


_GLOW = ([40, 200, 250, 255], [60, 60, 140, 240], [160, 90, 40, 120])  # red, green, blue from cool to hot


def _grid(out: torch.Tensor) -> str:
    """Where the places are in an output: "chw", "hwc", "tokens", or nowhere."""
    if out.ndim == 4:
        if out.shape[2] == out.shape[3] >= _LEAST_SIDE:
            return "chw"
        if out.shape[1] == out.shape[2] >= _LEAST_SIDE:
            return "hwc"
    if out.ndim == 3 and any(_side(out.shape[1] - extra) for extra in (0, 1, 2)):
        return "tokens"
    return ""


def _side(tokens: int) -> int:
    """The side of a square of so many tokens; 0 where they form none."""
    side = math.isqrt(max(tokens, 0))
    return side if side * side == tokens and side >= _LEAST_SIDE else 0


def _as_places(out: torch.Tensor) -> torch.Tensor:
    """(1, ...) as (rows, columns, channels); tokens that stand before the places, such as the class's, are left out."""
    kind = _grid(out)
    if kind == "chw":
        return out[0].permute(1, 2, 0)
    if kind == "hwc":
        return out[0]
    extra = next(n for n in (0, 1, 2) if _side(out.shape[1] - n))
    side = _side(out.shape[1] - extra)
    return out[0, extra:].reshape(side, side, -1)


def _stands_out(head: Head, features: torch.Tensor, place: int) -> torch.Tensor:
    """By how much the logit of a class is above the mean of all: only differences count."""
    import torch

    for number, (weight, bias) in enumerate(head.layers):
        features = features.clamp(min=0) if number else features
        features = features @ torch.from_numpy(weight).T + torch.from_numpy(bias)
    return features[0, place] - features[0].mean()


def _scaled(heat: torch.Tensor) -> np.ndarray:
    """What speaks for the class, the largest as 1."""
    found = heat.clamp(min=0).numpy().astype(np.float32)
    return np.asarray(found / max(float(found.max()), 1e-9), np.float32)


def _resized(heat: np.ndarray, side: int) -> np.ndarray:
    """The map at the picture's size, smoothly: bilinear between the middles of its places."""
    at = np.clip((np.arange(side) + 0.5) * len(heat) / side - 0.5, 0, len(heat) - 1)
    places = np.arange(len(heat))
    wide = np.stack([np.interp(at, places, row) for row in heat])
    whole = np.stack([np.interp(at, places, column) for column in wide.T], axis=1)
    return np.asarray(whole, np.float32)
