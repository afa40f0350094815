"""Changes to pictures and classes: nothing is ever lost, everything can be taken back, two windows do not collide."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtag.core import locks, storage
from imgtag.core.errors import BadName, Conflict, ImgtagError, NotFound
from imgtag.data import edits, history
from imgtag.data.dataset import look
from imgtag.data.importing import import_files
from imgtag.data.projects import Project, create_at
from imgtag.data.sources import open_sources
from tests.drawing import hashes, picture, sha, write_tree

ROOT = Path(__file__).resolve().parents[2]


def labels(project: Project) -> dict[str, str]:
    """The label of every picture, by id."""
    return {p.id: p.label for p in look(project).pictures}


def all_bytes(project: Project) -> set[str]:
    """The sha256 of every picture, wherever it lies: the invariant behind everything here."""
    return hashes(project.images) | hashes(project.unsorted) | hashes(project.trash)


def ids(project: Project, label: str) -> list[str]:
    """Ids of a class's pictures."""
    return [p.id for p in look(project).pictures if p.label == label]


# ----------------------------------------------------------------------------- pictures


def test_pictures_move_between_classes_and_unsorted_and_back_by_undo(shapes: Project) -> None:
    before, bytes_ = labels(shapes), all_bytes(shapes)
    some = ids(shapes, "circle")[:5]
    assert edits.move_pictures(shapes, some, "square") == edits.Change(5)
    assert edits.move_pictures(shapes, some[:2], "") == edits.Change(2)
    assert look(shapes).counts == {"circle": 7, "square": 15}
    assert history.last_change(shapes) == "moving 2 pictures"
    assert edits.undo(shapes) == edits.Change(2)
    assert edits.undo(shapes) == edits.Change(5)
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
    assert edits.move_pictures(shapes, [sha(pasted.read_bytes())], "circle") == edits.Change(1)


def test_a_picture_that_is_where_it_should_be_stays_and_is_no_change(shapes: Project) -> None:
    assert edits.move_pictures(shapes, ids(shapes, "circle"), "circle") == edits.Change(0)
    assert history.last_change(shapes) == ""


def test_what_another_window_removed_is_named_and_the_others_move(shapes: Project) -> None:
    gone, there = ids(shapes, "circle")[:2]
    look(shapes).picture(gone).path.unlink()
    assert edits.move_pictures(shapes, [gone, there], "square") == edits.Change(1, (gone,))
    assert edits.trash_pictures(shapes, [gone, there]) == edits.Change(1, (gone,))


def test_an_id_that_comes_twice_moves_once_and_can_be_undone(shapes: Project) -> None:
    before = labels(shapes)
    one, two = ids(shapes, "circle")[:2]
    assert edits.move_pictures(shapes, [one, one, two], "square") == edits.Change(2)
    assert edits.trash_pictures(shapes, [one, one]) == edits.Change(1)
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
    assert edits.move_pictures(shapes, [id_], "square") == edits.Change(0, (id_,))
    assert edits.trash_pictures(shapes, [id_]) == edits.Change(0, (id_,))
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
    assert edits.trash_pictures(shapes, some) == edits.Change(3)
    trashed = edits.trashed_pictures(shapes)
    assert {p.relative_to(shapes.trash).parts[:2] for p in trashed} == {("images", "circle")}
    assert history.trashed(shapes).keys() == set(some)
    assert all_bytes(shapes) == bytes_
    assert edits.restore_pictures(shapes, trashed) == edits.Change(3)
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
    assert edits.undo(shapes) == edits.Change(0, ("circle-1.png",))
    assert history.last_change(shapes) == "moving 1 picture"
    assert edits.undo(shapes) == edits.Change(1)
    assert labels(shapes) == {id_: label for id_, label in before.items() if id_ != two}


