"""Grad-CAM: it points at what the class shows, and works for convolutions and transformers alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from imgtag.data.projects import Project
from imgtag.review.explain import grad_cam, overlaid, where_it_looked
from imgtag.training.backbones import backbone, resolved
from imgtag.training.head import Head
from imgtag.training.jobs import start_training, wait_for
from imgtag.training.model import load_model
from imgtag.training.networks import build
from imgtag.training.recipes import make_recipe
from tests.drawing import encode, write_tree


def spot(colour: tuple[int, int, int], x: int, y: int, seed: int) -> Image.Image:
    """A spot of a colour on grey noise."""
    noise = np.random.default_rng(seed).integers(110, 140, (160, 160, 3), dtype=np.uint8)
    canvas = Image.fromarray(noise)
    ImageDraw.Draw(canvas).ellipse((x - 18, y - 18, x + 18, y + 18), fill=colour)
    return canvas


def test_it_points_at_the_spot_that_makes_the_class(ready: Path, project: Project) -> None:
    random = np.random.default_rng(0)
    for name, colour in (("red", (220, 30, 30)), ("blue", (30, 30, 220))):
        places = random.integers(25, 135, (16, 2)).tolist()
        drawn = {f"{n}.png": encode(spot(colour, x, y, n)) for n, (x, y) in enumerate(places)}
        write_tree(project.images / name, drawn)
    model = load_model(wait_for(start_training(project, make_recipe("quick"))))
    for x, y in ((40, 40), (120, 40), (40, 120), (120, 120)):
        seen, heat = where_it_looked(model, encode(spot((220, 30, 30), x, y, 99)), "red")
        assert seen.shape == (224, 224, 3)
        assert heat.shape == (224, 224)
        assert (heat.min() >= 0, heat.max()) == (True, pytest.approx(1))
        top, left = np.unravel_index(int(heat.argmax()), heat.shape)
        # the input is the middle 87.5 % of the picture
        assert abs(left / 224 * 0.875 + 0.0625 - x / 160) < 0.2
        assert abs(top / 224 * 0.875 + 0.0625 - y / 160) < 0.2


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "mobilenet_v3_small", "swin_t", "vit_b_16", "timm:vit_tiny_patch16_224"]
)
def test_every_kind_of_network_has_a_map(name: str) -> None:
    row = resolved(backbone(name))
    network = build(row, None)
    size = row.preprocessing.size
    seen = np.random.default_rng(0).integers(0, 255, (size, size, 3), dtype=np.uint8)
    width = network(torch.from_numpy(seen[None])).shape[1]
    random = np.random.default_rng(1)
    head = Head(((random.normal(size=(2, width)).astype(np.float32), np.zeros(2, np.float32)),))
    heat = grad_cam(network, head, seen, 1)
    assert heat.ndim == 2
    assert heat.shape[0] == heat.shape[1] >= 4
    assert np.isfinite(heat).all()
    assert heat.max() <= 1


def test_the_overlay_glows_where_the_heat_is() -> None:
    seen = np.full((8, 8, 3), 128, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[:4, :4] = 1
    found = overlaid(seen, heat).astype(int)
    assert (found[:4, :4, 0] > found[:4, :4, 2] + 50).all(), "hot places are orange"
    assert (found[4:, 4:] == 128).all()
