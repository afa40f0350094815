"""Reading a folder tree: which folder is a class, which a split, which only a wrapper; nothing goes unmentioned."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtag.core.names import check_name
from imgtag.data.layout import Placement, guess_by_name, understand


def plan(*paths: str) -> dict[str, tuple[str, str]]:
    """Class and split of every picture, by path."""
    found = understand(PurePosixPath(p) for p in paths)
    return {str(path): (placed.label, placed.split) for path, placed in found.pictures.items()}


def test_class_folders_are_classes_and_loose_pictures_are_unsorted() -> None:
    assert plan("cat/1.jpg", "dog/1.jpg", "loose.jpg") == {
        "cat/1.jpg": ("cat", ""),
        "dog/1.jpg": ("dog", ""),
        "loose.jpg": ("", ""),
    }


def test_a_wrapper_around_everything_is_taken_away() -> None:
    assert plan("my set/data/cat/1.jpg", "my set/data/dog/1.jpg") == {
        "my set/data/cat/1.jpg": ("cat", ""),
        "my set/data/dog/1.jpg": ("dog", ""),
    }


def test_a_single_folder_of_pictures_is_a_class() -> None:
    assert plan("cat/1.jpg", "cat/2.jpg") == {"cat/1.jpg": ("cat", ""), "cat/2.jpg": ("cat", "")}


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "valid", "test"), ("Training", "Validation", "Testing"), ("TRAIN", "val", "TEST")],
)
def test_folders_for_splits_are_recognised_by_their_usual_names(train: str, val: str, test: str) -> None:
    assert plan(
        f"set/{train}/cat/1.jpg", f"set/{val}/cat/2.jpg", f"set/{test}/cat/3.jpg", f"set/{train}/dog/4.jpg"
    ) == {
        f"set/{train}/cat/1.jpg": ("cat", "train"),
        f"set/{val}/cat/2.jpg": ("cat", "val"),
        f"set/{test}/cat/3.jpg": ("cat", "test"),
        f"set/{train}/dog/4.jpg": ("dog", "train"),
    }


def test_a_flat_test_folder_beside_splits_has_no_classes() -> None:
    assert plan("s/train/cat/1.jpg", "s/train/dog/2.jpg", "s/valid/dog/3.jpg", "s/test/cat.9.jpg") == {
        "s/train/cat/1.jpg": ("cat", "train"),
        "s/train/dog/2.jpg": ("dog", "train"),
        "s/valid/dog/3.jpg": ("dog", "val"),
        "s/test/cat.9.jpg": ("", "test"),
    }


def test_a_flat_test_folder_beside_class_folders_is_no_class() -> None:
    found = plan("cat/1.jpg", "dog/1.jpg", "test/9.jpg")
    assert found["test/9.jpg"] == ("", "test")
    assert found["cat/1.jpg"] == ("cat", "")


def test_splits_below_the_classes_and_doubled_as_kaggle_packs_them() -> None:
    assert plan("cats/train/1.jpg", "cats/test/2.jpg", "dogs/train/3.jpg", "dogs/test/4.jpg") == {
        "cats/train/1.jpg": ("cats", "train"),
        "cats/test/2.jpg": ("cats", "test"),
        "dogs/train/3.jpg": ("dogs", "train"),
        "dogs/test/4.jpg": ("dogs", "test"),
    }
    assert plan("training/training/n0/1.jpg", "validation/validation/n0/2.jpg", "training/training/n1/3.jpg") == {
        "training/training/n0/1.jpg": ("n0", "train"),
        "validation/validation/n0/2.jpg": ("n0", "val"),
        "training/training/n1/3.jpg": ("n1", "train"),
    }


def test_classes_that_stand_a_second_time_below_an_extra_folder_are_read_once_and_that_is_said() -> None:
    paths = [f"{wrapper}{name}/{n}.jpg" for wrapper in ("", "boats/") for name in ("kayak", "buoy") for n in (1, 2)]
    found = understand(PurePosixPath("up", p) for p in paths)
    assert {p.label for p in found.pictures.values()} == {"kayak", "buoy"}
    assert any("boats" in note and "read as one tree" in note for note in found.notes)


def test_pictures_below_a_class_belong_to_it() -> None:
    assert plan("cat/1.jpg", "cat/kittens/2.jpg", "dog/3.jpg")["cat/kittens/2.jpg"] == ("cat", "")


def test_folders_that_are_all_called_images_are_not_the_class() -> None:
    found = plan("cat/images/1.jpg", "dog/images/2.jpg")
    assert {label for label, _ in found.values()} == {"cat", "dog"}


def test_a_folder_that_no_system_could_name_gets_a_tidy_class_and_a_note() -> None:
    found = understand([PurePosixPath("a:b/1.jpg"), PurePosixPath("CON/2.jpg"), PurePosixPath("ok/3.jpg")])
    assert [p.label for p in found.pictures.values()] == ["a b", "class CON", "ok"]
    assert len(found.notes) == 2
    assert "“a:b” becomes the class “a b”" in found.notes[0]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("__MACOSX/cat/._1.jpg", "helper file"),
        ("cat/._1.jpg", "helper file"),
        ("cat/Thumbs.db", "helper file"),
        ("cat/.DS_Store", "hidden"),
        (".git/a.jpg", "hidden"),
        ("more.ZIP", "A zip inside the upload"),
        ("cat/a.tif", "ending in “.tif”"),
        ("cat/a.exe", "ending in “.exe”"),
    ],
)
def test_what_is_left_out_has_its_reason(path: str, reason: str) -> None:
    found = understand([PurePosixPath(path), PurePosixPath("cat/1.jpg")])
    assert reason in found.left_out[PurePosixPath(path)]
    assert found.pictures == {PurePosixPath("cat/1.jpg"): Placement("cat", "")}


def test_nothing_in_gives_nothing_out() -> None:
    found = understand([])
    assert (found.pictures, found.label_files, found.left_out, found.notes) == ({}, [], {}, [])


PARTS = st.one_of(
    st.sampled_from(["train", "Test", "valid", "cat", "dog", "boats", "images", ".x", "__MACOSX", "a:b", "10", "2"]),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6),
)
FILES = st.sampled_from(["1.jpg", "2.png", "names.csv", "x.exe", "inner.zip", "noextension", ".DS_Store"])


@settings(max_examples=120, deadline=None)
@given(trees=st.lists(st.tuples(st.lists(PARTS, max_size=4), FILES), max_size=12))
def test_of_any_tree_every_path_is_a_picture_a_label_file_or_left_out_with_a_reason(
    trees: list[tuple[list[str], str]],
) -> None:
    paths = {PurePosixPath(*parts, name) for parts, name in trees}
    found = understand(paths)
    sorts = [set(found.pictures), set(found.label_files), set(found.left_out)]
    assert set().union(*sorts) == paths
    assert sum(map(len, sorts)) == len(paths)
    assert all(found.left_out.values())
    for placed in found.pictures.values():
        assert placed.split in ("", "train", "val", "test")
        assert placed.label == "" or check_name(placed.label) == placed.label


def test_a_name_with_exactly_one_class_in_it_tells_the_class() -> None:
    names = ["walle.113.jpg", "My_Doraemon(2).png", "walle and doraemon.jpg", "img_7.jpg", "wallee.jpg"]
    assert guess_by_name(names, ["doraemon", "walle"]) == {"walle.113.jpg": "walle", "My_Doraemon(2).png": "doraemon"}


def test_the_longer_class_name_wins_where_it_contains_the_other() -> None:
    assert guess_by_name(["black cat 1.jpg"], ["cat", "black cat"]) == {"black cat 1.jpg": "black cat"}
