"""The data set as a zip: folders that other programs and imgtag itself understand, and a table."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from imgtag.core import locks
from imgtag.core.errors import Conflict
from imgtag.data import edits
from imgtag.data.dataset import look
from imgtag.data.exporting import export_dataset
from imgtag.data.importing import import_files
from imgtag.data.projects import Project, create_at
from imgtag.data.sources import open_sources
from imgtag.data.splits import read_splits
from tests.drawing import sha


def test_a_zip_holds_the_pictures_in_their_folders_and_a_table_and_comes_back_the_same(
    shapes: Project, tmp_path: Path
) -> None:
    shapes.set_display_names({"circle": "Kreis"})
    edits.move_pictures(shapes, [look(shapes).by_class["circle"][0].id], "")
    path = tmp_path / "out" / "shapes.zip"
    said: list[tuple[int, int]] = []
    assert export_dataset(shapes, path, lambda done, total: said.append((done, total))) == 23
    assert said[-1] == (23, 23)
    splits = read_splits(shapes)
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode("utf-8-sig"))))
        assert {row["file"] for row in rows} | {"labels.csv"} == set(archive.namelist())
        for row in rows:
            assert sha(archive.read(row["file"])) == row["sha256"]
            split, label, _ = row["file"].split("/")
            assert (split, label) == (row["split"], row["class"])
            assert split == {"train": "train", "val": "valid", "test": "test"}[splits[row["sha256"]]]
    assert Counter(row["display_name"] for row in rows) == {"Kreis": 11, "square": 12}
    again = create_at(tmp_path / "again")
    with open_sources([path]) as groups:
        import_files(again, groups, "the zip")
    assert look(again).counts == {"circle": 11, "square": 12}
    assert read_splits(again) == {row["sha256"]: splits[row["sha256"]] for row in rows}


def test_a_name_that_no_zip_can_hold_is_replaced_and_an_import_is_waited_for(shapes: Project, tmp_path: Path) -> None:
    picture_path = next((shapes.images / "circle").iterdir())
    os.rename(picture_path, os.fsencode(picture_path.parent) + b"/\xff\xfe.png")
    assert export_dataset(shapes, tmp_path / "odd.zip") == 24
    with locks.locked(shapes.cache / "importing" / "x.lock"), pytest.raises(Conflict, match="coming in"):
        export_dataset(shapes, tmp_path / "early.zip")
    assert not (tmp_path / "early.zip").exists()
