"""Leaks are closed on the side of training where that leaves every class checked, and opened again."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

from imgtag.data.dataset import Picture
from imgtag.data.leaks import close_leaks, leaks, leaks_closed, reopen_leaks
from imgtag.data.projects import Project
from imgtag.data.splits import assign_splits, read_splits, record_splits


def named(ids: str, label: str = "one") -> list[Picture]:
    """Pictures of one class that need not exist, with a letter each as id and name."""
    return [Picture(letter, Path(f"{letter}.jpg"), label, 0) for letter in ids]


def test_a_leak_is_closed_on_the_side_of_training_and_opened_again(project: Project) -> None:
    pictures = named("abcdexyz")
    imported = {"a": "val", "b": "train", "c": "test", "d": "val", "e": "test", "x": "train", "y": "train", "z": "val"}
    record_splits(project, imported)
    shots = [["a", "b", "c", "unknown"], ["d", "e"]]
    assert leaks(project, pictures, [("a", "b"), ("e", "d"), ("a", "z")], shots) == [("b", "a"), ("d", "e")]
    assert close_leaks(project, pictures, shots) == 3
    clean = {**imported, "a": "train", "c": "train", "e": "val"}
    assert read_splits(project) == clean
    assert leaks_closed(project)
    assert leaks(project, pictures, [("a", "b"), ("e", "d")], shots) == []
    assert close_leaks(project, pictures, [["a", "b", "c"]]) == 0
    assert close_leaks(project, pictures, [["d", "x"]]) == 1, "a second time"
    assert reopen_leaks(project) == 4
    assert read_splits(project) == imported
    assert not leaks_closed(project)


def test_no_class_loses_its_last_picture_to_be_checked_with(project: Project) -> None:
    """The only validation picture has a twin in training: the twin comes over, unless nothing would be learnt then."""
    two, three = named("ab", "two"), named("cde", "three")
    record_splits(project, {"a": "train", "b": "val", "c": "train", "d": "val", "e": "train"})
    close_leaks(project, [*two, *three], [["c", "d"]])
    assert read_splits(project) == {"a": "train", "b": "val", "c": "val", "d": "val", "e": "train"}
    assert close_leaks(project, [*two, *three], [["a", "b"]]) == 0


def test_a_burst_that_had_to_be_cut_is_no_leak_and_is_not_put_into_training_as_a_whole(project: Project) -> None:
    burst = [Picture(f"{n:03}", Path(f"{n}.jpg"), "burst", 0) for n in range(50)]
    other = [Picture(f"x{n}", Path(f"x{n}.jpg"), "other", 0) for n in range(20)]
    shots = [[p.id for p in burst]]
    splits = assign_splits(project, [*burst, *other], shots)
    pairs = [(a.id, b.id) for a, b in pairwise(burst)]
    assert leaks(project, [*burst, *other], pairs, shots) == []
    assert close_leaks(project, [*burst, *other], shots) == 0
    assert Counter(splits[p.id] for p in burst)["val"] > 0
