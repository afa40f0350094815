"""Duplicates: the same shot is found in every disguise, different shots are not; what was compared is remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from imgtag.data.dataset import look
from imgtag.data.duplicates import find_duplicates, joined, near_duplicates, same_shots, usual_limit
from imgtag.data.fingerprints import Fingerprint, fingerprints, take_fingerprint
from imgtag.data.images import open_picture
from imgtag.data.projects import Project
from tests.drawing import encode, scene, sha, write_tree


def taken(image: Image.Image, **options: object) -> Fingerprint:
    """The fingerprint of a picture saved as JPEG."""
    return take_fingerprint(*open_picture(encode(image, "JPEG", **options), at_least=256))


def alike(first: Image.Image, second: Image.Image) -> bool:
    """Whether two pictures are told to be the same shot."""
    return bool(near_duplicates({"a": taken(first), "b": taken(second)}))


def rim_cut(image: Image.Image, share: float) -> Image.Image:
    """A picture with its rim cut off by a share of its sides."""
    width, height = image.size
    left, top = round(width * share / 2), round(height * share / 2)
    return image.crop((left, top, width - left, height - top))


DISGUISES = {
    "saved again": lambda p: p,
    "smaller": lambda p: p.resize((200, 150)),
    "larger": lambda p: p.resize((1200, 900)),
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.3),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "cut at the rim": lambda p: rim_cut(p, 0.03),
    "mirrored": ImageOps.mirror,
    "squeezed": lambda p: p.resize((400, 400)),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_the_same_shot_is_found_in_every_disguise(disguise: str) -> None:
    for seed in range(5):
        image = scene(seed, (640, 480))
        assert alike(image, DISGUISES[disguise](image)), seed


def test_different_shots_are_not_the_same() -> None:
    found = {str(seed): taken(scene(seed, (320, 240))) for seed in range(40)}
    assert near_duplicates(found) == []


def test_two_calm_seas_are_not_the_same() -> None:
    """A horizon is most of what there is to see; the boat on it tells them apart."""
    seas = []
    for x, boat in ((80, (40, 12)), (230, (10, 40))):
        sea = Image.new("RGB", (320, 240), (200, 220, 250))
        sea.paste((20, 50, 110), (0, 120, 320, 240))
        sea.paste((90, 30, 30), (x, 120 - boat[1], x + boat[0], 120))
        seas.append(sea)
    assert not alike(*seas)
    assert alike(seas[0], seas[0])


def test_blank_pictures_are_like_nothing() -> None:
    assert not alike(Image.new("RGB", (300, 200), "black"), Image.new("RGB", (300, 200), "white"))


def test_no_pictures_have_no_duplicates(project: Project) -> None:
    assert near_duplicates({}) == []
    assert same_shots(project, []) == []


def test_groups_are_what_pairs_connect() -> None:
    assert joined([("a", "b"), ("c", "d"), ("e", "b")]) == [["a", "b", "e"], ["c", "d"]]
    assert joined([]) == []


def test_new_pictures_are_compared_with_all_and_old_ones_not_again(project: Project) -> None:
    originals = [scene(seed) for seed in range(4)]
    write_tree(project.images, {f"a/{n}.png": encode(p) for n, p in enumerate(originals)})
    assert find_duplicates(project, look(project).pictures) == []
    copies = {f"b/{n}.jpg": encode(p, "JPEG", quality=80) for n, p in enumerate(originals[:2])}
    write_tree(project.images, copies)
    [group, other] = same_shots(project, look(project).pictures)
    assert {frozenset(group), frozenset(other)} == {
        frozenset({sha(encode(originals[n])), sha(copies[f"b/{n}.jpg"])}) for n in range(2)
    }
    path = project.cache / "duplicates.json"
    before = path.stat().st_mtime_ns
    assert len(same_shots(project, look(project).pictures)) == 2
    assert path.stat().st_mtime_ns == before


def test_a_picture_that_is_gone_is_in_no_group(project: Project) -> None:
    write_tree(project.images, {"a/1.png": encode(scene(1)), "a/2.jpg": encode(scene(1), "JPEG")})
    assert len(same_shots(project, look(project).pictures)) == 1
    Path(project.images / "a" / "2.jpg").unlink()
    assert same_shots(project, look(project).pictures) == []


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"version": 1}', '{"version": 1, "compared": 3, "pairs": []}'])
def test_a_spoilt_memory_is_made_again(spoilt: str, project: Project) -> None:
    write_tree(project.images, {"a/1.png": encode(scene(1)), "a/2.jpg": encode(scene(1), "JPEG")})
    write_tree(project.cache, {"duplicates.json": spoilt.encode()})
    assert len(same_shots(project, look(project).pictures)) == 1


def test_where_all_are_rather_alike_only_the_very_same_is_the_same(project: Project) -> None:
    """Pictures of one fixed camera. Forty do not say what is usual; with sixty, those forty are compared again."""
    background = scene(1)
    for n in range(60):
        frame = background.copy()
        frame.paste(scene(100 + n, (90, 70)), (110, 80))
        write_tree(project.images, {f"camera/{n}.png": encode(frame)})
    camera = look(project).pictures
    taken_of = fingerprints(project, camera)
    assert usual_limit(dict(list(taken_of.items())[:40])) == 0.6
    assert usual_limit(taken_of) > 0.9
    assert len(find_duplicates(project, camera[:40])) > 300
    assert find_duplicates(project, camera) == []
    same = encode(Image.open(camera[0].path), "JPEG", quality=85)
    write_tree(project.images, {"camera/again.jpg": same})
    assert [p.likeness > 0.97 for p in find_duplicates(project, look(project).pictures)] == [True]


def test_a_burst_of_hundreds_is_one_shot_and_soon_found() -> None:
    """All are like all: forty thousand pairs would say no more than the nearest of each do."""
    random = np.random.default_rng(0)
    tones = np.asarray(scene(1).convert("L").resize((32, 32)), np.float32)
    measures = taken(scene(1)).measures
    found = {}
    for n in range(300):
        noisy = np.clip(tones + 3 * random.standard_normal(tones.shape), 0, 255).astype(np.uint8)
        found[f"{n:03}"] = Fingerprint(noisy, measures)
    pairs = near_duplicates(found)
    assert 300 <= len(pairs) <= 300 * 20
    assert [len(group) for group in joined((p.first, p.second) for p in pairs)] == [300]


def test_a_set_of_nothing_but_bursts_is_still_recognised_as_such(project: Project) -> None:
    """Many pairs that are alike must not make likeness the usual thing."""
    frames = {
        f"burst/{n}-{frame}.jpg": encode(ImageEnhance.Brightness(scene(n)).enhance(1 + frame / 20), "JPEG")
        for n in range(6)
        for frame in range(10)
    }
    write_tree(project.images, frames)
    groups = same_shots(project, look(project).pictures)
    assert sorted(map(len, groups)) == [10] * 6