def test_a_move_that_fails_half_way_remembers_what_it_did(shapes: Project) -> None:
    before = labels(shapes)
    some = ids(shapes, "circle")[:2]
    first, second = (look(shapes).picture(id_).path for id_ in some)
    wanted = [(some[0], first, shapes.images / "square" / first.name), (some[1], shapes.path / "gone", second)]
    with pytest.raises(Conflict):
        edits._carry_out(shapes, "move", wanted)
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
        assert edits.undo(shapes) == edits.Change(1), name
    assert len(edits.trashed_pictures(shapes)) == 2


def test_a_doubt_about_a_picture_that_is_gone_is_no_doubt(shapes: Project) -> None:
    edits.put_in_doubt(shapes, sha(b"gone"), ["circle", "square"], "a batch")
    assert history.doubts(shapes) == {}


# ----------------------------------------------------------------------------- classes


def test_a_new_class_is_an_empty_folder(project: Project) -> None:
    assert edits.add_class(project, " cafe\u0301 ") == "café"
    assert look(project).counts == {"café": 0}
    for taken in ("café", "CAFÉ", "cafe\u0301"):
        with pytest.raises(BadName, match="already"):
            edits.add_class(project, taken)


@pytest.mark.parametrize("name", ["../x", "CON", "a/b", "", ".hidden", "-rf", "x" * 300])
def test_a_name_that_is_no_folder_everywhere_makes_no_class(name: str, shapes: Project) -> None:
    before = sorted(os.listdir(shapes.images))
    for step in (edits.add_class, lambda p, n: edits.rename_class(p, "circle", n)):
        with pytest.raises(BadName):
            step(shapes, name)
    assert sorted(os.listdir(shapes.images)) == before


def test_a_renamed_class_takes_its_pictures_other_files_and_display_name_along(shapes: Project) -> None:
    write_tree(shapes.images, {"circle/notes.txt": b"mine"})
    shapes.set_display_names({"circle": "Ball"})
    before = labels(shapes)
    assert edits.rename_class(shapes, "circle", "disc") == "disc"
    assert look(shapes).counts == {"disc": 12, "square": 12}
    assert (shapes.images / "disc" / "notes.txt").read_bytes() == b"mine"
    assert shapes.display_names() == {"disc": "Ball"}
    edits.undo(shapes)
    assert labels(shapes) == before
    assert list(look(shapes).counts) == ["circle", "square"]
    assert shapes.display_names() == {"circle": "Ball"}


def test_a_class_can_change_only_its_case(shapes: Project) -> None:
    before = labels(shapes)
    write_tree(shapes.images, {"circle/copy.png": (shapes.images / "square/square-0.png").read_bytes()})
    assert edits.rename_class(shapes, "circle", "Circle") == "Circle"
    assert sorted(os.listdir(shapes.images)) == ["Circle", "square"]
    assert len(os.listdir(shapes.images / "Circle")) == 13
    edits.undo(shapes)
    assert sorted(os.listdir(shapes.images)) == ["circle", "square"]
    (shapes.images / "circle/copy.png").unlink()
    assert labels(shapes) == before


def test_a_class_cannot_take_the_name_of_another(shapes: Project) -> None:
    with pytest.raises(BadName, match="merge"):
        edits.rename_class(shapes, "circle", "Square")
    with pytest.raises(NotFound):
        edits.rename_class(shapes, "triangle", "x")
    assert look(shapes).counts == {"circle": 12, "square": 12}


def test_merged_classes_come_apart_again_by_undo(shapes: Project) -> None:
    write_tree(shapes.images, {"square/circle-0.png": picture("green")})
    before = labels(shapes)
    assert edits.merge_classes(shapes, "circle", "square") == edits.Change(12)
    assert look(shapes).counts == {"square": 25}
    edits.undo(shapes)
    assert labels(shapes) == before
    assert edits.merge_classes(shapes, "circle", "circle") == edits.Change(0)


def test_a_trashed_class_comes_back_by_undo(shapes: Project) -> None:
    before, bytes_ = labels(shapes), all_bytes(shapes)
    assert edits.trash_class(shapes, "circle") == edits.Change(12)
    assert look(shapes).counts == {"square": 12}
    assert all_bytes(shapes) == bytes_
    edits.undo(shapes)
    assert labels(shapes) == before


