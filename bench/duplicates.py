"""Which disguises of a picture are still found, and how many pairs are found among untouched pictures.

    python -m bench.duplicates DATA_FOLDER [SET ...]

Draws 100 pictures of each set, changes each in several ways and compares it with the original. Beside it the
perceptual hash of the library ImageHash (pHash, 64 bits, up to 8 different), where that is installed. The pairs of
the untouched set are to be looked at: the program cannot know which are right.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from bench.sets import SETS, read_set
from imgtag.core.errors import BadPicture
from imgtag.data.duplicates import near_duplicates
from imgtag.data.fingerprints import Fingerprint, take_fingerprint
from imgtag.data.images import Facts, open_picture

_DRAWN = 100
_PHASH_BITS = 8


def cut(share: float) -> Callable[[Image.Image], Image.Image]:
    """Cuts off the rim by a share of the sides."""

    def of(picture: Image.Image) -> Image.Image:
        x, y = round(picture.width * share / 2), round(picture.height * share / 2)
        return picture.crop((x, y, picture.width - x, picture.height - y))

    return of


DISGUISES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved at quality 30": lambda p: p,
    "half the size": lambda p: p.resize((max(1, p.width // 2), max(1, p.height // 2))),
    "25 % brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.25),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
    "cut by 3 %": cut(0.03),
    "cut by 5 %": cut(0.05),
    "cut by 10 %": cut(0.10),
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
        prints = {id_: take_fingerprint(*p) for id_, p in readable.items()}
        pairs = near_duplicates(prints)
        print(f"{name}: {len(readable)} pictures, {len(pairs)} pairs that are nearly the same")
        drawn = np.random.default_rng(0).permutation(sorted(readable))[:_DRAWN]
        for disguise, change in DISGUISES.items():
            found = hashed = 0
            for id_ in drawn:
                picture = readable[id_][0]
                other = saved(change(picture))
                found += bool(near_duplicates({"a": prints[id_], "b": other[1]}))
                hashed += bool(phash and phash(picture) - phash(other[0]) <= _PHASH_BITS)
            beside = f"   pHash {hashed}" if phash else ""
            print(f"    {disguise:20} {found:3} of {len(drawn)}{beside}")
        if phash:
            hashes = np.array([phash(p).hash.ravel() for p, _ in readable.values()])
            apart = (hashes[:, None] != hashes[None]).sum(axis=2)
            print(f"    pHash pairs in the untouched set: {int((np.triu(apart <= _PHASH_BITS, 1)).sum())}")


def opened(data: bytes) -> tuple[Image.Image, Facts] | None:
    """The decoded picture with its facts; None when it cannot be read."""
    try:
        return open_picture(data, at_least=256)
    except BadPicture:
        return None


def saved(picture: Image.Image) -> tuple[Image.Image, Fingerprint]:
    """What becomes of a picture that is saved as JPEG, and its fingerprint."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=30)
    again, facts = open_picture(out.getvalue(), at_least=256)
    return again, take_fingerprint(again, facts)


if __name__ == "__main__":
    main()
