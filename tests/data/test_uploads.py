"""Browser uploads: imported once they are whole, never by a made-up number, with a report that outlives a reload."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
import uuid
from pathlib import Path

import pytest

from imgtag.core import storage
from imgtag.core.errors import ImgtagError, NotFound
from imgtag.data import class_edits
from imgtag.data.background import Job, start_job
from imgtag.data.dataset import look
from imgtag.data.importing import Report, Skipped
from imgtag.data.label_files import LabelFile
from imgtag.data.projects import Project, create_at
from imgtag.data.uploads import (
    dismiss_report,
    drop_label_files,
    import_from_disk,
    import_job,
    import_key,
    import_upload,
    import_waiting,
    last_report,
    report_csv,
    save_report,
)
from tests.drawing import picture, write_tree, zip_of
from tests.trainers import until


def stage(project: Project, files: dict[str, bytes]) -> str:
    """Put files where the server puts an upload; returns its number."""
    batch = uuid.uuid4().hex
    for number, (name, data) in enumerate(files.items()):
        write_tree(project.staging / batch, {f"{number}.bin": data})
        storage.append_json_line(project.staging / batch / "names.jsonl", {"file": f"{number}.bin", "path": name})
    return batch


def wait_for(job: Job) -> Job:
    """The job, once it has ended."""
    end = time.monotonic() + 20
    while not job.finished and time.monotonic() < end:
        time.sleep(0.01)
    assert job.finished
    return job


def test_an_upload_is_imported_reported_and_cleared_away(project: Project) -> None:
    zipped = zip_of({"cat/1.png": picture("red"), "dog/1.png": picture("blue")})
    batch = stage(project, {"set.zip": zipped, "eel/2.png": picture("green"), "eel/bad.png": b"no picture"})
    job = wait_for(import_upload(project, batch))
    assert job.error is None
    assert import_job(project) is job
    assert look(project).counts == {"cat": 1, "dog": 1, "eel": 1}
    assert not (project.staging / batch).exists()
    report = last_report(project)
    assert report == job.result
    assert report is not None
    assert [s.file for s in report.skipped] == ["eel/bad.png"]
    row = storage.read_json_lines(project.history)[0]
    assert row["source"] == "set.zip and 1 more"


@pytest.mark.parametrize(
    "batch", ["", "..", "../../x", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "0" * 32, "/" * 32, "../" * 10 + "aa"]
)
def test_an_upload_that_is_not_there_is_not_found_whatever_its_number(batch: str, project: Project) -> None:
    with pytest.raises(NotFound, match="no longer there"):
        import_upload(project, batch)


def test_an_upload_or_folder_during_another_import_waits_and_is_not_lost(project: Project, tmp_path: Path) -> None:
    go = threading.Event()
    first = start_job(import_key(project), "The import", lambda job: go.wait(20))
    batch = stage(project, {"cat/1.png": picture("red")})
    try:
        class_edits.add_class(project, "dog")
        assert import_upload(project, batch, into="dog") is first
        assert import_upload(project, stage(project, {"2.png": picture("blue")}), into="dog") is first
        assert import_upload(project, stage(project, {"3.png": picture("green")}), into="../../gone") is first
        source = write_tree(tmp_path / "source", {"eel/4.png": picture("yellow")})
        assert import_from_disk(project, source, link=True) is first
    finally:
        go.set()
        wait_for(first)
    assert import_waiting(project) is not first  # from here on the end of one starts the next, without a page
    until(lambda: look(project).counts == {"cat": 1, "dog": 1, "eel": 1} and len(look(project).unsorted) == 1, 20)


FULL = Report(
    added=3,
    unsorted=1,
    skipped=[Skipped("=cmd.jpg", "It is “empty”."), Skipped("a,b\n.jpg", "x")],
    notes=["n"],
    remarks=["r"],
    label_files=[LabelFile("n.txt", {"name": {"1": "rose"}}, "name")],
    classes={"1": 3},
    stopped=True,
)


def test_a_report_is_kept_until_it_is_dismissed(project: Project) -> None:
    assert last_report(project) is None
    save_report(project, FULL)
    assert last_report(project) == FULL
    drop_label_files(project)
    kept = last_report(project)
    assert kept is not None
    assert (kept.label_files, kept.skipped) == ([], FULL.skipped)
    dismiss_report(project)
    dismiss_report(project)
    assert last_report(project) is None
    drop_label_files(project)
    assert last_report(project) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"added": 1}', b'{"added": 1, "skipped": [1]}'])
def test_a_damaged_report_is_no_report(damage: bytes, project: Project) -> None:
    save_report(project, FULL)
    (project.cache / "last_import.json").write_bytes(damage)
    assert last_report(project) is None


def test_the_list_of_files_not_taken_is_inert_in_a_spreadsheet() -> None:
    rows = list(csv.reader(io.StringIO(report_csv(FULL), newline="")))
    assert rows == [["file", "reason"], ["'=cmd.jpg", "It is “empty”."], ["a,b\n.jpg", "x"]]


# ----------------------------------------------------------------------------- a folder of this machine


def test_a_folder_of_this_machine_is_linked_or_copied(project: Project, tmp_path: Path) -> None:
    real = write_tree(tmp_path / "elsewhere", {"1.png": picture("red", 1), "2.png": picture("red", 2)})
    source = tmp_path / "source"
    (source / "cat").mkdir(parents=True)
    (source / "cat" / "1.png").symlink_to("../../elsewhere/1.png")  # a relative link must not dangle afterwards
    (source / "cat" / "2.png").hardlink_to(real / "2.png")
    wait_for(import_from_disk(project, source, link=True))
    linked = look(project).by_class["cat"]
    assert [p.path.stat().st_nlink for p in linked] == [2, 3]
    assert not any(p.path.is_symlink() for p in linked)
    write_tree(tmp_path / "more", {"dog/3.png": picture("blue", 3)})
    wait_for(import_from_disk(project, tmp_path / "more", link=False, who="Ann"))
    assert [p.path.stat().st_nlink for p in look(project).by_class["dog"]] == [1]
    assert storage.read_json_lines(project.history)[-1]["who"] == "Ann"


def test_linked_folders_are_entered_once_pipes_passed_over_and_another_project_gives_its_pictures(
    project: Project, tmp_path: Path
) -> None:
    other = create_at(tmp_path / "source" / "other")
    write_tree(other.images, {"cat/1.png": picture("red", 1)})
    write_tree(other.cache / "thumbs", {"ab/x.jpg": picture("green", 2)})
    write_tree(other.trash, {"images/cat/2.png": picture("red", 3)})
    (tmp_path / "source" / "loop").symlink_to(tmp_path / "source")
    os.mkfifo(tmp_path / "source" / "pipe")
    wait_for(import_from_disk(project, tmp_path / "source", link=False))
    assert look(project).counts == {"cat": 1}


@pytest.mark.parametrize(
    "path", ["relative/path", "/nowhere/at/all", "~nobody-of-this-name/x", "{project}/images", "{project}"]
)
def test_a_path_that_makes_no_sense_is_refused(path: str, project: Project) -> None:
    with pytest.raises(ImgtagError):
        import_from_disk(project, Path(path.format(project=project.path)), link=True)
    assert import_job(project) is None