def test_a_class_that_holds_copies_of_another_classs_pictures_can_be_trashed(shapes: Project) -> None:
    write_tree(shapes.images, {"triangle/copy.png": (shapes.images / "circle/circle-0.png").read_bytes()})
    assert edits.trash_class(shapes, "triangle") == edits.Change(1)
    assert look(shapes).counts == {"circle": 12, "square": 12}


@pytest.mark.parametrize("step", ["trash", "merge", "rename", "move"])
def test_a_class_removed_by_another_window_meanwhile_is_named(step: str, shapes: Project) -> None:
    moved = ids(shapes, "square")[:1]
    steps = {
        "trash": lambda: edits.trash_class(shapes, "circle"),
        "merge": lambda: edits.merge_classes(shapes, "circle", "square"),
        "rename": lambda: edits.rename_class(shapes, "circle", "disc"),
        "move": lambda: edits.move_pictures(shapes, moved, "circle"),
    }
    found: list[BaseException] = []

    def other_window() -> None:
        try:
            steps[step]()
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=other_window)
    with locks.locked(shapes.lock):
        thread.start()
        time.sleep(0.2)  # it waits for the lock now
        os.rename(shapes.images / "circle", shapes.images / "disc 2")
    thread.join()
    assert [type(e) for e in found] == [NotFound], found
    assert look(shapes).counts == {"disc 2": 12, "square": 12}


# ----------------------------------------------------------------------------- two windows


def test_two_processes_that_sort_the_same_pictures_lose_none(shapes: Project) -> None:
    before = all_bytes(shapes)
    code = (
        "import sys; from pathlib import Path\n"
        "from imgtag.data import edits; from imgtag.data.dataset import look\n"
        "from imgtag.data.projects import Project\n"
        "project, mine = Project(Path(sys.argv[1])), sys.argv[2]\n"
        "for n in range(40):\n"
        "    ids = sorted(look(project).by_id)\n"
        "    edits.move_pictures(project, ids[n % 5 : n % 5 + 12], mine if n % 4 else '')\n"
        "    if n % 9 == 0: edits.undo(project)"
    )
    movers = [
        subprocess.Popen([sys.executable, "-c", code, str(shapes.path), name], cwd=ROOT, stderr=subprocess.PIPE)
        for name in ("circle", "square")
    ]
    outcome = [(m.communicate(timeout=60)[1], m.returncode) for m in movers]
    assert outcome == [(b"", 0), (b"", 0)]
    assert all_bytes(shapes) == before
    dataset = look(shapes)
    assert (len(dataset.pictures), dataset.copies) == (24, ())
    # The history tells of every picture where it is now.
    last = {m[0]: m[2] for row in storage.read_json_lines(shapes.history) for m in row["moves"]}
    assert {id_: history.place(shapes, dataset.picture(id_).path) for id_ in last} == last


def test_a_kept_label_is_remembered_and_can_be_asked_about_again_after_undo(shapes: Project) -> None:
    write_tree(shapes.unsorted, {"new.png": picture("green", 1)})
    first, second = (p.id for p in look(shapes).by_class["circle"][:2])
    [new] = look(shapes).unsorted
    assert edits.keep_labels(shapes, [first, new.id, "nobody"]) == edits.Change(1, ("nobody",))
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


# ----------------------------------------------------------------------------- anything in any order

NAMES = ("circle", "square", "CIRCLE", "box")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["import", "move", "move", "unsort", "trash", "restore", "merge", "rename", "drop", "keep", "undo"]
        ),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=12,
)


