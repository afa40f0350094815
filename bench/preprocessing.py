"""Central crop against squeezing and padding: which input makes the quick head right more often?

    python bench/preprocessing.py DATA_FOLDER [SET ...]

DATA_FOLDER holds sets of class folders (or train/, training/, valid/, validation/, test/ around them).
Every way of preparing runs on the same pictures, splits and engine; three random 70/30 splits each.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from imgtag.core.errors import BadPicture
from imgtag.data.images import is_picture_name, open_picture, to_input
from imgtag.training import head, logistic
from imgtag.training.backbones import BACKBONES
from imgtag.training.extractor import load_extractor

WAYS = {
    "crop 0.875": lambda p: to_input(p, 256, 224),
    "crop 1.0": lambda p: to_input(p, 224, 224),
    "squeeze": lambda p: np.asarray(p.resize((224, 224), Image.Resampling.BICUBIC)),
    "pad": lambda p: np.asarray(ImageOps.pad(p, (224, 224), Image.Resampling.BICUBIC, color=(127, 127, 127))),
}


def main() -> None:
    data, names = Path(sys.argv[1]), sys.argv[2:]
    extractor = load_extractor(BACKBONES["efficientnet_lite0"])
    print(f"{'set':20}" + "".join(f"{way:>14}" for way in WAYS))
    for folder in sorted(p for p in data.iterdir() if p.is_dir() and (not names or p.name in names)):
        pictures, labels = read_set(folder)
        cells = []
        for prepare in WAYS.values():
            batches = [np.stack([prepare(p) for p in pictures[i : i + 8]]) for i in range(0, len(pictures), 8)]
            features = np.concatenate([extractor.run(batch) for batch in batches])
            cells.append(statistics.median(accuracy(features, labels, seed) for seed in range(3)))
        print(f"{folder.name:20}" + "".join(f"{cell:14.4f}" for cell in cells), flush=True)


def read_set(folder: Path) -> tuple[list[Image.Image], np.ndarray]:
    pictures, names = [], []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and is_picture_name(p.name)):
        try:
            pictures.append(open_picture(path, at_least=448)[0])
            names.append(path.parent.name)
        except BadPicture:
            continue
    return pictures, np.unique(names, return_inverse=True)[1]


def accuracy(features: np.ndarray, labels: np.ndarray, seed: int) -> float:
    order = np.random.default_rng(seed).permutation(len(labels))
    cut = int(0.7 * len(order))
    train, test = order[:cut], order[cut:]
    classes = int(labels.max()) + 1
    strength = logistic.choose_strength(features[train], labels[train], np.arange(cut), classes)
    scaler = head.Scaler.of(features[train])
    span = logistic.Span.of(scaler.apply(features[train]))
    found = logistic.fit(span, labels[train], classes, strength=strength)
    fitted = scaler.fold_into((span.out(found.weight), found.bias))
    return head.accuracy(fitted.probabilities(features[test]), labels[test])


if __name__ == "__main__":
    main()
