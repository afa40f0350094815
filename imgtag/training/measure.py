"""Measures what a prediction of the training time needs: python -m imgtag.training.measure RECIPE_JSON.

A process of its own, because it loads torch: the networks are made ready (once for each machine), and for
fine-tuning a few steps on noise are timed.
"""

from __future__ import annotations

import json
import logging
import sys

from imgtag.core import locks, storage
from imgtag.core.errors import ImgtagError
from imgtag.core.settings import home
from imgtag.training.backbones import at_size, backbone, resolved
from imgtag.training.estimates import remember_step, seconds_per_step
from imgtag.training.extractor import known_speed, load_extractor
from imgtag.training.recipes import Recipe, recipe_from
from imgtag.training.worker import lower_priority, tune_allocator

log = logging.getLogger("imgtag.measure")


def main(recipe_json: str) -> int:
    """Measure for one recipe; the exit status is 0 unless a network is not to be had."""
    tune_allocator()
    lower_priority()
    recipe = recipe_from(json.loads(recipe_json))
    with locks.locked(storage.make_folder(home() / ".cache") / ".measuring.lock", wait_s=600):
        try:
            for name in recipe.backbones:
                row = resolved(backbone(name))
                row = at_size(row, recipe.picture_size) if recipe.picture_size else row
                if known_speed(row) is None:
                    load_extractor(row)
            if recipe.tunes_network and seconds_per_step(recipe) is None:
                remember_step(recipe, time_a_step(recipe))
        except ImgtagError as error:
            log.warning("%s", error)
            return 1
    return 0


def time_a_step(recipe: Recipe) -> float:
    """Seconds of one fine-tuning step on noise."""
    import numpy as np
    import torch

    from imgtag.training.head import Scaler
    from imgtag.training.networks import build
    from imgtag.training.tuning.module import Tagger, TorchHead, fresh_layers
    from imgtag.training.tuning.trainer import seconds_per_step as measured

    row = resolved(backbone(recipe.backbones[0]))
    row = at_size(row, recipe.picture_size) if recipe.picture_size else row
    network = build(row, None).to(memory_format=torch.channels_last)
    size = row.preprocessing.size
    with torch.inference_mode():
        width = int(network(torch.zeros((1, size, size, 3), dtype=torch.uint8)).shape[1])
    scaler = Scaler(np.zeros(width, np.float32), np.ones(width, np.float32))
    head = TorchHead(scaler, fresh_layers([width, 10], 0), 0.0)
    module = Tagger(recipe, network, head, None, rate=recipe.rate, probe=True)
    pictures = torch.randint(0, 256, (recipe.batch_size, size, size, 3), dtype=torch.uint8)
    return measured(module, pictures, torch.randint(0, 10, (recipe.batch_size,)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
