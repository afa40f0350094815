"""Real photographs with real trouble: what the tutorials' sets become, and that every odd file is in or named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from imgtag.data.dataset import look, natural_key
from imgtag.data.history import doubts
from imgtag.data.images import open_picture
from imgtag.data.importing import Report, import_files
from imgtag.data.projects import Project, create_project
from imgtag.data.sources import open_sources
from imgtag.data.splits import read_splits
from imgtag.data.suggestions import accept_names, names_tell
from tests.drawing import hashes, sha, zip_of

QUIRKS = ("odd_files", "git_lfs_pointers", "same_image_two_classes", "boats_nested")


def files_of(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return [p for p in folder.rglob("*") if p.is_file()]


def bring_in(project: Project, source: Path) -> Report:
    """Import as the command line does."""
    with open_sources([source]) as groups:
        return import_files(project, groups, source.name)


def test_walle_in_one_zip_gives_two_classes_their_splits_and_names_that_tell_the_rest(
    project: Project, real_data: Path, tmp_path: Path
) -> None:
    files = {p.relative_to(real_data).as_posix(): p.read_bytes() for p in files_of(real_data / "walle")}
    (tmp_path / "walle.zip").write_bytes(zip_of(files))
    report = bring_in(project, tmp_path / "walle.zip")
    assert list(report.classes) == ["doraemon", "walle"]
    assert report.added + len(report.skipped) == len(files) == 279 + 33 + 6
    splits = Counter(read_splits(project).values())
    assert (splits["train"], splits["val"]) == (279, 33)
    dataset = look(project)
    told = names_tell(dataset)
    assert len(dataset.unsorted) == len(told) == report.unsorted == 6
    truth = {sha(data): Path(name).name.split(".")[0] for name, data in files.items() if "/test/" in name}
    assert told == truth
    assert accept_names(project) == 6
    assert look(project).unsorted == []


def test_monkeys_get_their_names_and_their_leak_is_closed(project: Project, real_data: Path) -> None:
    source = real_data / "monkeys-small"
    pictures = [p for p in files_of(source) if p.name != "monkey_labels.txt"]
    report = bring_in(project, source)
    assert list(report.classes) == [f"n{digit}" for digit in range(10)]
    assert report.added + len(report.skipped) == len(pictures)
    [names] = report.label_files
    assert (names.file, names.best) == ("monkey_labels.txt", "Common Name")
    assert names.names["n0"] == "mantled howler"
    assert len(set(names.names.values())) == 10
    ids = {p: sha(p.read_bytes()) for p in pictures}
    twins = len(pictures) - len(set(ids.values()))
    assert sum("dentical bytes" in s.reason for s in report.skipped) == twins > 0
    splits = read_splits(project)
    in_training = {id_ for p, id_ in ids.items() if "training" in p.parts}
    in_both = in_training & {id_ for p, id_ in ids.items() if "validation" in p.parts}
    assert in_both, "the set has no byte-identical leak any more"
    assert {splits[id_] for id_ in in_training} == {"train"}
    assert set(look(project).by_id) == set(ids.values())


def test_flowers_get_the_right_names_by_folder_number(project: Project, real_data: Path) -> None:
    source = real_data / "flowers-small"
    truth = json.loads((source / "cat_to_name.json").read_text())
    report = bring_in(project, source)
    assert list(report.classes) == [str(n) for n in range(1, 103)]
    assert sorted(report.classes, key=natural_key) == list(report.classes)
    [names] = report.label_files
    assert names.names == {folder: " ".join(name.split()) for folder, name in truth.items()}
    assert names.names["21"] == "fire lily"
    assert report.added + len(report.skipped) == len(files_of(source)) - 1
    assert len(look(project).by_id) == report.added == len(hashes(source)) - 1
    assert set(read_splits(project).values()) == {"train", "val", "test"}


@pytest.mark.parametrize("name", QUIRKS)
def test_every_odd_file_is_in_and_readable_or_named_with_a_reason(name: str, project: Project, real_data: Path) -> None:
    source = real_data / "quirks" / name
    report = bring_in(project, source)
    assert report.added + len(report.skipped) == len(files_of(source))
    assert report.label_files == []
    assert all(len(s.reason) > 10 and (source.parent / s.file).is_file() for s in report.skipped)
    dataset = look(project)
    assert len(dataset.pictures) == report.added
    assert set(dataset.by_id) <= hashes(source)
    for found in dataset.pictures:
        opened, facts = open_picture(found.path)
        assert opened.mode == "RGB"
        assert found.path.suffix == facts.extension


def test_of_the_odd_files_only_helper_files_stay_out(project: Project, real_data: Path) -> None:
    report = bring_in(project, real_data / "quirks" / "odd_files")
    assert [Path(s.file).name for s in report.skipped] == [".DS_Store"]
    assert len(report.remarks) == len([r for r in report.remarks if "frames" in r]) > 0


def test_git_lfs_pointers_are_called_by_their_name(project: Project, real_data: Path) -> None:
    report = bring_in(project, real_data / "quirks" / "git_lfs_pointers")
    assert report.added == 0
    assert len(report.skipped) == 5
    assert all("Git LFS pointer" in s.reason for s in report.skipped)


def test_four_pictures_with_two_labels_each_wait_for_a_person(project: Project, real_data: Path) -> None:
    report = bring_in(project, real_data / "quirks" / "same_image_two_classes")
    assert (report.added, len(doubts(project)), len(look(project).unsorted)) == (4, 4, 4)
    assert all(len(classes) == 2 for classes in doubts(project).values())


def test_nested_boats_are_nine_classes_and_not_ten(project: Project, real_data: Path) -> None:
    report = bring_in(project, real_data / "quirks" / "boats_nested")
    assert len(report.classes) == 9
    assert "boats" not in report.classes
    assert any("read as one tree" in note for note in report.notes)
    assert sum(report.classes.values()) == report.added == len(hashes(real_data / "quirks" / "boats_nested"))


def test_all_quirks_at_once_in_one_zip_are_in_or_named(real_data: Path, tmp_path: Path) -> None:
    files = {p.relative_to(real_data).as_posix(): p.read_bytes() for p in files_of(real_data / "quirks")}
    (tmp_path / "quirks.zip").write_bytes(zip_of(files))
    project = create_project("all quirks")
    report = bring_in(project, tmp_path / "quirks.zip")
    assert report.added + len(report.skipped) == len(files)
    assert hashes(project.images) | hashes(project.unsorted) <= {sha(d) for d in files.values()}
