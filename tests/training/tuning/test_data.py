"""Batches: the same round shows the same, a share for each process, and nothing is lost to a broken file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from imgtag.training.backbones import at_size, backbone
from imgtag.training.features import network_input
from imgtag.training.tuning.data import Order, Pictures, Seen, loader
from tests.drawing import picture

HOW = at_size(backbone("efficientnet_lite0"), 32).preprocessing


def as_process(monkeypatch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    """Pose as one of several processes, as torchrun says it."""
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", str(world))


def positions(order: Order) -> list[int]:
    return [position for position, _ in order]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{n}.png" for n in range(6)]
    for n, path in enumerate(found):
        path.write_bytes(picture("red", n))
    return found


def pictures(paths: list[Path], *names: str, seed: int = 0) -> Pictures:
    return Pictures(paths, np.arange(len(paths)), HOW, names, seed)


# ----------------------------------------------------------------------------- the order


def test_a_round_has_every_picture_once_in_an_order_of_its_own() -> None:
    order = Order(20, seed=3, shuffled=True)
    first = list(order)
    assert sorted(position for position, _ in first) == list(range(20))
    assert list(order) == first, "the same round, the same order"
    order.set_epoch(1)
    assert positions(order) != [position for position, _ in first]
    assert {epoch for _, epoch in order} == {1}
    other = Order(20, seed=4, shuffled=True)
    assert list(other) != first


def test_what_is_checked_stands_in_order() -> None:
    assert positions(Order(5, seed=3, shuffled=False)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("count", "world"), [(24, 2), (25, 2), (7, 3), (1, 2)])
def test_processes_together_see_what_one_sees_and_take_as_many_steps(
    monkeypatch: pytest.MonkeyPatch, count: int, world: int
) -> None:
    order = Order(count, seed=0, shuffled=True)
    order.set_epoch(5)
    alone = positions(order)
    shares = []
    for rank in range(world):
        as_process(monkeypatch, rank, world)
        shares.append(positions(order))
        assert len(order) == len(shares[-1])
    assert len({len(share) for share in shares}) == 1
    together = Counter(position for share in shares for position in share)
    assert set(together) == set(alone)
    assert sum(together.values()) - count == -count % world, "no more is repeated than is needed"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_process_has_something_to_check(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A process without pictures would not meet the others after the check."""
    seen: list[int] = []
    for rank in range(2):
        as_process(monkeypatch, rank, 2)
        share = positions(Order(count, seed=0, shuffled=False))
        assert share
        seen += share
    assert set(seen) == set(range(count))


def test_rare_classes_are_drawn_as_often_as_common_ones() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = np.where(labels == 1, 9.0, 1.0)
    drawn = labels[positions(Order(100, seed=0, shuffled=True, weights=weights))]
    assert len(drawn) == 100
    assert 35 <= (drawn == 1).sum() <= 65
    assert (labels[positions(Order(100, seed=0, shuffled=True))] == 1).sum() == 10


def test_a_batch_counts_the_pictures_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Seen(np.zeros((24, 4), np.float16), np.arange(24))
    (first, labels), *others = loader(data, 8, 0, shuffled=True)
    assert (len(first), len(others)) == (8, 2)
    assert labels.dtype == torch.int64
    as_process(monkeypatch, 1, 2)
    assert [len(batch[1]) for batch in loader(data, 8, 0, shuffled=True)] == [4, 4, 4]


# ----------------------------------------------------------------------------- the pictures


def test_without_changes_a_picture_is_prepared_as_for_prediction(paths: list[Path]) -> None:
    data = Pictures(paths, np.arange(6), HOW, None, 0)
    for epoch in (0, 7):
        pixels, label = data[(4, epoch)]
        assert label == 4
        assert np.array_equal(pixels.numpy(), network_input(paths[4], HOW))


def test_a_change_depends_on_seed_round_and_picture_and_on_nothing_else(paths: list[Path]) -> None:
    data = pictures(paths, "crop", "colour")
    torch.manual_seed(1)
    first, _ = data[(0, 0)]
    torch.manual_seed(2)
    again, _ = pictures(paths, "crop", "colour")[(0, 0)]
    assert first.shape == (32, 32, 3) and first.dtype == torch.uint8
    assert torch.equal(first, again)
    for other in (data[(0, 1)], data[(1, 0)], pictures(paths, "crop", "colour", seed=1)[(0, 0)]):
        assert not torch.equal(first, other[0])


def test_a_change_does_not_disturb_other_chances(paths: list[Path]) -> None:
    data = pictures(paths, "crop")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    data[(0, 0)]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("names", [None, ("flip", "crop")])
def test_a_picture_that_became_unreadable_is_grey(paths: list[Path], names: tuple[str, ...] | None) -> None:
    paths[2].write_bytes(b"broken")
    paths[3].unlink()
    data = Pictures(paths, np.arange(6), HOW, names, 0)
    for position in (2, 3):
        pixels, label = data[(position, 0)]
        assert label == position
        assert pixels.shape == (32, 32, 3) and bool((pixels == 127).all())
    (batch, labels), *_ = loader(data, 6, 0, shuffled=False)
    assert batch.shape == (6, 32, 32, 3) and labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_beside_a_gpu_processes_decode_that_were_not_forked_from_this_one(paths: list[Path]) -> None:
    beside = loader(pictures(paths), 2, 0, shuffled=True, ahead=True)
    assert beside.num_workers > 0
    assert beside.multiprocessing_context.get_start_method() in ("forkserver", "spawn")
    assert loader(pictures(paths), 2, 0, shuffled=True).num_workers == 0
    assert loader(Seen(np.zeros((6, 3), np.float16), np.arange(6)), 2, 0, shuffled=True, ahead=True).num_workers == 0
