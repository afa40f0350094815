"""Fingerprints: the same however the picture was saved, kept by what the bytes are, and true about its quality."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from imgtag.core import storage
from imgtag.core.errors import DiskFull
from imgtag.data.dataset import look
from imgtag.data.fingerprints import Fingerprint, fingerprints, take_fingerprint
from imgtag.data.images import open_picture
from imgtag.data.projects import Project
from tests.drawing import encode, scene, write_tree


def taken(image: Image.Image, format: str = "PNG", **options: object) -> Fingerprint:
    """The fingerprint of a picture saved in some form."""
    return take_fingerprint(*open_picture(encode(image, format, **options), at_least=256))


def test_saving_smaller_or_worse_hardly_changes_it() -> None:
    image = scene(1, (640, 480))
    original = taken(image).tones.astype(int)
    assert original.shape == (32, 32)
    for other in (taken(image, "JPEG", quality=40), taken(image.resize((320, 240))), taken(image.resize((1500, 1125)))):
        assert np.abs(other.tones - original).mean() < 3
    assert np.abs(taken(scene(2, (640, 480))).tones - original).mean() > 15


def test_measures_tell_what_a_person_sees() -> None:
    image = scene(1, (500, 400))
    sharp, soft = taken(image).measures, taken(image.filter(ImageFilter.GaussianBlur(5))).measures
    assert (sharp.width, sharp.height) == (500, 400)
    assert sharp.sharpness > 0.6 > 0.3 > soft.sharpness
    black = taken(Image.new("RGB", (300, 200))).measures
    white = taken(Image.new("RGB", (300, 200), "white")).measures
    assert (black.dark, black.contrast, white.light, white.contrast) == (0, 0, 1, 0)
    assert 0.1 < sharp.contrast < 0.5


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 11)])
def test_the_smallest_pictures_have_one_too(size: tuple[int, int]) -> None:
    found = taken(Image.new("RGB", size, "red"))
    assert found.tones.shape == (32, 32)
    assert found.measures.sharpness == 1.0


def test_they_are_taken_once(shapes: Project) -> None:
    counted: list[tuple[int, int]] = []
    pictures = look(shapes).pictures
    first = fingerprints(shapes, pictures, lambda done, total: counted.append((done, total)))
    assert counted[-1] == (24, 24)
    again = fingerprints(shapes, pictures, lambda done, total: counted.append((done, total)))
    assert len(counted) == 24
    assert again.keys() == first.keys() == {p.id for p in pictures}
    assert all((again[i].tones == first[i].tones).all() and again[i].measures == first[i].measures for i in first)


def test_what_cannot_be_read_is_left_out_and_a_damaged_cache_is_made_again(shapes: Project) -> None:
    write_tree(shapes.unsorted, {"bad.png": b"<html>"})
    pictures = look(shapes).pictures
    assert len(fingerprints(shapes, pictures)) == 24
    [kept] = (shapes.cache / "fingerprints").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert len(fingerprints(shapes, pictures)) == 24


def test_a_full_disk_costs_only_time(shapes: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise DiskFull("full", "", "")

    monkeypatch.setattr(storage, "atomic_write", full)
    assert len(fingerprints(shapes, look(shapes).pictures)) == 24
    assert not (shapes.cache / "fingerprints").exists()


def test_a_stop_keeps_nothing_half(shapes: Project) -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fingerprints(shapes, look(shapes).pictures, stop)
    assert len(fingerprints(shapes, look(shapes).pictures)) == 24


def test_a_phone_picture_is_measured_upright() -> None:
    lying = scene(3, (400, 200))
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right to see it upright
    lying.save(out, "JPEG", quality=95, exif=exif)
    upright = taken(lying.transpose(Image.Transpose.ROTATE_270), "JPEG", quality=95).tones.astype(int)
    turned = take_fingerprint(*open_picture(out.getvalue(), at_least=256)).tones
    assert np.abs(turned - upright).mean() < 3
