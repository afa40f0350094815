"""A data set for other programs: a zip of train/valid/test folders with a folder for each class, and labels.csv."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from imgtag.core import storage
from imgtag.data.dataset import Dataset, Picture
from imgtag.data.projects import Project
from imgtag.data.splits import read_splits

FOLDERS = {"train": "train", "val": "valid", "test": "test"}


def dataset_zip(project: Project) -> Path:
    """Where the app keeps the last zip that was asked for."""
    return project.cache / "export" / "dataset.zip"


def export_dataset(
    dataset: Dataset,
    path: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the labelled pictures that have a split to a zip; returns how many.

    labels.csv holds file, class, display_name, split and sha256. Pictures are stored as they are: they are compressed
    already. A picture that vanishes meanwhile is left out. Raises DiskFull; a zip that was not finished is not kept.
    """
    project, splits = dataset.project, read_splits(dataset.project)
    pictures = [p for p in dataset.labelled if p.id in splits]
    storage.require_space(path.parent, sum(p.size for p in pictures))
    names = project.display_names()
    rows: list[tuple[str, str, str, str, str]] = []
    with storage.whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for done, (picture, name) in enumerate(_named(pictures, splits), 1):
            try:
                data = picture.path.read_bytes()
            except OSError:
                continue
            archive.writestr(name, data)
            split = FOLDERS[splits[picture.id]]
            rows.append((name, picture.label, names.get(picture.label) or picture.label, split, picture.id))
            on_progress(done, len(pictures))
        columns = ("file", "class", "display_name", "split", "sha256")
        table = storage.csv_text(columns, [dict(zip(columns, row, strict=True)) for row in rows])
        archive.writestr("labels.csv", table)
    return len(rows)


def _named(pictures: Sequence[Picture], splits: dict[str, str]) -> list[tuple[Picture, str]]:
    return [(p, f"{FOLDERS[splits[p.id]]}/{p.label}/{p.name}") for p in pictures]
