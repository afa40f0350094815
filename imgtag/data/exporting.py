"""A data set for other programs: a zip of train/valid/test folders with a folder for each class, and labels.csv."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from imgtag.core import storage
from imgtag.data.dataset import look
from imgtag.data.duplicates import same_shots
from imgtag.data.importing import require_no_import
from imgtag.data.projects import Project
from imgtag.data.splits import assign_splits

_COLUMNS = ("file", "class", "display_name", "split", "sha256")
FOLDERS = {"train": "train", "val": "valid", "test": "test"}


def dataset_zip(project: Project) -> Path:
    """Where the app keeps the last zip that was asked for."""
    return project.cache / "export" / "dataset.zip"


def export_dataset(
    project: Project,
    path: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the labelled pictures, dealt out into their splits, to a zip; returns how many.

    labels.csv holds file, class, display_name, split and sha256. Pictures are stored as they are: they are compressed
    already. A picture that vanishes meanwhile is left out. Raises Conflict during an import, and DiskFull; a zip that
    was not finished is not kept.
    """
    require_no_import(project)
    dataset = look(project)
    splits = assign_splits(project, dataset.labelled, same_shots(project, dataset.pictures))
    storage.require_space(path.parent, sum(p.size for p in dataset.labelled))
    shown = project.display_names()
    rows: list[dict[str, str]] = []
    with storage.whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for done, picture in enumerate(dataset.labelled, 1):
            on_progress(done, len(dataset.labelled))
            split = FOLDERS[splits[picture.id]]
            name = f"{split}/{picture.label}/{picture.name}".encode("utf-8", "replace").decode("utf-8")
            try:
                archive.writestr(name, picture.path.read_bytes())
            except OSError:
                continue
            label = picture.label
            values = (name, label, shown.get(label) or label, split, picture.id)
            rows.append(dict(zip(_COLUMNS, values, strict=True)))
        archive.writestr("labels.csv", storage.csv_text(_COLUMNS, rows))
    return len(rows)
