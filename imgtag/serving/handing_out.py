"""Exports of a model: made, verified, and only then kept for download or written where the command line wants them."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgtag.core import storage
from imgtag.core.errors import Conflict, NotFound
from imgtag.serving.formats import FORMATS, Format, write_format
from imgtag.serving.predictor import load_predictor
from imgtag.serving.verifying import Tell, verify
from imgtag.training.runs import Run

_PACKED = {".safetensors", ".onnx", ".bin", ".pt2"}  # numbers, which hardly become smaller


@dataclass(frozen=True)
class Export:
    """An export that was verified. path: the zip or folder; facts: the agreement, see `verifying.Agreement.as_dict`;
    words: the same in a sentence."""

    form: Format
    path: Path
    words: str
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The shape of the command line."""
        return {"format": self.form.name, "file": str(self.path), **self.facts}


def find_format(name: str) -> Format:
    """The form of that name. Raises NotFound."""
    if name not in FORMATS:
        raise NotFound(
            f"There is no form of export “{name}”.", f"There is: {', '.join(FORMATS)}.", "Choose one of these."
        )
    return FORMATS[name]


def export_model(run: Run, form: Format, tell: Tell = lambda done, total, message: None) -> Export:
    """Make the zip that the page offers for download. Raises what `export_to` raises."""
    made = export_to(run, form, _kept(run, form), tell)
    storage.write_json(_beside(run, form), {"model": _model(run), "words": made.words, "facts": made.facts})
    return made


def last_export(run: Run, form: Format) -> Export | None:
    """The zip that was made last, while the model is still as it was then; nothing else is ever handed out."""
    found = storage.read_json(_beside(run, form), {})
    if not isinstance(found, dict) or found.get("model") != _model(run) or not _kept(run, form).is_file():
        return None
    return Export(form, _kept(run, form), str(found["words"]), dict(found["facts"]))


def export_to(run: Run, form: Format, target: Path, tell: Tell = lambda done, total, message: None) -> Export:
    """Write an export to a zip, if the name ends so, or else to a new folder.

    tell(done, total, message) may raise to stop. Raises BadModel, DiskFull, Conflict where the folder is not empty, and
    ImgtagError where the model cannot be converted or the export disagrees with the original; nothing is left then.
    """
    as_zip = target.suffix.lower() == ".zip"
    if not as_zip and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            f"“{target}” exists already.", "An export goes into a new folder.", "Name another one, or a zip."
        )
    with _made(run, form, tell) as (folder, agreement):
        words, facts = agreement.words, agreement.as_dict()
        storage.write_json(folder / "verification.json", {"format": form.name, **facts, "words": words})
        if as_zip:
            _zip(folder, target, f"{run.project.name}-{form.name}")
        else:
            storage.remove_if_empty(target)
            storage.copy_folder(folder, target)
    return Export(form, target, words, facts)


@contextlib.contextmanager
def _made(run: Run, form: Format, tell: Tell) -> Iterator[tuple[Path, Any]]:
    """A folder with the verified export, and the agreement; both are gone after the block."""
    work = _folder(run) / f".making-{uuid.uuid4().hex[:8]}"
    try:
        weights = run.path / "model" / "model.safetensors"
        storage.require_space(storage.make_folder(work), 4 * (weights.stat().st_size if weights.exists() else 0))
        tell(0, 0, "Making it")
        folder = storage.make_folder(work / form.name)
        predictor = load_predictor(run)
        write_format(run, form, folder)
        yield folder, verify(run, predictor, form, folder, tell)
    finally:
        storage.remove_folder(work)


def _zip(folder: Path, path: Path, top: str) -> None:
    with storage.whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(folder.rglob("*")):
            if part.is_file():
                how = zipfile.ZIP_STORED if part.suffix in _PACKED else zipfile.ZIP_DEFLATED
                archive.write(part, f"{top}/{part.relative_to(folder).as_posix()}", how)


def _folder(run: Run) -> Path:
    return run.project.cache / "export" / run.id


def _kept(run: Run, form: Format) -> Path:
    return _folder(run) / f"{form.name}.zip"


def _beside(run: Run, form: Format) -> Path:
    return _folder(run) / f"{form.name}.json"


def _model(run: Run) -> str:
    """What tells one state of the model from another: limits of “unknown” may be chosen after the training."""
    try:
        return hashlib.sha256((run.path / "model" / "model.json").read_bytes()).hexdigest()
    except OSError:
        return ""
