"""Cut-outs: found wherever they were cut and however they were saved; other pictures of the same kind are not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imgtag.data.crops import Window, is_part, known_crops, search_crops
from imgtag.data.dataset import look
from imgtag.data.duplicates import find_duplicates
from imgtag.data.fingerprints import fingerprints
from imgtag.data.projects import Project
from tests.drawing import encode, scene, sha, write_tree


def cut(image: Image.Image, scale: float, top: float, left: float) -> Image.Image:
    """A part of a picture with this share of its sides; top and left: where it lies between the rims, 0 to 1."""
    width, height = image.width * scale, image.height * scale
    x, y = (image.width - width) * left, (image.height - height) * top
    return image.crop((round(x), round(y), round(x + width), round(y + height)))


@pytest.mark.parametrize("scale", [0.9, 0.8, 0.7, 0.6])
def test_what_was_cut_out_and_saved_again_is_found(project: Project, scale: float) -> None:
    rng = np.random.default_rng(0)
    pictures = {f"{n}.jpg": encode(scene(n, (640, 480)), "JPEG") for n in range(8)}
    parts = {
        f"part-{n}.jpg": encode(cut(scene(n, (640, 480)), scale, *rng.random(2)).resize((300, 225)), "JPEG", quality=60)
        for n in range(6)
    }
    write_tree(project.images / "a", pictures | parts)
    dataset = look(project)
    found = search_crops(project, dataset.pictures, fingerprints(project, dataset.pictures))
    expected = {frozenset((sha(pictures[f"{n}.jpg"]), sha(parts[f"part-{n}.jpg"]))) for n in range(6)}
    assert {frozenset((p.first, p.second)) for p in found} == expected
    assert all(p.likeness > 0.62 for p in found)


def test_once_found_they_belong_together_and_only_new_pictures_are_searched(project: Project) -> None:
    whole = scene(1, (640, 480))
    first = {"whole.jpg": encode(whole, "JPEG"), "part.jpg": encode(cut(whole, 0.7, 0.2, 0.9), "JPEG")}
    write_tree(project.images / "a", first | {"other.jpg": encode(scene(2, (640, 480)), "JPEG")})
    assert find_duplicates(project, look(project).pictures) == []
    [pair] = find_duplicates(project, look(project).pictures, thoroughly=True)
    assert {pair.first, pair.second} == {sha(data) for data in first.values()}
    assert find_duplicates(project, look(project).pictures) == [pair], "a training knows it, too"

    steps: list[int] = []
    find_duplicates(project, look(project).pictures, lambda done, total: steps.append(done), thoroughly=True)
    assert steps == [], "there was nothing new"
    write_tree(project.images / "b", {"late.jpg": encode(cut(scene(2, (640, 480)), 0.8, 0, 0), "JPEG")})
    pairs = find_duplicates(project, look(project).pictures, thoroughly=True)
    assert len(pairs) == 2
    assert len(known_crops(project)) == 2
    (project.images / "a" / "part.jpg").unlink()
    assert len(find_duplicates(project, look(project).pictures)) == 1


def test_a_damaged_cache_is_searched_anew(project: Project) -> None:
    whole = scene(1, (640, 480))
    parts = {"w.jpg": encode(whole, "JPEG"), "p.jpg": encode(cut(whole, 0.7, 0.5, 0.5), "JPEG")}
    write_tree(project.images / "a", parts)
    write_tree(project.cache, {"crops.json": b'{"version": 1, "searched": 3}'})
    assert known_crops(project) == []
    assert len(find_duplicates(project, look(project).pictures, thoroughly=True)) == 1


def test_flat_parts_are_like_nothing() -> None:
    grey = Image.new("RGB", (300, 300), "grey")
    assert is_part(grey, grey.copy(), Window(0.5, 0.0, 0.0)) == 0.0
    assert is_part(scene(3, (300, 300)), grey, Window(0.5, 0.0, 0.0)) == 0.0
    assert is_part(scene(3, (300, 300)), scene(3, (300, 300)), Window(1.0, 0.0, 0.0)) == pytest.approx(1.0, abs=1e-3)
