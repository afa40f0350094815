"""Doraemon and WALL-E: fastai's vision_learner and fine_tune(4), everything else as it comes.

One epoch with a frozen backbone, then four with all layers; the last state is kept, which is fastai's way.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from fastai.vision.all import (
    CategoryBlock,
    ColReader,
    ColSplitter,
    DataBlock,
    ImageBlock,
    Learner,
    Resize,
    accuracy,
    aug_transforms,
    set_seed,
    vision_learner,
)

from bench.outcome import Outcome
from bench.sets import Manifest, Picture
from bench.ways.shared import BACKBONE, MEAN, SIZE, STD, WORKERS, weights


def train(manifest: Manifest, epochs: int = 4) -> Outcome:
    """vision_learner on the manifest's own validation split."""
    set_seed(manifest.repeat)
    began = time.perf_counter()
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_x=ColReader("path"),
        get_y=ColReader("label"),
        splitter=ColSplitter("is_valid"),
        item_tfms=Resize(SIZE),
        batch_tfms=aug_transforms(),
    )
    dls = block.dataloaders(_table(manifest.part("train") + manifest.part("val")), num_workers=WORKERS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lite0.pth"
        torch.save(weights(), file)
        source = {"file": str(file), "mean": MEAN, "std": STD}
        learner = vision_learner(dls, BACKBONE, metrics=accuracy, path=folder, pretrained_cfg_overlay=source)
        with learner.no_bar():
            learner.fine_tune(epochs)
    seconds = time.perf_counter() - began
    right = {split: _count_right(learner, manifest.part(split)) for split in ("val", "test")}
    pictures = (epochs + 1) * len(dls.train) * dls.train.bs  # fastai drops the last, incomplete batch
    return Outcome(seconds, epochs + 1, pictures, right["val"], right["test"])


def _count_right(learner: Learner, pictures: list[Picture]) -> int:
    """How many pictures the learner has right, without augmentation."""
    loader = learner.dls.test_dl(_table(pictures), with_labels=True)
    with learner.no_bar():
        chances, labels = learner.get_preds(dl=loader)
    return int((chances.argmax(dim=1) == labels).sum())


def _table(pictures: list[Picture]) -> pd.DataFrame:
    rows = [(p.path, p.label, p.split == "val") for p in pictures]
    return pd.DataFrame(rows, columns=["path", "label", "is_valid"])
