"""What becomes of answers: a zip sorted into class folders, or pictures that join the project."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from imgtag.core import storage
from imgtag.core.errors import BadPicture
from imgtag.data.corrections import Given, Joined, join_project, take_back
from imgtag.data.dataset import Dataset
from imgtag.data.images import picture_facts, read_file
from imgtag.data.piles import Item, Pile
from imgtag.data.sources import safe_parts
from imgtag.data.splits import not_for_test
from imgtag.serving.answers import UNKNOWN, Found, remember_joined
from imgtag.serving.tables import answers_csv
from imgtag.training.runs import Run

CORRECTED, SORTED_BY_MODEL = "pictures of Classify, corrected", "pictures of Classify"


@dataclass(frozen=True)
class Taken:
    """What pictures of a pile joined the project: how they are called in it, and how to take it back."""

    pile: Pile
    joined: Joined


def sorted_zip(pile: Pile) -> Path:
    """Where the last zip of a pile lies."""
    return pile.path / "sorted.zip"


def write_sorted_zip(
    pile: Pile,
    answers: Sequence[Found],
    on_progress: Callable[[int, int, str], None] = lambda done, total, name: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write the pictures as they came into a zip, a folder for each class and `_unknown`; returns how many.

    answers.csv in it names all files, also those that could not be read. Stopped, no zip is left. Raises DiskFull.
    """
    readable = [f for f in answers if not f.answer.error]
    storage.require_space(pile.path, sum(_size(f.item.path) for f in readable))
    unknown = _unknown_folder({f.label or "" for f in readable})
    storage.remove_file(sorted_zip(pile))
    taken: Counter[str] = Counter()
    written = 0
    with storage.whole_file(sorted_zip(pile)) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for done, found in enumerate(readable):
            if should_stop():
                break
            on_progress(done, len(readable), found.item.name)
            try:
                data = read_file(found.item.path)
            except BadPicture:  # it was on this machine's disk, and is gone
                continue
            folder = unknown if found.label is None else found.label
            archive.writestr(_free_name(folder, found, taken), data)
            written += 1
        archive.writestr("answers.csv", csv_of(answers).encode("utf-8-sig"))
    if should_stop():
        storage.remove_file(sorted_zip(pile))
    return written


def csv_of(answers: Sequence[Found], top: int = 5) -> str:
    """The table for a spreadsheet, with the classes that a person gave."""
    return answers_csv([f.answer for f in answers], top, [f.joined or "" for f in answers])


def join_items(
    pile: Pile,
    given: Sequence[tuple[Item, str]],
    on_progress: Callable[[int, int, str], None] = lambda done, total, name: None,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    by_model: bool = False,
    who: str = "",
) -> Taken:
    """Let pictures of a pile join the project, each under the class folder given with it, "" for unsorted.

    by_model: nobody has looked at these classes; what is sorted otherwise in the project stays as it is.
    See `data.corrections`, which tells what is refused and raises.
    """
    wanted = [Given(item.id, item.path, item.name, label) for item, label in given if not item.error]
    source = SORTED_BY_MODEL if by_model else CORRECTED
    joined = join_project(pile.project, wanted, source, on_progress, should_stop, relabels=not by_model, who=who)
    remember_joined(pile, {id_: label for id_, label in joined.labels.items() if label})
    return Taken(pile, joined)


def forget_taken(taken: Taken, *, who: str = "") -> int:
    """Take back what `join_items` did; returns how many pictures. Raises Conflict when more was changed since."""
    number = take_back(taken.pile.project, taken.joined, who=who)
    remember_joined(taken.pile, dict.fromkeys(taken.joined.labels))
    return number


def waiting_corrections(dataset: Dataset, newest: Run | None) -> int:
    """How many of the pictures that joined from here no training knows yet under their class."""
    then = {row.sha256: row.label for row in newest.manifest()} if newest else {}
    ours = not_for_test(dataset.project)
    return sum(p.id in ours and then.get(p.id) != p.label for p in dataset.for_training)


# ----------------------------------------------------------------------------- private


def _unknown_folder(labels: set[str]) -> str:
    name = f"_{UNKNOWN}"
    while name in labels:  # nobody forbids a class of that name
        name = f"_{name}"
    return name


def _free_name(folder: str, found: Found, taken: Counter[str]) -> str:
    """A path inside the zip that is not used yet, by any spelling; the ending is kept, or found from the contents."""
    name = PurePosixPath(safe_parts(found.item.name).name)
    ending = name.suffix or _true_ending(found.item.path)
    place = f"{folder}/{name.stem}"
    taken[(place + ending).casefold()] += 1
    number = taken[(place + ending).casefold()]
    path = f"{place}{f' ({number})' if number > 1 else ''}{ending}"
    return path.encode("utf-8", "replace").decode("utf-8")


def _true_ending(path: Path) -> str:
    try:
        return picture_facts(path).extension
    except BadPicture:
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
