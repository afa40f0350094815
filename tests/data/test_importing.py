"""Imports: every file is in and whole, or named with its reason; killed or stopped half-way, they go on later."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest

from imgtag.core import storage
from imgtag.core.errors import DiskFull
from imgtag.data import class_edits, edits, history
from imgtag.data.dataset import look
from imgtag.data.images import open_picture
from imgtag.data.importing import Progress, Report, import_files, importing, name_staged
from imgtag.data.projects import Project
from imgtag.data.sources import SourceFile, open_sources
from imgtag.data.splits import read_splits
from tests.drawing import hashes, picture, sha, zip_of

ROOT = Path(__file__).resolve().parents[2]


def bring_in(project: Project, *sources: Path) -> Report:
    """Import as the command line does."""
    with open_sources(list(sources)) as groups:
        return import_files(project, groups, "test")


def in_zip(tmp_path: Path, files: dict[str, bytes], name: str = "set.zip") -> Path:
    """A zip on the disk that holds the files."""
    path = tmp_path / name
    path.write_bytes(zip_of(files))
    return path


def reasons(report: Report) -> dict[str, str]:
    """Why each file was not taken."""
    return {s.file: s.reason for s in report.skipped}


CATS = {f"cat/{n}.png": picture("red", n) for n in range(3)}
DOGS = {f"dog/{n}.jpg": picture("blue", n, format="JPEG") for n in range(2)}


# ----------------------------------------------------------------------------- what comes in


def test_pictures_come_in_byte_for_byte_under_their_class_with_a_readable_name(
    project: Project, tmp_path: Path
) -> None:
    report = bring_in(project, in_zip(tmp_path, {**CATS, **DOGS, "loose one (1).PNG": picture("green")}))
    assert (report.added, report.unsorted, report.skipped) == (6, 1, [])
    assert report.classes == {"cat": 3, "dog": 2}
    assert hashes(project.images) == {sha(d) for d in (*CATS.values(), *DOGS.values())}
    assert [p.name for p in project.unsorted.iterdir()] == [f"loose-one-1-{sha(picture('green'))[:12]}.png"]
    assert history.last_change(project) == "adding 6 pictures"


def test_the_extension_tells_the_truth_whatever_the_name_said(project: Project, tmp_path: Path) -> None:
    files = {
        "a/png.jpg": picture("red"),
        "a/jpeg": picture("blue", format="JPEG"),
        "a/webp.gif": picture(format="WEBP"),
    }
    bring_in(project, in_zip(tmp_path, files))
    assert sorted(p.suffix for p in (project.images / "a").iterdir()) == [".jpg", ".png", ".webp"]


def test_what_is_no_picture_is_named_and_the_others_come_in(project: Project, tmp_path: Path) -> None:
    bad = {
        "cat/empty.jpg": b"",
        "cat/page.jpg": b"<!DOCTYPE html>",
        "cat/words.jpg": b"hello",
        "cat/virus.jpg": b"MZ" + bytes(99),
        "cat/cut.png": picture("purple", size=(200, 200))[:2000],
        "cat/notes.pdf": b"%PDF",
        "cat/.hidden.png": picture("grey"),
        "cat/read me.txt": b"a few words\nof mine",
        "inner.zip": zip_of(DOGS),
        "__MACOSX/cat/._0.png": b"x",
    }
    report = bring_in(project, in_zip(tmp_path, {**CATS, **bad}))
    assert report.added == 3
    assert set(reasons(report)) == {f"set.zip/{name}" for name in bad}
    assert all(reasons(report).values())
    assert report.classes == {"cat": 3}


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_text_that_names_no_classes_does_not_vanish_silently(size: int, project: Project, tmp_path: Path) -> None:
    report = bring_in(project, in_zip(tmp_path, {**CATS, "notes.csv": b'a, "b\n' * (size // 6)}, "s.zip"))
    assert list(reasons(report)) == ["s.zip/notes.csv"]


def test_names_from_a_label_file_are_offered_and_not_used_yet(project: Project, tmp_path: Path) -> None:
    report = bring_in(project, in_zip(tmp_path, {**CATS, **DOGS, "n.json": b'{"dog": "Hund", "cat": "Katze"}'}))
    assert [f.names for f in report.label_files] == [{"cat": "Katze", "dog": "Hund"}]
    assert report.skipped == []
    assert project.display_names() == {}


def test_nothing_is_written_outside_of_the_project(project: Project, tmp_path: Path) -> None:
    source = in_zip(tmp_path, {"../../../evil.png": picture("red"), "/abs/evil.png": picture("blue")})
    before = {p for p in tmp_path.rglob("*") if not p.is_relative_to(project.path)}
    assert bring_in(project, source).added == 2
    assert {p for p in tmp_path.rglob("*") if not p.is_relative_to(project.path)} == before


def test_two_files_of_one_name_both_come_in(project: Project, tmp_path: Path) -> None:
    files = {"cat/a.png": picture("red", 1), "cat/./a.png": picture("red", 2), "cat/A.png": picture("red", 3), **DOGS}
    assert bring_in(project, in_zip(tmp_path, files)).added == 5
    assert look(project).counts == {"cat": 3, "dog": 2}


def test_a_remark_says_what_is_odd_about_a_picture_that_was_taken(project: Project, tmp_path: Path) -> None:
    frames = [open_picture(picture("red", n))[0] for n in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert bring_in(project, tmp_path / "moving.gif").remarks == ["moving.gif: 3 frames, only the first is used."]


def test_thumbnails_are_there_right_after_the_import(project: Project, tmp_path: Path) -> None:
    bring_in(project, in_zip(tmp_path, CATS))
    made = {p.stem for p in (project.cache / "thumbs").rglob("*.jpg")}
    assert made == {sha(data) for data in CATS.values()}


def test_progress_counts_up_to_the_number_of_pictures(project: Project, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with open_sources([in_zip(tmp_path, {**CATS, **DOGS})]) as groups:
        import_files(project, groups, "test", seen.append)
    assert [p.done for p in seen] == [1, 2, 3, 4, 5, 5]  # the last while they are compared
    assert {p.total for p in seen} == {5}
    assert {p.file for p in seen[:-1]} == {f"set.zip/{name}" for name in (*CATS, *DOGS)}


# ----------------------------------------------------------------------------- classes and splits


@pytest.mark.parametrize("there", ["Cat", "CAT", "cat"])
def test_a_folder_that_differs_only_in_case_joins_the_class_that_is_there(
    there: str, project: Project, tmp_path: Path
) -> None:
    class_edits.add_class(project, there)
    assert bring_in(project, in_zip(tmp_path, CATS)).classes == {there: 3}


def test_a_class_made_by_hand_on_a_mac_is_the_same_class(project: Project, tmp_path: Path) -> None:
    (project.images / "cafe\u0301").mkdir()
    assert bring_in(project, in_zip(tmp_path, {"caf\u00e9/1.png": picture()})).classes == {"cafe\u0301": 1}


def test_splits_of_the_folders_are_recorded_and_a_twin_stays_in_training(project: Project, tmp_path: Path) -> None:
    twin = picture("red", 0)
    files = {
        "valid/cat/twin.png": twin,
        "train/cat/1.png": twin,
        "train/dog/2.png": picture("blue", 2),
        "valid/dog/3.png": picture("blue", 3),
        "test/4.png": picture("grey", 4),
    }
    report = bring_in(project, in_zip(tmp_path, files))
    assert report.added == 4
    assert "identical bytes" in reasons(report)["set.zip/valid/cat/twin.png"]
    assert read_splits(project) == {
        sha(twin): "train",
        sha(picture("blue", 2)): "train",
        sha(picture("blue", 3)): "val",
        sha(picture("grey", 4)): "test",
    }


# ----------------------------------------------------------------------------- the same bytes again


def test_the_same_bytes_under_two_classes_go_to_unsorted(project: Project, tmp_path: Path) -> None:
    twin = picture("green")
    report = bring_in(project, in_zip(tmp_path, {"cat/t.png": twin, "dog/t.png": twin, **CATS}))
    assert look(project).by_id[sha(twin)].label == ""
    assert history.doubts(project) == {sha(twin): ["cat", "dog"]}
    assert "“cat” and “dog”" in reasons(report)["set.zip/dog/t.png"]
    assert {"cat", "dog"} == set(report.classes)


def test_a_third_class_joins_the_doubt(project: Project, tmp_path: Path) -> None:
    twin = picture("green")
    bring_in(project, in_zip(tmp_path, {"cat/1.png": twin, "dog/1.png": twin, "eel/1.png": twin}))
    assert history.doubts(project)[sha(twin)] == ["cat", "dog", "eel"]
    assert len(look(project).pictures) == 1


def test_importing_the_same_again_adds_nothing_and_says_so(project: Project, tmp_path: Path) -> None:
    source = in_zip(tmp_path, {**CATS, **DOGS})
    bring_in(project, source)
    before = hashes(project.path / "images")
    report = bring_in(project, source)
    assert (report.added, len(report.skipped)) == (0, 5)
    assert all("in already" in reason for reason in reasons(report).values())
    assert hashes(project.path / "images") == before
    assert look(project).copies == ()


def test_an_unsorted_picture_gets_the_label_that_a_later_import_knows(project: Project, tmp_path: Path) -> None:
    bring_in(project, in_zip(tmp_path, {"1.png": picture("red")}, "loose.zip"))
    report = bring_in(project, in_zip(tmp_path, {"cat/1.png": picture("red"), **DOGS}))
    assert look(project).by_id[sha(picture("red"))].label == "cat"
    assert "now in “cat”" in reasons(report)["set.zip/cat/1.png"]
    # That was no decision of a person: another label for it is a doubt.
    bring_in(project, in_zip(tmp_path, {"dog/1.png": picture("red")}, "third.zip"))
    assert history.doubts(project)[sha(picture("red"))] == ["cat", "dog"]


def test_what_a_person_decided_is_not_overruled(project: Project, tmp_path: Path) -> None:
    bring_in(project, in_zip(tmp_path, {**CATS, **DOGS}))
    id_ = sha(CATS["cat/0.png"])
    edits.move_pictures(project, [id_], "dog")
    report = bring_in(project, in_zip(tmp_path, CATS, "again.zip"))
    assert look(project).by_id[id_].label == "dog"
    assert "you sorted it into “dog”" in reasons(report)["again.zip/cat/0.png"]


def test_what_was_put_in_the_trash_stays_there_until_the_trash_is_emptied(project: Project, tmp_path: Path) -> None:
    source = in_zip(tmp_path, CATS)
    bring_in(project, source)
    edits.trash_pictures(project, [sha(CATS["cat/0.png"])])
    assert "in the trash" in reasons(bring_in(project, source))["set.zip/cat/0.png"]
    assert look(project).counts == {"cat": 2}
    edits.empty_trash(project)
    assert bring_in(project, source).added == 1


def test_a_picture_edited_by_hand_is_not_overwritten_by_its_original(project: Project, tmp_path: Path) -> None:
    source = in_zip(tmp_path, CATS)
    bring_in(project, source)
    id_ = sha(CATS["cat/0.png"])
    look(project).by_id[id_].path.write_bytes(picture("purple", 77))
    assert bring_in(project, source).added == 1
    assert {sha(picture("purple", 77)), id_} <= hashes(project.images)


def test_one_undo_takes_back_a_whole_import_even_one_with_doubts(project: Project, tmp_path: Path) -> None:
    bring_in(project, in_zip(tmp_path, {"x.png": picture("grey")}, "first.zip"))
    before = {p.id: p.label for p in look(project).pictures}
    twin = picture("green")
    many = {f"cat/{n}.png": picture("red", n, size=(16, 16)) for n in range(120)}  # more than one line of history
    files = {"cat/t.png": twin, "dog/t.png": twin, "eel/t.png": twin, "cat/x.png": picture("grey"), **many}
    assert bring_in(project, in_zip(tmp_path, files)).added == 121
    assert edits.undo(project).missing == ()
    assert {p.id: p.label for p in look(project).pictures} == before
    assert len(edits.trashed_pictures(project)) == 121
    assert history.last_change(project) == "adding 1 picture"


# ----------------------------------------------------------------------------- stopped, killed, no room


def test_a_stopped_import_keeps_what_is_in_and_goes_on_later(project: Project, tmp_path: Path) -> None:
    files = {f"cat/{n}.png": picture("red", n) for n in range(60)}
    source = in_zip(tmp_path, files)
    done: list[int] = []
    with open_sources([source]) as groups:
        report = import_files(project, groups, "test", lambda p: done.append(p.done), lambda: len(done) >= 10)
    assert report.stopped
    assert 10 <= report.added < 60
    assert look(project).counts == {"cat": report.added}
    assert sum(len(row["moves"]) for row in storage.read_json_lines(project.history)) == report.added
    rest = bring_in(project, source)
    assert (rest.added, rest.stopped) == (60 - report.added, False)
    assert hashes(project.images) == {sha(d) for d in files.values()}


def test_after_kill_9_in_the_middle_all_pictures_are_whole_and_a_second_import_adds_the_rest(
    project: Project, tmp_path: Path
) -> None:
    files = {f"train/cat/{n}.png": picture("red", n) for n in range(150)}
    files |= {f"valid/dog/{n}.png": picture("blue", n) for n in range(50)}
    source = in_zip(tmp_path, files)
    importer = subprocess.Popen([sys.executable, "-m", "imgtag", "import", str(project.path), str(source)], cwd=ROOT)
    end = time.monotonic() + 30
    while len(list(project.images.rglob("*.png"))) < 30 and time.monotonic() < end:
        time.sleep(0.005)
    importer.kill()
    importer.wait()
    there = [p for p in project.images.rglob("*.png") if not p.name.startswith(".")]
    assert 30 <= len(there) < 200, "the import was not killed in the middle"
    wanted = {sha(d) for d in files.values()}
    assert {sha(p.read_bytes()) for p in there} <= wanted
    report = bring_in(project, source)
    dataset = look(project)
    assert report.added == 200 - len(there)
    assert set(dataset.by_id) == wanted
    assert (dataset.copies, dataset.counts) == ((), {"cat": 150, "dog": 50})
    assert read_splits(project) == {sha(d): "train" if "train" in p else "val" for p, d in files.items()}


def test_what_cannot_fit_is_refused_before_anything_is_written(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = in_zip(tmp_path, CATS)
    monkeypatch.setenv("IMGTAG_SPARE_DISK_MB", str(1 << 40))
    with pytest.raises(DiskFull):
        bring_in(project, source)
    assert look(project).pictures == ()


@pytest.mark.parametrize("writes", [0, 1, 7, 20])
def test_a_disk_that_fills_up_half_way_leaves_whole_pictures_that_can_be_undone(
    writes: int, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"cat/{n}.png": picture("red", n) for n in range(30)}
    source = in_zip(tmp_path, files)
    left = [writes]
    real = os.fsync

    def fsync(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            return real(handle)
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(DiskFull):
            bring_in(project, source)
    assert hashes(project.images) <= {sha(d) for d in files.values()}
    assert look(project).counts == ({"cat": writes} if writes else {"cat": 0})
    if writes:
        assert edits.undo(project).moved == writes
        edits.restore_pictures(project, edits.trashed_pictures(project))
    assert bring_in(project, source).added == 30 - writes


def test_a_source_that_breaks_while_it_is_read_costs_only_that_file(project: Project) -> None:
    def broken() -> bytes:
        return open_picture(b"")[1].format.encode()  # raises BadPicture

    files = [
        SourceFile(PurePosixPath("cat/bad.png"), 1, broken),
        SourceFile(PurePosixPath("cat/good.png"), 1, lambda: picture("red")),
    ]
    report = import_files(project, [files], "test")
    assert (report.added, list(reasons(report))) == (1, ["cat/bad.png"])


def test_an_upload_is_called_after_its_first_file(tmp_path: Path) -> None:
    assert name_staged(tmp_path) == "upload"
    for n, path in enumerate(("photos/a.png", "photos/b.png", "more.zip", "c.png")):
        storage.append_json_line(tmp_path / "names.jsonl", {"file": f"{n}.bin", "path": path})
    assert name_staged(tmp_path) == "photos and 2 more"


def test_others_know_that_an_import_is_at_work(project: Project, tmp_path: Path) -> None:
    """A training then would deal pictures out whose folders say where they belong, and trashing would lose some."""
    seen: list[bool] = []
    files = {
        f"{split}/{c}/{n}.png": picture(c, n + 9 * len(split))
        for split in ("train", "test")
        for c in ("red", "blue")
        for n in range(3)
    }
    with open_sources([in_zip(tmp_path, files)]) as groups:
        import_files(project, groups, "set.zip", on_progress=lambda _: seen.append(importing(project)))
    assert seen and all(seen)
    assert not importing(project)
    assert not list((project.cache / "importing").iterdir())
