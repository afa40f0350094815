"""Train as a well-known tutorial does, in a process of its own.

    python -m bench.tutorials METHOD MANIFEST.json

Prints one JSON line. Each method is a function from a manifest to an outcome, in a module that imports just
the libraries it needs; importing them is part of what its reader waits for.
"""

from __future__ import annotations

import time

BEGAN = time.time()

import importlib  # noqa: E402 (the clock starts first)
import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

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
    imported = time.time()
    from bench.sets import read_manifest

    manifest = read_manifest(path)
    outcome = train(manifest)
    val, test = len(manifest.part("val")), len(manifest.part("test"))
    result = {
        "method": method,
        "seconds": round(time.time() - BEGAN, 3),
        "import_seconds": round(imported - BEGAN, 3),
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
