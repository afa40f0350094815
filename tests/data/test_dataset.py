"""What is in a project: the class folders are the truth, whoever changed them and when."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgtag.core import storage
from imgtag.core.errors import DiskFull, NotFound
from imgtag.data import class_edits
from imgtag.data.dataset import Whereabouts, class_folders, look, natural_key
from imgtag.data.projects import Project
from tests.drawing import encode, picture, sha, write_tree

ROOT = Path(__file__).resolve().parents[2]


def test_an_empty_project_has_nothing(project: Project) -> None:
    dataset = look(project)
    assert (dataset.pictures, dataset.class_names, dataset.counts, dataset.labelled) == ((), (), {}, [])


def test_the_folder_is_the_label_and_the_bytes_are_the_id(shapes: Project) -> None:
    write_tree(shapes.unsorted, {"new.png": picture("green")})
    dataset = look(shapes)
    assert dataset.counts == {"circle": 12, "square": 12}
    assert [p.name for p in dataset.unsorted] == ["new.png"]
    assert dataset.picture(sha(picture("green"))).label == ""
    for found in dataset.pictures:
        assert found.id == sha(found.path.read_bytes())
        assert found.size == found.path.stat().st_size
        assert found.label == ("" if found.path.parent == shapes.unsorted else found.path.parent.name)


def test_files_dropped_changed_and_deleted_by_hand_are_seen_at_the_next_look(shapes: Project) -> None:
    before = look(shapes)
    first, second = before.by_class["circle"][:2]
    first.path.write_bytes(picture("purple", 99))
    second.path.unlink()
    write_tree(shapes.images, {"triangle/new.png": picture("green", 98)})
    after = look(shapes)
    assert set(after.by_id) == set(before.by_id) - {first.id, second.id} | {
        sha(picture("purple", 99)),
        sha(picture("green", 98)),
    }
    assert after.counts == {"circle": 11, "square": 12, "triangle": 1}
    with pytest.raises(NotFound, match="no longer in the project"):
        after.picture(second.id)


def test_a_picture_edited_without_changing_its_size_is_seen(project: Project) -> None:
    path = project.unsorted / "a.bmp"
    red, blue = picture("red", format="BMP"), picture("blue", format="BMP")
    assert len(red) == len(blue)
    path.write_bytes(red)
    assert set(look(project).by_id) == {sha(red)}
    path.write_bytes(blue)
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1_000_000))
    assert set(look(project).by_id) == {sha(blue)}


def test_known_files_are_not_read_again(shapes: Project) -> None:
    look(shapes)
    path = shapes.images / "circle" / "circle-0.png"
    times = path.stat()
    other = bytearray(path.read_bytes())
    other[-1] ^= 1
    path.write_bytes(other)  # the same size, and below the same time: only reading it would tell
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sha(bytes(other)) not in look(shapes).by_id


@pytest.mark.parametrize(
    "damage", [b"", b"null", b"[1]", b"{", b'{"images/circle/circle-0.png": 5, "unsorted/x.png": []}']
)
def test_a_missing_or_damaged_index_is_made_again(damage: bytes, shapes: Project) -> None:
    before = look(shapes)
    (shapes.cache / "index.json").write_bytes(damage)
    assert look(shapes) == before


def test_the_whole_cache_may_be_deleted_at_any_time(shapes: Project) -> None:
    before = look(shapes)
    for path in sorted(shapes.cache.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    shapes.cache.rmdir()
    assert look(shapes) == before


def test_helper_files_hidden_files_and_other_kinds_are_no_pictures(shapes: Project) -> None:
    write_tree(
        shapes.images,
        {"circle/.DS_Store": b"x", "circle/notes.txt": b"x", "circle/.a.png.12.part": b"x", ".hidden/a.png": b"x"},
    )
    write_tree(shapes.images, {"circle/sub/deep.png": picture("green"), "loose.png": picture("yellow")})
    assert look(shapes).counts == {"circle": 12, "square": 12}


def test_a_link_that_leads_nowhere_is_passed_over(shapes: Project) -> None:
    (shapes.images / "circle" / "dangling.png").symlink_to(shapes.path / "nowhere.png")
    assert look(shapes).counts["circle"] == 12


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such file names")
def test_a_file_name_that_is_no_utf8_does_not_stop_the_look(shapes: Project) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (shapes.images / "circle" / name).write_bytes(picture("green"))
    for _ in range(2):  # fresh, and from the index
        assert look(shapes).by_id[sha(picture("green"))].name == name


@pytest.mark.parametrize("name", ["line\u2028break.png", "next\u0085line.png", "#1 (2) & 'x'.png", "😀.png"])
def test_odd_file_names_are_kept_and_remembered(name: str, project: Project) -> None:
    write_tree(project.unsorted, {name: picture()})
    assert [p.name for p in look(project).pictures] == [p.name for p in look(project).pictures] == [name]


def test_classes_come_in_natural_order_also_the_empty_ones(project: Project) -> None:
    for name in ("10", "2", "1", "b10", "B2", "a", "٣"):
        (project.images / name).mkdir()
    assert class_folders(project) == ["1", "2", "٣", "10", "a", "B2", "b10"]
    assert list(look(project).counts.values()) == [0] * 7


@settings(max_examples=200, deadline=None)
@given(names=st.lists(st.text(alphabet="0123456789٣²ab-é ", max_size=8), max_size=8))
def test_any_names_can_be_put_in_order(names: list[str]) -> None:
    ordered = sorted(names, key=natural_key)
    assert [natural_key(n) for n in ordered] == sorted(natural_key(n) for n in names[::-1])
    numbers = [int(n) for n in ordered if n.isascii() and n.isdecimal()]
    assert numbers == sorted(numbers)


def test_the_same_bytes_under_two_classes_are_one_picture_in_doubt(shapes: Project) -> None:
    twin = shapes.images / "circle" / "circle-0.png"
    write_tree(shapes.images, {"square/twin.png": twin.read_bytes(), "square/again.png": twin.read_bytes()})
    dataset = look(shapes)
    id_ = sha(twin.read_bytes())
    assert dataset.doubtful == {id_: ["circle", "square"]}
    assert len(dataset.copies) == 2
    assert len(dataset.pictures) == 24
    assert id_ not in {p.id for p in dataset.labelled}


def test_a_copy_inside_one_class_or_in_unsorted_is_no_doubt(shapes: Project) -> None:
    data = (shapes.images / "circle" / "circle-0.png").read_bytes()
    write_tree(shapes.path, {"images/circle/again.png": data, "unsorted/again.png": data})
    dataset = look(shapes)
    assert dataset.doubtful == {}
    assert len(dataset.labelled) == 24


def test_looking_while_another_process_moves_pictures_and_renames_classes_never_fails(shapes: Project) -> None:
    code = (
        "import sys, os; from pathlib import Path\n"
        "images = Path(sys.argv[1])\n"
        "names = sorted(os.listdir(images / 'circle'))\n"
        "print('go', flush=True)\n"
        "while True:\n"
        "    for name in names: os.replace(images / 'circle' / name, images / 'square' / name)\n"
        "    for name in names: os.replace(images / 'square' / name, images / 'circle' / name)\n"
        "    os.rename(images / 'square', images / 'box'); os.rename(images / 'box', images / 'square')"
    )
    mover = subprocess.Popen([sys.executable, "-c", code, str(shapes.images)], stdout=subprocess.PIPE)
    assert mover.stdout
    mover.stdout.readline()
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            dataset = look(shapes)
            assert sum(dataset.counts.values()) <= 24
            assert set(dataset.counts) <= {"circle", "square", "box"}
    finally:
        mover.kill()
        mover.wait()
        mover.stdout.close()
    assert len(look(shapes).by_id) == 24


@pytest.mark.parametrize(("here", "there"), [("circle", "square"), ("square", "circle")])
def test_a_picture_moved_between_two_folders_being_read_is_neither_missed_nor_seen_twice(
    here: str, there: str, shapes: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {p.id for p in look(shapes).labelled}
    moving = look(shapes).by_class[here][0].path
    scandir = os.scandir

    def scan(folder: Path) -> object:
        if Path(folder).name == "square" and moving.exists():  # “circle” has been read
            moving.rename(shapes.images / there / moving.name)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    dataset = look(shapes)
    assert {p.id for p in dataset.labelled} == known
    assert not dataset.copies


def test_pictures_are_found_again_where_they_were_moved_to(shapes: Project) -> None:
    known = look(shapes).labelled
    where = Whereabouts(shapes, [p.id for p in known], [p.path for p in known])
    assert list(where) == [p.path for p in known]
    class_edits.rename_class(shapes, "circle", "disc")
    again = {p.id: p.path for p in look(shapes).labelled}
    assert list(where) == [again[p.id] for p in known] != [p.path for p in known]
    again[known[3].id].unlink()
    assert not where[3].exists() and len(where) == 24


def test_a_full_disk_does_not_stop_the_look(shapes: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nobody could see the trash, to empty it."""

    def full(*_: object, **__: object) -> None:
        raise DiskFull("", "", "")

    monkeypatch.setattr(storage, "write_json", full)
    assert len(look(shapes).pictures) == 24


def test_two_files_of_the_same_name_size_and_time_are_two_pictures(project: Project) -> None:
    """As bitmaps from one zip are, dropped in by hand class by class: only what has left its place was moved."""
    red, blue = (encode(Image.new("RGB", (20, 20), colour), "BMP") for colour in ("red", "blue"))
    assert len(red) == len(blue)
    for label, data in (("a", red), ("b", blue)):
        write_tree(project.images, {f"{label}/1.bmp": data})
        os.utime(project.images / label / "1.bmp", (1_700_000_000, 1_700_000_000))
        look(project)
    found = look(project)
    assert {p.id: p.label for p in found.pictures} == {sha(red): "a", sha(blue): "b"}
    assert not found.doubtful


def test_what_was_only_moved_is_not_read_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(project.images, {"a/1.png": picture("red", 1)})
    write_tree(project.images, {"b/2.png": picture("blue", 2)})
    look(project)
    read: list[Path] = []
    monkeypatch.setattr(storage, "sha256_of", lambda path: read.append(path) or "unread")
    (project.images / "a" / "1.png").rename(project.images / "b" / "1.png")
    assert {p.id for p in look(project).by_class["b"]} == {sha(picture("red", 1)), sha(picture("blue", 2))}
    assert read == []
