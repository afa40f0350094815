"""A set of photographs as one list of (picture, label, split), the same for every method that is compared.

    python -m bench.sets DATA_FOLDER SET REPEAT > MANIFEST.json

Splits depend on nothing but the files and the repeat number. The test split decides nothing anywhere.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sklearn.model_selection import train_test_split

from imgtag.core.errors import BadPicture
from imgtag.data.images import is_picture_name, open_picture

SPLITS = ("train", "val", "test")
_TEST_SHARE, _VAL_SHARE = 0.3, 0.15

# Where a set was published in folders, what each of them is here. The published validation pictures of walle and
# monkeys-small are the test: their validation pictures are drawn from the training folder.
SETS: dict[str, dict[str, str]] = {
    "walle": {"train": "train", "valid": "test"},
    "monkeys-small": {"training": "train", "validation": "test"},
    "boats-small": {},
    "flowers-small": {"train": "train", "valid": "val", "test": "test"},
    "aerial-small": {},
}


@dataclass(frozen=True)
class Picture:
    """One picture file, its class folder, and its split: train, val or test ("" until it is drawn)."""

    path: str
    label: str
    split: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The pictures of one repeat. `fixed_test`: the test split is the published one, the same in every repeat."""

    set: str
    repeat: int
    fixed_test: bool
    pictures: tuple[Picture, ...]

    @property
    def classes(self) -> list[str]:
        """Class folders, sorted as text."""
        return sorted({p.label for p in self.pictures})

    def part(self, split: str) -> list[Picture]:
        """The pictures of one split."""
        return [p for p in self.pictures if p.split == split]

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), "utf-8")


def read_manifest(path: Path) -> Manifest:
    """A manifest that `Manifest.write` wrote."""
    found = json.loads(path.read_text("utf-8"))
    pictures = tuple(Picture(**p) for p in found.pop("pictures"))
    return Manifest(**found, pictures=pictures)


def read_set(data: Path, name: str) -> list[Picture]:
    """The readable pictures of a set, each once, with their published splits if it has some.

    Identical bytes under two labels are left out: nobody knows which is right. Of identical bytes in two splits
    the training picture stays, so that the test does not leak.
    """
    folders = SETS[name]
    places = [(data / name / folder, split) for folder, split in folders.items()] or [(data / name, "")]
    found = [picture for folder, split in places for picture in _class_folders(folder, split)]
    labels: dict[str, set[str]] = {}
    for picture in found:
        labels.setdefault(picture.sha256, set()).add(picture.label)
    once: dict[str, Picture] = {}
    for picture in sorted(found, key=lambda p: (*SPLITS, "").index(p.split)):
        if len(labels[picture.sha256]) == 1:
            once.setdefault(picture.sha256, picture)
    return list(once.values())


def draw(name: str, pictures: Sequence[Picture], repeat: int) -> Manifest:
    """Draw the splits that were not published, class by class, with the repeat number as seed."""
    done = [p for p in pictures if p.split]
    if not done:
        rest, test = train_test_split(
            pictures, test_size=_TEST_SHARE, random_state=repeat, stratify=[p.label for p in pictures]
        )
        done = [replace(p, split="train") for p in rest] + [replace(p, split="test") for p in test]
    if not any(p.split == "val" for p in done):
        train = [p for p in done if p.split == "train"]
        kept, val = train_test_split(
            train, test_size=_VAL_SHARE, random_state=repeat, stratify=[p.label for p in train]
        )
        done = [*kept, *(replace(p, split="val") for p in val), *(p for p in done if p.split == "test")]
    return Manifest(name, repeat, bool(SETS[name]), tuple(done))


def _class_folders(folder: Path, split: str) -> list[Picture]:
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there.")
    found = []
    for path in sorted(folder.glob("*/*")):
        if path.is_file() and is_picture_name(path.name):
            data = path.read_bytes()
            try:
                open_picture(data)
            except BadPicture:
                continue
            found.append(Picture(str(path.absolute()), path.parent.name, split, hashlib.sha256(data).hexdigest()))
    return found


def main() -> None:
    data, name, repeat = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    print(json.dumps(asdict(draw(name, read_set(data, name), repeat))))


if __name__ == "__main__":
    main()
