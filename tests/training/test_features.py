"""The feature cache: keyed by content, never by position; whole shards; unreadable pictures named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgtag.training import features
from imgtag.training.extractor import Extractor
from imgtag.training.features import (
    Unreadable,
    cached_features,
    compute_features,
    mirrored,
    network_input,
    network_inputs,
)
from tests.drawing import encode, picture, quadrants, scene, sha
from tests.prepared import ROW


def average_colours(pictures: np.ndarray) -> np.ndarray:
    """A stand-in network one can check by hand: the mean of each channel, then zeros."""
    found = np.zeros((len(pictures), ROW.dimensions), dtype=np.float32)
    found[:, :3] = pictures.mean(axis=(1, 2))
    return found


EYE = Extractor(average_colours, "toy", "because it can be checked by hand", batch=4)


def written(folder: Path, count: int, start: int = 0) -> list[tuple[str, Path]]:
    """`count` toy pictures on disk as (sha256, path)."""
    found = []
    for n in range(start, start + count):
        data = picture(("red", "green", "blue")[n % 3], n)
        path = folder / f"{n}.png"
        path.write_bytes(data)
        found.append((sha(data), path))
    return found


def gather(
    cache: Path,
    pictures: Sequence[tuple[str, Path]],
    bad: list[Unreadable],
    after: Callable[[dict[str, np.ndarray]], None] = lambda seen: None,
) -> dict[str, np.ndarray]:
    """Compute the plain features; `after` is called with all of them after each batch."""
    seen: dict[str, np.ndarray] = {}

    def on_batch(fresh: dict[str, dict[str, np.ndarray]]) -> None:
        seen.update(fresh["plain"])
        after(seen)

    compute_features(cache, ROW, EYE, pictures, ("plain",), on_batch, bad)
    return seen


def looked_at(cache: Path, pictures: Sequence[tuple[str, Path]]) -> dict[str, np.ndarray]:
    bad: list[Unreadable] = []
    seen = gather(cache, pictures, bad)
    assert bad == []
    return seen


def test_every_picture_has_its_own_features_in_the_cache(tmp_path: Path) -> None:
    pictures = written(tmp_path, 11)  # no multiple of the batch
    looked_at(tmp_path / "cache", pictures)
    cached = cached_features(tmp_path / "cache", ROW, [id_ for id_, _ in pictures])
    assert set(cached) == {id_ for id_, _ in pictures}
    for id_, path in pictures:
        mean = network_input(path, ROW.preprocessing).mean(axis=(0, 1))
        assert cached[id_].dtype == np.float16
        assert cached[id_].shape == (ROW.dimensions,)
        assert cached[id_][:3] == pytest.approx(mean, rel=1e-3)


def test_the_cache_is_keyed_by_content_whatever_the_order_or_the_name(tmp_path: Path) -> None:
    pictures = written(tmp_path, 6)
    first = looked_at(tmp_path / "cache", pictures)
    renamed = []
    for id_, path in pictures:
        renamed.append((id_, path.rename(tmp_path / f"other {path.name}")))
    wanted = [id_ for id_, _ in reversed(renamed)]
    again = cached_features(tmp_path / "cache", ROW, wanted)
    assert all(np.array_equal(again[id_], first[id_].astype(np.float16)) for id_ in wanted)
    assert cached_features(tmp_path / "cache", ROW, ["0" * 64]) == {}


def test_only_what_is_wanted_comes_back(tmp_path: Path) -> None:
    pictures = written(tmp_path, 5)
    looked_at(tmp_path / "cache", pictures)
    assert set(cached_features(tmp_path / "cache", ROW, [pictures[3][0]])) == {pictures[3][0]}


def test_another_preprocessing_version_does_not_use_old_features(tmp_path: Path) -> None:
    import dataclasses

    pictures = written(tmp_path, 3)
    looked_at(tmp_path / "cache", pictures)
    changed = dataclasses.replace(ROW, preprocessing=dataclasses.replace(ROW.preprocessing, version=99))
    assert cached_features(tmp_path / "cache", changed, [id_ for id_, _ in pictures]) == {}


def test_a_stop_half_way_keeps_what_was_done(tmp_path: Path) -> None:
    pictures = written(tmp_path, 20)
    done: dict[str, np.ndarray] = {}

    class Enough(Exception):
        pass

    def enough(seen: dict[str, np.ndarray]) -> None:
        done.update(seen)
        if len(seen) >= 8:
            raise Enough

    with pytest.raises(Enough):
        gather(tmp_path / "cache", pictures, [], enough)
    kept = cached_features(tmp_path / "cache", ROW, [id_ for id_, _ in pictures])
    assert set(kept) == set(done)
    missing = [item for item in pictures if item[0] not in kept]
    rest = looked_at(tmp_path / "cache", missing)
    assert len(rest) == 12
    assert len(cached_features(tmp_path / "cache", ROW, [id_ for id_, _ in pictures])) == 20


def test_a_damaged_shard_is_passed_over_and_the_others_count(tmp_path: Path) -> None:
    first, second, third = written(tmp_path, 3), written(tmp_path, 3, 10), written(tmp_path, 3, 20)
    for part in (first, second, third):
        looked_at(tmp_path / "cache", part)
    shards = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert len(shards) == 3
    shards[0].write_bytes(shards[0].read_bytes()[:200])
    shards[1].write_bytes(b"")
    everything = [id_ for part in (first, second, third) for id_, _ in part]
    left = cached_features(tmp_path / "cache", ROW, everything)
    assert len(left) == 3
    assert {frozenset(left)} <= {frozenset(id_ for id_, _ in part) for part in (first, second, third)}
    shards[2].write_bytes(b"\xff" * 4096)
    assert cached_features(tmp_path / "cache", ROW, everything) == {}


def test_a_shard_of_another_width_is_passed_over(tmp_path: Path) -> None:
    from safetensors.numpy import save

    pictures = written(tmp_path, 2)
    looked_at(tmp_path / "cache", pictures)
    (shard,) = (tmp_path / "cache").rglob("*.safetensors")
    foreign = save({"features": np.zeros((1, 7), np.float16)}, {"ids": f'["{pictures[0][0]}"]'})
    shard.with_name("zzz.safetensors").write_bytes(foreign)
    found = cached_features(tmp_path / "cache", ROW, [id_ for id_, _ in pictures])
    assert found[pictures[0][0]].shape == (ROW.dimensions,)


def test_an_unreadable_picture_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    pictures = written(tmp_path, 9)
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture("red", 50)[:300])
    gone = tmp_path / "gone.png"
    pictures[4:4] = [(sha(cut.read_bytes()), cut), ("f" * 64, gone)]
    bad: list[Unreadable] = []
    seen = gather(tmp_path / "cache", pictures, bad)
    assert {Path(item.path).name for item in bad} == {"cut.png", "gone.png"}
    assert all(item.reason for item in bad)
    good = [item for item in pictures if item[1] not in (cut, gone)]
    assert set(seen) == {id_ for id_, _ in good}
    for id_, path in good:  # nothing slipped into a neighbour's place
        mean = network_input(path, ROW.preprocessing).mean(axis=(0, 1))
        assert seen[id_][:3] == pytest.approx(mean, rel=1e-3)


def test_a_picture_that_was_replaced_meanwhile_is_not_kept_under_the_old_name(tmp_path: Path) -> None:
    pictures = written(tmp_path, 3)
    id_, path = pictures[1]
    path.write_bytes(picture("purple", 99))
    bad: list[Unreadable] = []
    seen = gather(tmp_path / "cache", pictures, bad)
    assert [item.path for item in bad] == [str(path)]
    assert "changed" in bad[0].reason
    assert id_ not in seen
    assert id_ not in cached_features(tmp_path / "cache", ROW, [id_])


def test_shards_are_written_as_the_work_goes_on(tmp_path: Path) -> None:
    """More pictures than a shard holds: what a kill would leave behind is there before the end."""
    pictures = written(tmp_path, features._SHARD + 8)
    on_disk: list[int] = []

    def count_shards(seen: dict[str, np.ndarray]) -> None:
        on_disk.append(len(list((tmp_path / "cache").rglob("*.safetensors"))))

    gather(tmp_path / "cache", pictures, [], count_shards)
    assert on_disk[0] == 0
    assert on_disk[-1] == 1
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 2


# ----------------------------------------------------------------------------- mirrored pictures


def test_mirroring_changes_left_and_right_of_every_picture_and_nothing_else() -> None:
    batch = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    found = mirrored(batch)
    assert found.tolist() == [[[row[2], row[1], row[0]] for row in one] for one in batch.tolist()]
    assert found.flags.c_contiguous


def left_and_right(pictures: np.ndarray) -> np.ndarray:
    """A stand-in network: how bright the left half is, and the right one."""
    middle = ROW.preprocessing.size // 2
    found = np.zeros((len(pictures), ROW.dimensions), dtype=np.float32)
    found[:, 0] = pictures[:, :, :middle].mean(axis=(1, 2, 3))
    found[:, 1] = pictures[:, :, middle:].mean(axis=(1, 2, 3))
    return found


def test_mirrored_features_are_kept_beside_the_plain_ones(tmp_path: Path) -> None:
    pictures = written(tmp_path, 5)
    wanted = [id_ for id_, _ in pictures]
    eye = Extractor(left_and_right, "toy", "it sees sides", batch=2)
    seen: list[set[str]] = []
    compute_features(tmp_path / "cache", ROW, eye, pictures, ("mirrored",), lambda fresh: seen.append(set(fresh)), [])
    assert seen == [{"mirrored"}] * 3
    assert cached_features(tmp_path / "cache", ROW, wanted) == {}
    compute_features(tmp_path / "cache", ROW, eye, pictures, ("plain", "mirrored"), lambda fresh: None, [])
    plain = cached_features(tmp_path / "cache", ROW, wanted)
    other = cached_features(tmp_path / "cache", ROW, wanted, "mirrored")
    assert set(plain) == set(other) == set(wanted)
    for id_ in wanted:
        assert plain[id_][0] != plain[id_][1]
        assert plain[id_][:2].tolist() == other[id_][1::-1].tolist()


# ----------------------------------------------------------------------------- the input


def test_the_input_is_the_upright_centre_of_the_picture() -> None:
    """Red, green, blue, yellow clockwise: each corner of the input shows its own colour."""
    side = ROW.preprocessing.size
    got = network_input(encode(quadrants(300)), ROW.preprocessing)
    assert got.shape == (side, side, 3)
    assert got.dtype == np.uint8
    corners = [got[10, 10], got[10, -10], got[-10, -10], got[-10, 10]]
    expected = [quadrants(4).getpixel(at) for at in ((0, 0), (3, 0), (3, 3), (0, 3))]
    for corner, colour in zip(corners, expected, strict=True):
        assert np.abs(corner.astype(int) - np.array(colour)).max() < 6


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (640, 480), (224, 224)])
def test_pictures_of_any_size_become_input(size: tuple[int, int]) -> None:
    side = ROW.preprocessing.size
    got = network_input(encode(Image.new("RGB", size, (10, 200, 30))), ROW.preprocessing)
    assert got.shape == (side, side, 3)
    assert np.abs(got.astype(int) - np.array((10, 200, 30))).max() < 3


@pytest.mark.parametrize("side", [200, 256, 400, 511, 512, 590, 600, 1030, 1200, 2400])
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_a_picture_decoded_once_for_several_networks_is_what_each_of_them_would_see(side: int, format_: str) -> None:
    """Also where libjpeg gives the smaller one a smaller picture: at 512 it is halved for 256 and not for 297."""
    hows = [replace(ROW.preprocessing, resize=resize, size=resize - 32) for resize in (256, 297, 160)]
    data = encode(scene(side, (side + 40, side)), format_)
    for how, seen in zip(hows, network_inputs(data, hows), strict=True):
        assert np.array_equal(seen, network_input(data, how)), how.resize


def test_networks_that_want_the_same_scale_share_one_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int | None] = []
    real = features.open_picture

    def counted(source: bytes | Path, at_least: int | None = None) -> object:
        opened.append(at_least)
        return real(source, at_least)

    monkeypatch.setattr(features, "open_picture", counted)
    hows = [replace(ROW.preprocessing, resize=256), replace(ROW.preprocessing, resize=297)]
    network_inputs(encode(scene(1, (440, 400)), "JPEG"), hows)
    assert opened == [297]
    network_inputs(encode(scene(1, (600, 520)), "JPEG"), hows)
    assert opened == [297, 297, 256]