def carry_out(project: Project, step: tuple[str, int, int], tmp_path: Path) -> set[str]:
    """One random step; returns the sha256 of what it brought in."""
    action, a, b = step
    dataset = look(project)
    chosen = sorted(dataset.by_id)[a % 5 : a % 5 + 3]
    classes = dataset.class_names or ("none",)
    source, target = classes[a % len(classes)], classes[b % len(classes)]
    if action == "import":
        folder = tmp_path / f"source-{time.monotonic_ns()}"
        files = {f"{NAMES[b % 3]}/{n}.png": picture("green", n, size=(16, 16)) for n in (a, a + 1)}
        files |= {f"box/{b}.png": picture("green", a, size=(16, 16))}  # the same bytes in two classes
        with open_sources([write_tree(folder, files)]) as groups:
            import_files(project, groups, "random")
        return {sha(data) for data in files.values()}
    if action == "move":
        edits.move_pictures(project, chosen, target)
    elif action == "unsort":
        edits.move_pictures(project, chosen, "")
    elif action == "trash":
        edits.trash_pictures(project, chosen)
    elif action == "restore":
        edits.restore_pictures(project, edits.trashed_pictures(project)[a % 3 :][:2])
    elif action == "keep":
        edits.keep_labels(project, chosen)
    elif action == "merge":
        edits.merge_classes(project, source, target)
    elif action == "rename":
        edits.rename_class(project, source, NAMES[b % len(NAMES)])
    elif action == "drop":
        edits.trash_class(project, source)
    else:
        edits.undo(project)
    return set()


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_whatever_is_done_in_any_order_no_picture_is_lost_and_undo_leads_back_to_the_start(
    steps: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("random")
    project = create_at(tmp_path / "project")
    for name, colour in (("circle", "red"), ("square", "blue")):
        drawn = {f"{n}.png": picture(colour, n, size=(16, 16)) for n in range(4)}
        write_tree(project.images / name, drawn)
    start, expected = labels(project), all_bytes(project)
    for step in steps:
        with contextlib.suppress(ImgtagError):  # the step makes no sense now; it must have changed nothing
            expected |= carry_out(project, step, tmp_path)
        assert all_bytes(project) == expected, step
    while history.last_change(project):
        assert edits.undo(project).missing == ()
        assert all_bytes(project) == expected
    assert labels(project) == start


@settings(max_examples=15, deadline=None)
@given(steps=st.tuples(STEPS, STEPS), imports=st.booleans())
def test_whatever_two_people_do_at_the_same_time_no_picture_is_lost_and_undo_leads_back_to_the_start(
    steps: tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]],
    imports: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """An import is not one step but many: what others do in the middle of it is kept, yet undo, which takes back the
    import as a whole, may then leave one of its pictures where that other put it. So with imports nothing is lost,
    and without them undo leads back.
    """
    tmp_path = tmp_path_factory.mktemp("two")
    steps = tuple([s for s in own if imports or s[0] != "import"] for own in steps)  # type: ignore[assignment]
    project = create_at(tmp_path / "project")
    for name, colour in (("circle", "red"), ("square", "blue")):
        write_tree(project.images / name, {f"{n}.png": picture(colour, n, size=(16, 16)) for n in range(4)})
    start, expected = labels(project), all_bytes(project)
    together = threading.Barrier(2)

    def person(own: list[tuple[str, int, int]]) -> set[str]:
        together.wait()
        brought: set[str] = set()
        for step in own:
            with contextlib.suppress(ImgtagError):
                brought |= carry_out(project, step, tmp_path)
        return brought

    with ThreadPoolExecutor(2) as pool:
        for brought in pool.map(person, steps):
            expected |= brought
    assert all_bytes(project) == expected
    while history.last_change(project):
        edits.undo(project)
        assert all_bytes(project) == expected
    if not imports:
        assert labels(project) == start


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


def test_a_class_that_was_none_is_unsorted_and_comes_back(shapes: Project) -> None:
    before = {p.id: p.label for p in look(shapes).pictures}
    assert edits.unsort_class(shapes, "circle").moved == 12
    assert look(shapes).counts == {"square": 12}
    assert len(look(shapes).unsorted) == 12
    assert edits.undo(shapes).moved == 12
    assert {p.id: p.label for p in look(shapes).pictures} == before
    with pytest.raises(NotFound):
        edits.unsort_class(shapes, "triangle")
