"""Changes to pictures: nothing is ever lost, everything can be taken back, two windows do not collide."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from imgtag.core import storage
from imgtag.core.errors import Conflict, NotFound
from imgtag.data import edits, history
from imgtag.data.dataset import look
from imgtag.data.moves import Change, carry_out
from imgtag.data.projects import Project
from tests.data.holdings import all_bytes, ids, labels
from tests.drawing import hashes, picture, sha, write_tree


def test_pictures_move_between_classes_and_unsorted_and_back_by_undo(shapes: Project) -> None:
    before, bytes_ = labels(shapes), all_bytes(shapes)
    some = ids(shapes, "circle")[:5]
    assert edits.move_pictures(shapes, some, "square") == Change(5)
    assert edits.move_pictures(shapes, some[:2], "") == Change(2)
    assert look(shapes).counts == {"circle": 7, "square": 15}
    assert history.last_change(shapes) == "moving 2 pictures"
    assert edits.undo(shapes) == Change(2)
    assert edits.undo(shapes) == Change(5)
    assert labels(shapes) == before
    assert all_bytes(shapes) == bytes_
    assert history.last_change(shapes) == ""
    with pytest.raises(NotFound, match="nothing to undo"):
        edits.undo(shapes)


def test_steps_that_follow_each_other_fast_see_what_happened_in_between(
    shapes: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    monkeypatch.setattr(edits, "look", lambda project: looked.append(0) or look(project))
    monkeypatch.setattr(edits, "_FRESH_S", 60.0)
    first, second, third, fourth, *_ = ids(shapes, "circle")
    edits.move_pictures(shapes, [first], "square", seen="circle")
    edits.move_pictures(shapes, [first], "", seen="square")
    edits.move_pictures(shapes, [second], "square", seen="circle")
    assert len(looked) == 1, "one look is enough for three steps"
    assert labels(shapes)[first] == "" and labels(shapes)[second] == "square"
    edits.trash_pictures(shapes, [third])
    assert edits.move_pictures(shapes, [third], "square", seen="circle").missing == (third,)
    look(shapes).by_id[fourth].path.rename(shapes.images / "square" / "by-hand.png")
    assert edits.move_pictures(shapes, [fourth], "", seen="circle").elsewhere == {fourth: "square"}
    pasted = write_tree(shapes.unsorted, {"pasted.png": picture("green", 9)}) / "pasted.png"
    assert edits.move_pictures(shapes, [sha(pasted.read_bytes())], "circle") == Change(1)


def test_a_picture_that_is_where_it_should_be_stays_and_is_no_change(shapes: Project) -> None:
    assert edits.move_pictures(shapes, ids(shapes, "circle"), "circle") == Change(0)
    assert history.last_change(shapes) == ""


def test_what_another_window_removed_is_named_and_the_others_move(shapes: Project) -> None:
    gone, there = ids(shapes, "circle")[:2]
    look(shapes).picture(gone).path.unlink()
    assert edits.move_pictures(shapes, [gone, there], "square") == Change(1, (gone,))
    assert edits.trash_pictures(shapes, [gone, there]) == Change(1, (gone,))


def test_an_id_that_comes_twice_moves_once_and_can_be_undone(shapes: Project) -> None:
    before = labels(shapes)
    one, two = ids(shapes, "circle")[:2]
    assert edits.move_pictures(shapes, [one, one, two], "square") == Change(2)
    assert edits.trash_pictures(shapes, [one, one]) == Change(1)
    edits.undo(shapes)
    edits.undo(shapes)
    assert labels(shapes) == before


@pytest.mark.parametrize("label", ["triangle", "../circle", "..", "circle/", "/etc"])
def test_a_class_that_does_not_exist_takes_nothing(label: str, shapes: Project) -> None:
    before = all_bytes(shapes)
    with pytest.raises(NotFound, match="There is no class"):
        edits.move_pictures(shapes, ids(shapes, "circle"), label)
    assert look(shapes).counts == {"circle": 12, "square": 12}
    assert all_bytes(shapes) == before


@pytest.mark.parametrize("id_", ["../../etc/passwd", "", "images/circle/circle-0.png", "f" * 64])
def test_an_id_that_is_no_picture_of_the_project_does_nothing(id_: str, shapes: Project) -> None:
    before = hashes(shapes.path.parent)
    assert edits.move_pictures(shapes, [id_], "square") == Change(0, (id_,))
    assert edits.trash_pictures(shapes, [id_]) == Change(0, (id_,))
    assert hashes(shapes.images) <= before


def test_two_different_pictures_of_one_name_both_survive_a_move(project: Project) -> None:
    write_tree(project.images, {"a/1.png": picture("red"), "b/1.png": picture("blue")})
    edits.move_pictures(project, [sha(picture("blue"))], "a")
    assert sorted(p.name for p in (project.images / "a").iterdir()) == ["1 (2).png", "1.png"]
    edits.undo(project)
    assert (project.images / "b" / "1.png").read_bytes() == picture("blue")


def test_the_trash_shows_where_things_came_from_and_gives_them_back(shapes: Project) -> None:
    before, bytes_ = labels(shapes), all_bytes(shapes)
    some = ids(shapes, "circle")[:3]
    assert edits.trash_pictures(shapes, some) == Change(3)
    trashed = edits.trashed_pictures(shapes)
    assert {p.relative_to(shapes.trash).parts[:2] for p in trashed} == {("images", "circle")}
    assert history.trashed(shapes).keys() == set(some)
    assert all_bytes(shapes) == bytes_
    assert edits.restore_pictures(shapes, trashed) == Change(3)
    assert labels(shapes) == before
    assert history.trashed(shapes) == {}


def test_two_pictures_of_one_name_lie_in_the_trash_side_by_side(project: Project) -> None:
    for colour in ("red", "blue"):
        write_tree(project.images, {"a/1.png": picture(colour)})
        edits.trash_pictures(project, [sha(picture(colour))])
    assert len(edits.trashed_pictures(project)) == 2
    edits.restore_pictures(project, edits.trashed_pictures(project))
    assert labels(project) == {sha(picture("red")): "a", sha(picture("blue")): "a"}


def test_emptying_the_trash_deletes_only_the_trash(shapes: Project) -> None:
    some = ids(shapes, "circle")[:3]
    edits.trash_pictures(shapes, some)
    assert edits.empty_trash(shapes) == 3
    assert edits.trashed_pictures(shapes) == []
    assert edits.empty_trash(shapes) == 0
    assert len(all_bytes(shapes)) == 21


def test_an_undo_of_what_is_gone_for_good_says_so_and_bars_no_earlier_undo(shapes: Project) -> None:
    before = labels(shapes)
    one, two = ids(shapes, "circle")[:2]
    edits.move_pictures(shapes, [one], "square")
    edits.trash_pictures(shapes, [two])
    edits.empty_trash(shapes)
    assert edits.undo(shapes) == Change(0, ("circle-1.png",))
    assert history.last_change(shapes) == "moving 1 picture"
    assert edits.undo(shapes) == Change(1)
    assert labels(shapes) == {id_: label for id_, label in before.items() if id_ != two}


def test_a_move_that_fails_half_way_remembers_what_it_did(shapes: Project) -> None:
    before = labels(shapes)
    some = ids(shapes, "circle")[:2]
    first, second = (look(shapes).picture(id_).path for id_ in some)
    wanted = [(some[0], first, shapes.images / "square" / first.name), (some[1], shapes.path / "gone", second)]
    with pytest.raises(Conflict):
        carry_out(shapes, "move", wanted)
    assert labels(shapes)[some[0]] == "square"
    edits.undo(shapes)
    assert labels(shapes) == before


def test_a_trashed_picture_takes_its_copies_along(shapes: Project) -> None:
    """Or the copy would be taken for the picture at the next look, under the label that was wrong."""
    before = labels(shapes)
    (one,) = ids(shapes, "circle")[:1]
    (shapes.images / "square" / "copy.png").write_bytes(look(shapes).by_id[one].path.read_bytes())
    edits.trash_pictures(shapes, [one])
    assert one not in {p.id for p in look(shapes).pictures}
    edits.undo(shapes)
    (shapes.images / "square" / "copy.png").unlink()
    assert labels(shapes) == before


def test_an_undo_that_fails_half_way_can_be_finished(shapes: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = labels(shapes)
    edits.move_pictures(shapes, ids(shapes, "circle")[:4], "square")
    moved, move = 0, storage.move

    def refuse_the_third(source: Path, target: Path) -> Path:
        nonlocal moved
        moved += 1
        if moved == 3:
            raise Conflict("", "", "")
        return move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "move", refuse_the_third)
        with pytest.raises(Conflict):
            edits.undo(shapes)
    assert history.last_change(shapes) == "moving 4 pictures"
    assert edits.undo(shapes).moved == 2
    assert labels(shapes) == before
    assert history.last_change(shapes) == ""


def test_what_an_import_adds_after_it_was_undone_can_be_undone_too(shapes: Project) -> None:
    for name in ("first", "second"):
        path = shapes.images / "circle" / f"{name}.png"
        path.write_bytes(picture("green", len(name)))
        added = history.Move(sha(path.read_bytes()), "", f"images/circle/{name}.png")
        history.remember_added(shapes, [added], "one batch", "a zip")
        assert edits.undo(shapes) == Change(1), name
    assert len(edits.trashed_pictures(shapes)) == 2


def test_a_doubt_about_a_picture_that_is_gone_is_no_doubt(shapes: Project) -> None:
    edits.put_in_doubt(shapes, sha(b"gone"), ["circle", "square"], "a batch")
    assert history.doubts(shapes) == {}


def test_a_kept_label_is_remembered_and_can_be_asked_about_again_after_undo(shapes: Project) -> None:
    write_tree(shapes.unsorted, {"new.png": picture("green", 1)})
    first, second = (p.id for p in look(shapes).by_class["circle"][:2])
    [new] = look(shapes).unsorted
    assert edits.keep_labels(shapes, [first, new.id, "nobody"]) == Change(1, ("nobody",))
    time.sleep(0.01)
    training = time.time()
    edits.sort_pictures(shapes, {second: "square"}, decided="yes")
    assert history.decided(shapes) == {first: "circle", second: "square"}
    assert history.decided(shapes, since=training) == {second: "square"}, "what was decided before it is shown again"
    assert history.entries(shapes)[1].what == "keeping the label of 1 picture"
    edits.move_pictures(shapes, [first], "square")
    assert history.decided(shapes)[first] == "circle", "whoever moves it later does not answer the same question"
    for _ in range(3):
        edits.undo(shapes)
    assert history.decided(shapes) == {}
    assert labels(shapes)[second] == "circle"


def test_pictures_that_somebody_moved_before_stay_where_that_one_put_them(shapes: Project) -> None:
    first, second, third = [p.id for p in look(shapes).by_class["circle"]][:3]
    edits.move_pictures(shapes, [first], "square")
    done = edits.move_pictures(shapes, [first, second, "0" * 64], "square", seen="circle", who="Ann")
    assert (done.moved, done.missing, done.elsewhere) == (1, ("0" * 64,), {first: "square"})
    assert edits.trash_pictures(shapes, [first, third], seen="circle").elsewhere == {first: "square"}
    assert look(shapes).counts == {"circle": 9, "square": 14}
    assert [row.get("who") for row in storage.read_json_lines(shapes.history)] == [None, "Ann", None]


def test_a_picture_in_two_classes_may_be_decided_from_either(project: Project) -> None:
    twice = picture("red", 1)
    write_tree(project.images, {"a/1.png": twice, "b/2.png": twice})
    assert edits.move_pictures(project, [sha(twice)], "b", seen="b").elsewhere == {}
    assert look(project).counts == {"a": 0, "b": 1}
