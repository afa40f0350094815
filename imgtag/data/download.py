"""Download one of torchvision's data sets: python -m imgtag.data.download NAME FOLDER.

Leaves a JSON list of [split, class, path] in FOLDER/listing.json; on stdout torchvision reports. A process of
its own, because torchvision loads torch and a download that hangs can then be ended.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from imgtag.core import storage

LISTING = "listing.json"

_SPLITS: dict[str, dict[str, str]] = {
    "Flowers102": {"train": "train", "val": "valid", "test": "test"},
    "OxfordIIITPet": {"trainval": "train", "test": "test"},
    "EuroSAT": {"": ""},
}


def listing(name: str, folder: Path) -> list[list[str]]:
    """Download (if it is not there) and list every picture as [split folder, class, path]."""
    from torchvision import datasets

    rows = []
    for split, folder_name in _SPLITS[name].items():
        if name == "OxfordIIITPet":  # takes no loader; its list of names tells the breed
            datasets.OxfordIIITPet(folder, split=split, download=True)
            rows += _pets(folder / "oxford-iiit-pet", split, folder_name)
            continue
        more: dict[str, Any] = {"split": split} if split else {}
        found = getattr(datasets, name)(folder, download=True, loader=str, **more)
        rows += [
            [folder_name, str(found.classes[label]), path] for path, label in (found[i] for i in range(len(found)))
        ]
    return rows


def _pets(folder: Path, split: str, folder_name: str) -> list[list[str]]:
    lines = (folder / "annotations" / f"{split}.txt").read_text().splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    breed = {name: name.rpartition("_")[0].replace("_", " ") for name in names}
    return [[folder_name, breed[name], str(folder / "images" / f"{name}.jpg")] for name in names]


if __name__ == "__main__":
    storage.write_json(Path(sys.argv[2]) / LISTING, listing(sys.argv[1], Path(sys.argv[2])))
