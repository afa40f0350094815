"""The bare cost: decode every picture once and send it through the fastest engine once, nothing else.

    python -m bench.floor MANIFEST.json

No training that looks at all pictures with this backbone can be faster. Prints one JSON line.
"""

from __future__ import annotations

import time

BEGAN = time.time()

import json  # noqa: E402 (the clock starts first)
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from imgtag.data.images import open_picture, to_input  # noqa: E402
from imgtag.training.backbones import BACKBONES, Backbone, Preprocessing  # noqa: E402
from imgtag.training.extractor import Extractor, load_extractor  # noqa: E402


def main() -> None:
    row = BACKBONES["efficientnet_lite0"]
    extractor = load_extractor(row)
    loaded = time.time()
    paths = [p["path"] for p in json.loads(Path(sys.argv[1]).read_text("utf-8"))["pictures"]]
    features_of(paths, row, extractor)
    done = time.time()
    result = {
        "method": "floor",
        "seconds": round(done - BEGAN, 3),
        "import_seconds": round(loaded - BEGAN, 3),
        "work_seconds": round(done - loaded, 3),
        "pictures_per_second": round(len(paths) / (done - loaded), 1),
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
