"""Toy pictures for the tests: drawn on the spot, small, distinct, and the same for the same seed."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (40, 70, 220),
    "yellow": (235, 215, 40),
    "purple": (150, 40, 180),
    "grey": (128, 128, 128),
}


def picture(
    colour: str = "red", seed: int = 0, *, size: tuple[int, int] = (64, 64), format: str = "PNG", shape: str = "circle"
) -> bytes:
    """The bytes of a picture: a circle or square of one colour, its place and the noise around it given by the seed."""
    return encode(draw(colour, seed, size=size, shape=shape), format)


def draw(colour: str = "red", seed: int = 0, *, size: tuple[int, int] = (64, 64), shape: str = "circle") -> Image.Image:
    """The same picture before it is encoded."""
    random = np.random.default_rng([seed, *colour.encode(), *shape.encode()])
    width, height = size
    canvas = Image.fromarray(random.integers(190, 256, (height, width, 3), dtype=np.uint8))
    radius = min(size) // 3
    x, y = (int(random.integers(radius, side - radius + 1)) for side in size)
    box = (x - radius, y - radius, x + radius, y + radius)
    pen = ImageDraw.Draw(canvas)
    (pen.ellipse if shape == "circle" else pen.rectangle)(box, fill=COLOURS[colour])
    return canvas


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture full of shapes of all sizes, as varied as a photograph; another one for every seed."""
    random = np.random.default_rng([seed, 7])
    width, height = size
    canvas = Image.new("RGB", size, tuple(int(v) for v in random.integers(0, 256, 3)))
    pen = ImageDraw.Draw(canvas)
    for part in random.random((60, 5)):
        x, y, radius = part[0] * width, part[1] * height, (0.02 + 0.2 * part[2] ** 3) * width
        draw_part = pen.ellipse if part[3] < 0.5 else pen.rectangle
        colour = tuple(int(v) for v in random.integers(0, 256, 3))
        draw_part((x - radius, y - radius * (0.5 + part[4]), x + radius, y + radius * (0.5 + part[4])), fill=colour)
    return canvas


def quadrants(size: int = 64) -> Image.Image:
    """Red, green, blue and yellow quarters, clockwise from the upper left: shows a picture's right way up."""
    canvas = Image.new("RGB", (size, size), COLOURS["red"])
    half = size // 2
    canvas.paste(COLOURS["green"], (half, 0, size, half))
    canvas.paste(COLOURS["blue"], (half, half, size, size))
    canvas.paste(COLOURS["yellow"], (0, half, half, size))
    return canvas


def encode(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    """A Pillow image as the bytes of a file."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def zip_of(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The bytes of a zip that holds the given files, by path."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return out.getvalue()


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder, as a person with a file manager would; returns the folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def hashes(folder: Path) -> set[str]:
    """The sha256 of every file below a folder, read from the disk without any help from imgtag."""
    return {sha(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def sha(data: bytes) -> str:
    """The sha256 of bytes, in hex: a picture's id."""
    return hashlib.sha256(data).hexdigest()
