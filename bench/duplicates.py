"""Which disguises of a picture are still found, and how many pairs are found among untouched pictures.

    python -m bench.duplicates DATA_FOLDER [SET ...]

Draws 100 pictures of each set, changes each in several ways and compares it with the original. Beside it the
perceptual hash of the library ImageHash (pHash, 64 bits, up to 8 different), where that is installed. The pairs of
the untouched set are to be looked at: the program cannot know which are right.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from bench.sets import SETS, read_set
from imgtag.core.errors import BadPicture
from imgtag.data.dataset import look
from imgtag.data.duplicates import find_duplicates
from imgtag.data.images import Facts, open_picture
from imgtag.data.projects import Project, create_at

_DRAWN = 100
_PHASH_BITS = 8


def cut(share: float) -> Callable[[Image.Image], Image.Image]:
    """Cuts off a share of the sides, somewhere."""
    rng = np.random.default_rng(0)

    def of(picture: Image.Image) -> Image.Image:
        width, height = round(picture.width * (1 - share)), round(picture.height * (1 - share))
        x, y = rng.integers(0, picture.width - width + 1), rng.integers(0, picture.height - height + 1)
        return picture.crop((int(x), int(y), int(x) + width, int(y) + height))

    return of


DISGUISES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved at quality 30": lambda p: p,
    "half the size": lambda p: p.resize((max(1, p.width // 2), max(1, p.height // 2))),
    "25 % brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.25),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
    "cut by 5 %": cut(0.05),
    "cut by 10 %": cut(0.10),
    "cut by 20 %": cut(0.20),
    "cut by 30 %": cut(0.30),
    "cut by 40 %": cut(0.40),
}


def main() -> None:
    data, *names = sys.argv[1:]
    try:
        from imagehash import phash
    except ImportError:
        phash = None
    for name in names or SETS:
        pictures = {p.sha256: opened(Path(p.path).read_bytes()) for p in read_set(Path(data), name)}
        readable = {id_: p for id_, p in pictures.items() if p}
        with tempfile.TemporaryDirectory() as folder:
            project = create_at(Path(folder) / "untouched")
            for sample in read_set(Path(data), name):
                put(project, sample.sha256 + Path(sample.path).suffix, Path(sample.path).read_bytes())
            pairs = find_duplicates(project, look(project).pictures, thoroughly=True)
            print(f"{name}: {len(readable)} pictures, {len(pairs)} pairs that are nearly the same")
        drawn = np.random.default_rng(0).permutation(sorted(readable))[:_DRAWN]
        for disguise, change in DISGUISES.items():
            hashed = 0
            with tempfile.TemporaryDirectory() as folder:
                project = create_at(Path(folder) / "disguised")
                disguised = {}
                for id_ in drawn:
                    picture = readable[id_][0]
                    again = saved(change(picture))
                    original = put(project, f"{id_}.jpg", saved(picture, 95))
                    disguised[put(project, f"{id_}-again.jpg", again)] = original
                    hashed += bool(phash and phash(picture) - phash(opened(again)[0]) <= _PHASH_BITS)
                pairs = find_duplicates(project, look(project).pictures, thoroughly=True)
                found = {frozenset((p.first, p.second)) for p in pairs}
                right = sum(frozenset(pair) in found for pair in disguised.items())
            beside = f"   pHash {hashed}" if phash else ""
            print(f"    {disguise:20} {right:3} of {len(drawn)}, {len(found) - right} others{beside}", flush=True)
        if phash:
            hashes = np.array([phash(p).hash.ravel() for p, _ in readable.values()])
            apart = (hashes[:, None] != hashes[None]).sum(axis=2)
            print(f"    pHash pairs in the untouched set: {int((np.triu(apart <= _PHASH_BITS, 1)).sum())}")


def put(project: Project, name: str, data: bytes) -> str:
    """Put a file into the project's only class; returns its id."""
    path = project.images / "a" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return sha256(data).hexdigest()


def opened(data: bytes) -> tuple[Image.Image, Facts] | None:
    """The decoded picture with its facts; None when it cannot be read."""
    try:
        return open_picture(data, at_least=256)
    except BadPicture:
        return None


def saved(picture: Image.Image, quality: int = 30) -> bytes:
    """A picture as the bytes of a JPEG."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


if __name__ == "__main__":
    main()
