"""The bare cost: decode every picture once and send it through the fastest engine once, nothing else.

    python -m bench.floor MANIFEST.json

No training that looks at all pictures with this backbone can be faster. Prints one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from imgtag.data.images import open_picture, to_input
from imgtag.training.backbones import BACKBONES, Backbone, Preprocessing
from imgtag.training.extractor import Extractor, load_extractor


def main() -> None:
    row = BACKBONES["efficientnet_lite0"]
    extractor = load_extractor(row)
    began = time.time()
    paths = [p["path"] for p in json.loads(Path(sys.argv[1]).read_text("utf-8"))["pictures"]]
    features_of(paths, row, extractor)
    seconds = time.time() - began
    result = {
        "method": "floor",
        "work_seconds": round(seconds, 3),
        "pictures_per_second": round(len(paths) / seconds, 1),
        "engine": extractor.engine,
    }
    print(json.dumps(result), flush=True)


def features_of(paths: Sequence[str], row: Backbone, extractor: Extractor) -> np.ndarray:
    """Features float32 (N, dimensions) of pictures; decoding runs in threads beside the network."""
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        decoded = pool.map(lambda path: _decode(path, row.preprocessing), paths)
        chunks = (len(paths[i : i + extractor.batch]) for i in range(0, len(paths), extractor.batch))
        return np.concatenate([extractor.run(np.stack([next(decoded) for _ in range(n)])) for n in chunks])


def _decode(path: str, how: Preprocessing) -> np.ndarray:
    picture, _ = open_picture(Path(path), at_least=how.resize)
    return to_input(picture, how.resize, how.size)


if __name__ == "__main__":
    main()
