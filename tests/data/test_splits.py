"""Splits: decided once for each picture, kept when it moves, in the shares that were promised."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtag.data import class_edits, edits
from imgtag.data.dataset import Picture, look
from imgtag.data.projects import Project
from imgtag.data.splits import (
    SHARES,
    SPLITS,
    assign_splits,
    deal_again,
    folder_splits,
    read_splits,
    record_splits,
    shares_of,
    use_folders,
)
from tests.drawing import picture, sha, write_tree


def pretend(count: int, label: str = "a") -> list[Picture]:
    """Pictures that need not exist: only their ids and labels matter here."""
    return [Picture(sha(f"{label}{n}".encode()), Path(f"{n}.jpg"), label, 0) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "train", "val", "test"), [(1, 1, 0, 0), (2, 1, 1, 0), (3, 2, 1, 0), (10, 7, 2, 1), (100, 70, 20, 10)]
)
def test_a_class_is_shared_out_70_20_10(count: int, train: int, val: int, test: int, project: Project) -> None:
    found = Counter(assign_splits(project, pretend(count)).values())
    assert (found["train"], found["val"], found["test"]) == (train, val, test)


def test_every_class_is_shared_out_on_its_own(project: Project) -> None:
    splits = assign_splits(project, [*pretend(10, "a"), *pretend(20, "b")])
    assert Counter(splits[p.id] for p in pretend(20, "b")) == {"train": 14, "val": 4, "test": 2}


def test_a_picture_keeps_its_split_when_the_set_grows_and_when_it_moves(shapes: Project) -> None:
    first = assign_splits(shapes, look(shapes).labelled)
    assert read_splits(shapes) == first
    edits.move_pictures(shapes, list(first)[:6], "square")
    class_edits.rename_class(shapes, "circle", "disc")
    write_tree(shapes.images, {f"square/new-{n}.png": picture("green", n) for n in range(20)})
    second = assign_splits(shapes, look(shapes).labelled)
    assert len(second) == 44
    assert {id_: second[id_] for id_ in first} == first


def test_the_order_in_which_pictures_are_listed_does_not_matter(project: Project) -> None:
    forwards = assign_splits(project, pretend(30))
    (project.path / "splits.csv").unlink()
    assert assign_splits(project, pretend(30)[::-1]) == forwards


def test_imported_splits_are_kept_and_their_shares_are_used_for_what_comes_later(project: Project) -> None:
    old = pretend(40)
    record_splits(project, {p.id: "train" if n < 30 else "val" for n, p in enumerate(old)})
    splits = assign_splits(project, [*old, *pretend(40, "b")])
    assert Counter(splits[p.id] for p in old) == {"train": 30, "val": 10}
    assert Counter(splits[p.id] for p in pretend(40, "b")) == {"train": 30, "val": 10}


def test_the_same_bytes_in_two_splits_stay_in_training(project: Project) -> None:
    record_splits(project, {"a": "val", "b": "train", "c": "test"})
    record_splits(project, {"a": "train", "b": "test", "c": "val"})
    assert read_splits(project) == {"a": "train", "b": "train", "c": "val"}


def test_rows_that_make_no_sense_are_passed_over(project: Project) -> None:
    (project.path / "splits.csv").write_text("sha256,split\na,train\nb,exam\n,val\nc\nd,test,extra\n")
    assert read_splits(project) == {"a": "train", "d": "test"}


def test_a_splits_file_saved_by_a_spreadsheet_is_still_understood(project: Project) -> None:
    (project.path / "splits.csv").write_bytes("sha256,split\r\na,val\r\n".encode("utf-8-sig"))
    assert read_splits(project) == {"a": "val"}


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=4), known=st.integers(0, 40))
def test_every_picture_gets_one_split_and_no_class_is_more_than_one_picture_off(
    sizes: list[int], known: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = Project(tmp_path_factory.mktemp("splits"))
    pictures = [p for n, size in enumerate(sizes) for p in pretend(size, f"class {n}")]
    assign_splits(project, pictures[:known])
    splits = assign_splits(project, pictures)
    assert set(splits) == {p.id for p in pictures}
    assert set(splits.values()) <= set(SPLITS)
    for n, size in enumerate(sizes):
        found = Counter(splits[p.id] for p in pretend(size, f"class {n}"))
        for split, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
            assert abs(found[split] - share * size) <= 1


def test_folders_without_validation_give_some_training_pictures_to_it_once(project: Project) -> None:
    old = [*pretend(18, "a"), *pretend(9, "b"), *pretend(1, "c")]
    tested = pretend(5, "d")
    record_splits(project, {**{p.id: "train" for p in old}, **{p.id: "test" for p in tested}})
    splits = assign_splits(project, [*old, *tested])
    found = {label: Counter(splits[p.id] for p in old if p.label == label) for label in "abc"}
    assert found == {"a": {"train": 14, "val": 4}, "b": {"train": 7, "val": 2}, "c": {"train": 1}}
    assert {splits[p.id] for p in tested} == {"test"}
    assert assign_splits(project, [*old, *tested]) == splits == read_splits(project)


def test_a_class_made_of_checking_pictures_only_is_dealt_out_again(project: Project) -> None:
    """They were sorted out of other classes: nothing would be learnt of the new one."""
    first = assign_splits(project, pretend(30))
    moved = [Picture(p.id, p.path, "b", 0) for p in pretend(30) if first[p.id] != "train"]
    rest = [p for p in pretend(30) if first[p.id] == "train"]
    second = assign_splits(project, [*rest, *moved])
    assert Counter(second[p.id] for p in moved) == {"train": 6, "val": 2, "test": 1}
    assert all(second[p.id] == "train" for p in rest)


def test_imported_classes_without_training_pictures_stay_as_they_came(project: Project) -> None:
    only_tested = pretend(4, "b")
    imported = {p.id: "train" if n else "val" for n, p in enumerate(pretend(9))} | {p.id: "test" for p in only_tested}
    record_splits(project, imported)
    splits = assign_splits(project, [*pretend(9), *only_tested])
    assert {splits[p.id] for p in only_tested} == {"test"}


def test_a_test_folder_alone_does_not_make_everything_test(project: Project) -> None:
    tested = pretend(10, "t")
    record_splits(project, {p.id: "test" for p in tested})
    splits = assign_splits(project, [*tested, *pretend(20, "a"), *pretend(20, "b")])
    assert {splits[p.id] for p in tested} == {"test"}
    assert Counter(splits[p.id] for p in pretend(20, "a")) == {"train": 14, "val": 4, "test": 2}


def test_pictures_of_one_shot_stay_together_and_follow_those_that_have_a_split(project: Project) -> None:
    pictures = pretend(60)
    first = assign_splits(project, pictures[:30])
    shots = [[pictures[n].id for n in range(start, start + 4)] for start in range(28, 60, 4)]
    splits = assign_splits(project, pictures, shots)
    assert {id_: splits[id_] for id_ in first} == first
    for shot in shots[1:]:
        assert len({splits[id_] for id_ in shot}) == 1
    known = {splits[pictures[28].id], splits[pictures[29].id]}
    assert {splits[pictures[30].id], splits[pictures[31].id]} == {"train" if "train" in known else known.pop()}
    found = Counter(splits.values())
    assert abs(found["train"] - 42) <= 4
    assert found["val"] >= 8


def test_held_back_pictures_are_whole_shots(project: Project) -> None:
    pictures = pretend(20)
    record_splits(project, dict.fromkeys((p.id for p in pictures), "train"))
    shots = [[pictures[n].id, pictures[n + 1].id] for n in range(0, 20, 2)]
    splits = assign_splits(project, pictures, shots)
    assert Counter(splits.values()) == {"train": 16, "val": 4}
    assert all(len({splits[id_] for id_ in shot}) == 1 for shot in shots)


def test_a_burst_that_is_a_whole_class_is_dealt_out_in_runs_of_neighbours(project: Project) -> None:
    burst, rest = pretend(50), pretend(50, "b")
    splits = assign_splits(project, [*burst, *rest], [[p.id for p in burst]])
    dealt = [splits[p.id] for p in burst]
    assert set(dealt) >= {"train", "val"}
    assert 30 <= dealt.count("train") <= 40
    assert sum(a != b for a, b in pairwise(dealt)) <= 4  # few neighbours are parted
    assert Counter(splits[p.id] for p in rest) == {"train": 35, "val": 10, "test": 5}


def test_two_alike_pictures_are_all_of_a_class_and_one_of_them_checks_it(project: Project) -> None:
    pair, rest = pretend(2), pretend(20, "b")
    splits = assign_splits(project, [*pair, *rest], [[p.id for p in pair]])
    assert {splits[p.id] for p in pair} == {"train", "val"}


def test_a_twin_in_a_thin_class_does_not_cut_a_shot_of_a_large_one(project: Project) -> None:
    large, thin = pretend(100), pretend(3, "b")
    shot = [*large[:15], thin[0]]
    splits = assign_splits(project, [*large, *thin], [[p.id for p in shot]])
    assert len({splits[p.id] for p in shot}) == 1


def test_a_class_of_large_shots_still_gives_one_to_validation(project: Project) -> None:
    pictures = pretend(12)
    record_splits(project, dict.fromkeys((p.id for p in pictures), "train"))
    splits = assign_splits(project, pictures, [[p.id for p in pictures[n : n + 4]] for n in range(0, 12, 4)])
    assert Counter(splits.values()) == {"train": 8, "val": 4}


def test_other_shares_deal_out_anew_and_hold_for_what_comes_later(project: Project) -> None:
    pictures = pretend(100)
    assign_splits(project, pictures)
    splits = deal_again(project, pictures, [], {"train": 0.5, "val": 0.3, "test": 0.2})
    assert Counter(splits.values()) == {"train": 50, "val": 30, "test": 20}
    later = assign_splits(project, [*pictures, *pretend(10, "b")])
    assert Counter(later[p.id] for p in pretend(10, "b")) == {"train": 5, "val": 3, "test": 2}
    assert {p.id: later[p.id] for p in pictures} == splits


@pytest.mark.parametrize(
    "spoilt", [[0.7, 0.3], {"train": 1}, {"train": 0, "val": 1, "test": 0}, "half", {"train": "x"}]
)
def test_shares_that_make_no_sense_are_the_usual_ones(spoilt: object, project: Project) -> None:
    project.change_settings(shares=spoilt)
    assert shares_of(project) == {"train": 0.7, "val": 0.2, "test": 0.1}


def test_the_folders_splits_come_back(project: Project) -> None:
    old = pretend(40)
    imported = {p.id: "train" if n < 30 else "val" for n, p in enumerate(old)}
    record_splits(project, imported)
    assert Counter(deal_again(project, old, [], SHARES).values()) == {"train": 28, "val": 8, "test": 4}
    assert folder_splits(project) == imported
    assert use_folders(project, [*old, *pretend(4, "b")], []).items() >= imported.items()
    assert shares_of(project) == SHARES
    assert Counter(read_splits(project)[p.id] for p in pretend(4, "b")) == {"train": 3, "val": 1}


def test_splits_imported_by_an_earlier_version_come_back_too(project: Project) -> None:
    old = pretend(40)
    imported = {p.id: "val" if n < 30 else "train" for n, p in enumerate(old)}
    record_splits(project, imported)
    (project.path / "splits-folders.csv").unlink()
    deal_again(project, old, [], SHARES)
    assert use_folders(project, old, []) == imported


def test_the_same_folders_again_do_not_mix_with_what_was_dealt_anew(project: Project) -> None:
    old = pretend(40)
    imported = {p.id: "train" if n < 30 else "val" for n, p in enumerate(old)}
    record_splits(project, imported)
    dealt = deal_again(project, old, [], SHARES)
    record_splits(project, imported)
    assert read_splits(project) == dealt
    assert use_folders(project, old, []) == imported


def test_the_same_folders_again_leave_held_back_pictures_and_a_clean_split_alone(project: Project) -> None:
    old = pretend(20)
    imported = dict.fromkeys((p.id for p in old), "train")
    record_splits(project, imported)
    held_back = assign_splits(project, old)
    assert Counter(held_back.values()) == {"train": 16, "val": 4}
    record_splits(project, imported)
    assert assign_splits(project, old) == held_back


def test_pictures_added_later_do_not_keep_the_folders_from_giving_validation(project: Project) -> None:
    old = [*pretend(20), *pretend(20, "b")]
    record_splits(project, dict.fromkeys((p.id for p in old), "train"))
    deal_again(project, old, [], SHARES)
    later = [*old, *pretend(30)[20:]]
    assign_splits(project, later)
    splits = use_folders(project, later, [])
    for label in "ab":
        assert Counter(splits[p.id] for p in later if p.label == label)["val"] >= 4


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.95, 0.05, 0.0), (0.05, 0.05, 0.9)])
def test_small_classes_have_something_to_learn_from_and_to_be_checked_with_whatever_the_shares(
    shares: tuple[float, float, float], project: Project
) -> None:
    pictures = [*pretend(2), *pretend(5, "b")]
    splits = deal_again(project, pictures, [], dict(zip(SPLITS, shares, strict=True)))
    for label in "ab":
        assert {"train", "val"} <= {splits[p.id] for p in pictures if p.label == label}
