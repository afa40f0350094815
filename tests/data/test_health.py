"""The health of the data: what is wrong is named once, with the right reason, and what is well is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image, ImageFilter

from imgtag.data import edits
from imgtag.data.dataset import look
from imgtag.data.fingerprints import Measures
from imgtag.data.health import check, problems_of
from imgtag.data.importing import import_files
from imgtag.data.projects import Project
from imgtag.data.samples import digits_sample
from imgtag.data.sources import open_sources
from imgtag.data.splits import record_splits
from tests.drawing import encode, picture, scene, sha, write_tree

GOOD = Measures(width=640, height=480, sharpness=1.0, dark=0.9, light=0.2, contrast=0.2)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"sharpness": 0.2}, ["blurry"]),
        ({"dark": 0.1}, ["dark"]),
        ({"light": 0.96}, ["bright"]),
        ({"contrast": 0.001, "dark": 0.0}, ["blank"]),
        ({"width": 40}, ["tiny", "odd shape"]),
        ({"height": 150}, ["odd shape"]),
    ],
)
def test_what_makes_a_picture_hard_to_learn_from(change: dict[str, float], expected: list[str]) -> None:
    assert problems_of(replace(GOOD, **change)) == expected


def test_everything_that_is_wrong_is_named(project: Project) -> None:
    twin, leak = encode(scene(1)), encode(scene(2))
    files = {
        "images/a/one.png": twin,
        "images/a/one-copy.png": twin,
        "images/b/one-saved-again.jpg": encode(scene(1), "JPEG", quality=70),
        "images/a/two.png": leak,
        "images/a/two-smaller.png": encode(scene(2).resize((200, 150))),
        "images/b/fine.png": encode(scene(3)),
        "images/b/black.png": encode(Image.new("RGB", (200, 200))),
        "unsorted/broken.jpg": encode(scene(4), "JPEG")[:900],
    }
    write_tree(project.path, files)
    record_splits(project, {sha(leak): "train", sha(files["images/a/two-smaller.png"]): "val"})
    dataset = look(project)
    found = check(dataset).as_dict(dataset)
    assert found["checked"] == 7
    assert found["unreadable"] == ["unsorted/broken.jpg"]
    assert [sorted(g) for g in found["exact_duplicates"]] == [["images/a/one-copy.png", "images/a/one.png"]]
    first = min("images/a/one.png", "images/a/one-copy.png")  # the one that is listed
    assert sorted(sorted(g) for g in found["near_duplicates"]) == [
        [first, "images/b/one-saved-again.jpg"],
        ["images/a/two-smaller.png", "images/a/two.png"],
    ]
    assert found["split_leaks"] == [["images/a/two.png", "images/a/two-smaller.png"]]
    assert [sorted(g) for g in found["label_conflicts"]] == [[first, "images/b/one-saved-again.jpg"]]
    assert found["quality"] == [{"file": "images/b/black.png", "problem": "blank"}]
    assert found["in_doubt"] == []
    words = check(dataset).in_words()
    assert words[0] == "broken.jpg: cannot be read."
    assert words[-1] == "7 pictures were looked at, 7 remarks."


def test_nothing_is_wrong_with_good_pictures(project: Project) -> None:
    write_tree(project.images, {f"{'ab'[n % 2]}/{n}.png": encode(scene(n)) for n in range(12)})
    dataset = look(project)
    found = check(dataset)
    assert found.in_words() == ["12 pictures were looked at, 0 remarks."]
    assert {k: v for k, v in found.as_dict(dataset).items() if v} == {"checked": 12}


def test_what_most_pictures_have_is_their_kind_and_not_a_problem(project: Project) -> None:
    soft = {f"a/soft-{n}.png": encode(scene(n).filter(ImageFilter.GaussianBlur(6))) for n in range(14)}
    sharp = {f"b/sharp-{n}.png": encode(scene(50 + n)) for n in range(14)}
    write_tree(project.images, {**soft, **sharp, "b/black.png": encode(Image.new("RGB", (200, 200)))})
    found = check(look(project))
    assert found.usual == ("blurry",)
    assert [p.kind for p in found.problems] == ["blank"]


def test_handwritten_digits_are_no_duplicates_of_each_other() -> None:
    """All are rather alike, also across classes, and all are soft: no reason to alarm who tries the sample."""
    dataset = look(digits_sample())
    found = check(dataset)
    assert found.checked == 600
    assert len(found.near) <= 3
    assert not found.conflicts
    assert not found.problems


def test_progress_is_told_once_for_every_picture_and_every_window(project: Project) -> None:
    write_tree(project.images, {f"a/{n}.png": encode(scene(n)) for n in range(5)})
    said: list[tuple[int, int]] = []
    check(look(project), lambda done, total: said.append((done, total)))
    assert said[:5] == [(n, 5) for n in range(1, 6)]
    windows = said[5][1]
    assert said[5:] == [(n, windows) for n in range(windows)], "then the search for cut-outs"


def test_copies_in_the_same_class_go_to_the_trash_and_those_of_two_classes_stay(project: Project) -> None:
    write_tree(
        project.images, {"a/1.png": picture("red", 1), "a/2.png": picture("red", 1), "b/3.png": picture("red", 1)}
    )
    assert edits.trash_copies(project).moved == 1
    left = look(project)
    assert len(left.pictures) == 1
    assert [c.label for c in left.copies] == ["b"]
    assert edits.undo(project).moved == 1


def test_an_import_leaves_nothing_to_be_looked_at_again(project: Project, tmp_path: object) -> None:
    source = write_tree(project.path.parent / "source", {f"a/{n}.png": encode(scene(n)) for n in range(3)})
    with open_sources([source]) as groups:
        import_files(project, groups, "source")
    said: list[tuple[int, int]] = []
    check(look(project), lambda done, total: said.append((done, total)))
    assert said == []
