"""Corrections: they join like any picture, can be taken back, and never test, whatever is done to the splits later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from imgtag.core.errors import BadName, Conflict
from imgtag.data import edits, history
from imgtag.data.corrections import Given, Joined, join_project, take_back
from imgtag.data.dataset import look
from imgtag.data.duplicates import same_shots
from imgtag.data.importing import import_files
from imgtag.data.leaks import close_leaks
from imgtag.data.projects import Project
from imgtag.data.sources import open_sources
from imgtag.data.splits import (
    assign_splits,
    deal_again,
    not_for_test,
    read_splits,
    record_splits,
    use_folders,
    write_rows,
    write_splits,
)
from tests.drawing import encode, scene, sha, write_tree

TESTING = {"train": 0.2, "val": 0.1, "test": 0.7}  # nearly everything tests


def outside(folder: Path, name: str, data: bytes, label: str) -> Given:
    write_tree(folder, {name: data})
    return Given(sha(data), folder / name, name, label)


def several(folder: Path, count: int, label: str) -> list[Given]:
    return [outside(folder, f"new-{n}.png", encode(scene(500 + n)), label) for n in range(count)]


def joined(project: Project, given: list[Given], who: str = "") -> Joined:
    return join_project(project, given, "corrected", who=who)


def splits_now(project: Project) -> dict[str, str]:
    dataset = look(project)
    return assign_splits(project, dataset.labelled, same_shots(project, dataset.pictures))


@pytest.fixture
def scenes(project: Project) -> Project:
    """Two classes of 10 pictures that are nothing like one another, dealt out."""
    for number, name in enumerate(("east", "west")):
        write_tree(project.images / name, {f"{name}-{n}.png": encode(scene(100 * number + n)) for n in range(10)})
    splits_now(project)
    return project


def test_a_picture_joins_the_class_that_was_given_and_trains(scenes: Project, tmp_path: Path) -> None:
    given = several(tmp_path, 3, "east")
    outcome = joined(scenes, given, who="Ann")
    assert (outcome.added, outcome.moved, outcome.refused) == (3, 0, ())
    assert outcome.labels == {g.id: "east" for g in given}
    assert look(scenes).counts == {"east": 13, "west": 10}
    assert {splits_now(scenes)[g.id] for g in given} == {"train"}
    assert history.entries(scenes)[0].who == "Ann"
    assert {look(scenes).by_id[g.id].path.read_bytes() for g in given} == {g.path.read_bytes() for g in given}


def test_what_a_model_says_moves_nothing_that_is_sorted(scenes: Project, tmp_path: Path) -> None:
    one, other = several(tmp_path, 2, "east")
    joined(scenes, [one])
    by_model = [replace(one, label="west"), other]
    outcome = join_project(scenes, by_model, "by the model", relabels=False)
    assert (outcome.added, outcome.moved, list(outcome.labels)) == (1, 0, [other.id])
    assert [s.reason for s in outcome.refused] == ["It is in the project as “east” and stays there."]
    assert look(scenes).by_id[one.id].label == "east"
    edits.move_pictures(scenes, [one.id], "")
    assert join_project(scenes, by_model, "by the model", relabels=False).moved == 1, "what is unsorted is not"


def test_corrections_never_test_whatever_comes_later(scenes: Project, tmp_path: Path) -> None:
    given = several(tmp_path, 8, "east")
    joined(scenes, given)
    ours = {g.id for g in given}

    def testing(dealt: Mapping[str, str] | None = None) -> set[str]:
        on_disk, now = read_splits(scenes), splits_now(scenes)
        assert "test" in now.values(), "the rule must have something to forbid"
        return {id_ for id_ in ours if "test" in ((dealt or now)[id_], on_disk.get(id_), now[id_])}

    dataset = look(scenes)
    dealt = deal_again(scenes, dataset.labelled, same_shots(scenes, dataset.pictures), TESTING)
    assert testing(dealt) == set()

    tree = {f"test/east/{n}.png": g.path.read_bytes() for n, g in enumerate(given)}
    for at, split in enumerate(("train", "test")):
        tree |= {f"{split}/west/{split}{n}.png": encode(scene(700 + 10 * at + n)) for n in (1, 2)}
    with open_sources([write_tree(tmp_path / "tree", tree)]) as groups:
        import_files(scenes, groups, "tree")
    assert testing() == set()

    dataset = look(scenes)
    assert testing(use_folders(scenes, dataset.labelled, same_shots(scenes, dataset.pictures))) == set()

    write_rows(scenes.path / "splits.csv", dict.fromkeys(ours, "test"))  # by hand
    assert "test" not in {splits_now(scenes)[id_] for id_ in ours}
    write_rows(scenes.path / "splits.csv", {})  # as if it were lost
    record_splits(scenes, dict.fromkeys([*ours, look(scenes).by_class["west"][0].id], "test"))
    assert testing() == set()

    others = [p.id for p in dataset.by_class["west"]]
    dealt = deal_again(scenes, dataset.labelled, [[*ours, others[0]]], TESTING)
    assert testing(dealt) == set()
    write_splits(scenes, {**read_splits(scenes), **dict.fromkeys(others, "test")})
    close_leaks(scenes, dataset.labelled, [[*list(ours)[:2], others[0]]])
    assert testing() == set()
    edits.move_pictures(scenes, sorted(ours), "west")
    assert testing() == set()


def test_one_that_is_nearly_a_test_picture_is_not_taken_and_says_why(scenes: Project, tmp_path: Path) -> None:
    known = read_splits(scenes)
    for wanted in ("test", "val", "train"):
        number, label = next(
            (n, label) for at, label in enumerate(("east", "west")) for n in range(100 * at, 100 * at + 10)
            if known[sha(encode(scene(n)))] == wanted
        )  # fmt: skip
        near = outside(tmp_path, f"{wanted}.jpg", encode(scene(number), "JPEG", quality=70), label)
        outcome = joined(scenes, [near])
        if wanted == "test":
            assert outcome.added == 0
            assert near.id not in look(scenes).by_id
            [refused] = outcome.refused
            assert "test picture" in refused.reason
        else:  # beside its like, on the same side
            assert splits_now(scenes)[near.id] == wanted


def test_a_test_picture_itself_stays_as_it_is(scenes: Project) -> None:
    tested = next(p for p in look(scenes).labelled if read_splits(scenes)[p.id] == "test")
    other = "west" if tested.label == "east" else "east"
    outcome = joined(scenes, [Given(tested.id, tested.path, tested.name, other)])
    assert "test pictures" in outcome.refused[0].reason
    assert look(scenes).by_id[tested.id].label == tested.label
    assert tested.id not in not_for_test(scenes)


def test_one_that_is_in_the_project_is_moved_and_not_taken_twice(scenes: Project, tmp_path: Path) -> None:
    there = next(p for p in look(scenes).by_class["east"] if read_splits(scenes)[p.id] == "train")
    again = outside(tmp_path, "again.png", there.path.read_bytes(), "west")
    outcome = joined(scenes, [again])
    assert (outcome.added, outcome.moved) == (0, 1)
    assert look(scenes).counts == {"east": 9, "west": 11}
    assert look(scenes).copies == ()


def test_all_of_it_is_taken_back_at_once_and_can_be_given_again(scenes: Project, tmp_path: Path) -> None:
    there = next(p for p in look(scenes).by_class["east"] if read_splits(scenes)[p.id] == "train")
    given = [*several(tmp_path, 2, "west"), Given(there.id, there.path, there.name, "west")]
    outcome = joined(scenes, given)
    assert look(scenes).counts == {"east": 9, "west": 13}
    assert take_back(scenes, outcome) == 3
    assert look(scenes).counts == {"east": 10, "west": 10}
    again = joined(scenes, [Given(g.id, g.path, g.name, "east") for g in given[:2]])  # from the trash
    assert again.labels == {g.id: "east" for g in given[:2]}
    assert look(scenes).counts == {"east": 12, "west": 10}
    assert "test" not in {splits_now(scenes)[g.id] for g in given[:2]}


def test_an_undo_never_takes_back_what_somebody_else_did(scenes: Project, tmp_path: Path) -> None:
    outcome = joined(scenes, several(tmp_path, 1, "west"))
    edits.move_pictures(scenes, [look(scenes).by_class["east"][0].id], "west")
    with pytest.raises(Conflict):
        take_back(scenes, outcome)
    assert look(scenes).counts == {"east": 9, "west": 12}


def test_a_new_class_is_made_once_whatever_the_spelling_and_one_of_it_validates(
    scenes: Project, tmp_path: Path
) -> None:
    given = several(tmp_path, 6, "North")
    given[0] = Given(given[0].id, given[0].path, given[0].name, "EAST")
    joined(scenes, given)
    assert look(scenes).counts == {"east": 11, "North": 5, "west": 10}
    found = splits_now(scenes)
    assert sorted(found[g.id] for g in given[1:]) == ["train"] * 4 + ["val"]
    with pytest.raises(BadName):
        joined(scenes, [Given(g.id, g.path, g.name, "CON") for g in several(tmp_path, 1, "x")])


def test_names_of_any_kind_come_in(scenes: Project, tmp_path: Path) -> None:
    named = ["test.png", "train", ".hidden.jpg", "scan.tiff", "same.png"]
    given = []
    for n, name in enumerate([*named, "same.png"]):
        one = outside(tmp_path / str(n), name, encode(scene(800 + n)), "west" if n % 2 else "")
        given.append(one)
    outcome = joined(scenes, given)
    assert outcome.refused == ()
    assert outcome.added == 6
    assert len(look(scenes).unsorted) == 3
    assert look(scenes).counts == {"east": 10, "west": 13}
    assert {g.id for g in given if not g.label}.isdisjoint(not_for_test(scenes))
