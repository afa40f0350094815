"""Train as a well-known tutorial does, in a process of its own.

    python -m bench.tutorials METHOD MANIFEST.json

Prints one JSON line. Each method is a function from a manifest to an outcome, in a module that imports just
the libraries it needs; importing them is part of what its reader waits for.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from bench.sets import read_manifest

# method: module of bench/ways, function
METHODS = {
    "frozen": ("plain", "frozen"),
    "hidden": ("plain", "hidden"),
    "tiles": ("plain", "tiles"),
    "lightning": ("with_lightning", "train"),
    "fastai": ("with_fastai", "train"),
    "sklearn": ("with_sklearn", "train"),
    "ultralytics": ("with_ultralytics", "train"),
}


def main() -> None:
    method, path = sys.argv[1], Path(sys.argv[2])
    module, function = METHODS[method]
    train = getattr(importlib.import_module(f"bench.ways.{module}"), function)
    manifest = read_manifest(path)
    outcome = train(manifest)
    val, test = len(manifest.part("val")), len(manifest.part("test"))
    result = {
        "method": method,
        "train_seconds": round(outcome.train_seconds, 3),
        "val_accuracy": round(outcome.val_right / val, 5),
        "test_accuracy": round(outcome.test_right / test, 5),
        "test_right": outcome.test_right,
        "test_n": test,
        "epochs": outcome.epochs,
        "train_pictures_per_second": round(outcome.pictures / outcome.train_seconds, 1),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
