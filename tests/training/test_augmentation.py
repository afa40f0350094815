"""Random changes of pictures: what the preview shows is what the network gets, and the same seed shows the same."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from imgtag.core.errors import BadPicture
from imgtag.training.augmentation import preview
from imgtag.training.backbones import at_size
from imgtag.training.features import mirrored, network_input
from imgtag.training.options import AUGMENTATIONS
from tests.drawing import encode, picture, quadrants
from tests.prepared import ROW

HOW = at_size(ROW, 64).preprocessing  # small, to be quick
SOURCE = encode(quadrants(100))


def shown(names: Sequence[str], source: bytes = SOURCE, **options: int) -> list[np.ndarray]:
    """The preview's PNG files, decoded without any help from imgtag."""
    found = []
    for data in preview(source, names, HOW, **options):
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (HOW.size, HOW.size))
            found.append(np.asarray(image))
    return found


def test_sixteen_different_variants_are_shown() -> None:
    variants = shown(("crop", "flip"), picture("red", size=(120, 80), format="JPEG"))
    assert len({v.tobytes() for v in variants}) == len(variants) == 16
    assert len(shown(("crop",), count=3)) == 3


def test_the_same_seed_shows_the_same_bytes_and_another_others() -> None:
    first = preview(SOURCE, AUGMENTATIONS, HOW, seed=5)
    assert preview(SOURCE, AUGMENTATIONS, HOW, seed=5) == first
    assert preview(SOURCE, AUGMENTATIONS, HOW, seed=6) != first


def test_looking_does_not_disturb_a_training_in_the_same_process() -> None:
    import torch

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    preview(SOURCE, ("crop",), HOW, seed=9)
    assert torch.equal(torch.rand(3), expected)


def test_without_changes_every_variant_is_the_input_of_prediction() -> None:
    plain = network_input(SOURCE, HOW)
    assert all(np.array_equal(v, plain) for v in shown(()))


@pytest.mark.parametrize(
    ("name", "sides"), [("flip", (slice(None), slice(None, None, -1))), ("flip-vertical", (slice(None, None, -1),))]
)
def test_flips_show_the_picture_and_its_mirror_image(name: str, sides: tuple[slice, ...]) -> None:
    plain = network_input(SOURCE, HOW)
    kinds = {v.tobytes() for v in shown((name,))}
    assert kinds == {plain.tobytes(), np.ascontiguousarray(plain[sides]).tobytes()}
    if name == "flip":
        assert mirrored(plain[None])[0].tobytes() in kinds, "as features of mirrored pictures are"


@pytest.mark.parametrize("name", ["crop", "rotate", "colour", "blur", "erase"])
def test_each_change_changes_something_and_leaves_the_picture_recognisable(name: str) -> None:
    """On average half of the pixels stay near what they were; with no change at all it would be all of them."""
    plain = network_input(SOURCE, HOW).astype(int)
    variants = shown((name,))
    assert any(not np.array_equal(v, plain) for v in variants)
    assert np.mean([np.abs(v - plain).max(axis=2) < 80 for v in variants]) > 0.5


def test_what_is_no_picture_is_refused_in_words() -> None:
    with pytest.raises(BadPicture):
        preview(b"<!DOCTYPE html>", ("flip",), HOW)
