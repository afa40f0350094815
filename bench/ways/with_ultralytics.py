"""Ultralytics' smallest classifier, one epoch from random weights: how many pictures a second its loop trains.

Its pretrained weights are a download, so its accuracy means nothing here. It must not touch the network or the
user's settings: both are told to it before it is imported.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import torch

from bench.outcome import Outcome
from bench.sets import Manifest
from bench.ways.shared import SIZE, WORKERS

MODEL = "yolo11n-cls.yaml"


def train(manifest: Manifest, epochs: int = 1) -> Outcome:
    """One epoch on the CPU; everything it writes goes into a temporary folder."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(YOLO_CONFIG_DIR=folder, YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
        from ultralytics import YOLO, settings

        settings.update({"sync": False, "tensorboard": False})
        torch.manual_seed(manifest.repeat)
        data = _as_folders(manifest, Path(folder) / "data")
        model = YOLO(MODEL, task="classify")
        common = {"data": str(data), "imgsz": SIZE, "device": "cpu", "workers": WORKERS, "plots": False}
        common |= {"project": folder, "verbose": False}
        model.train(**common, epochs=epochs, pretrained=False, seed=manifest.repeat)
        seconds = time.perf_counter() - began
        right = {s: round(model.val(**common, split=s).top1 * len(manifest.part(s))) for s in ("val", "test")}
    return Outcome(seconds, epochs, epochs * len(manifest.part("train")), right["val"], right["test"])


def _as_folders(manifest: Manifest, root: Path) -> Path:
    """It reads split/class/file only: links to the pictures, all with an extension that it takes."""
    for picture in manifest.pictures:
        link = root / picture.split / picture.label / f"{picture.sha256[:16]}{Path(picture.path).suffix or '.jpg'}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(picture.path)
    return root
