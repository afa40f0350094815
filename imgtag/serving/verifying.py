"""Does an exported model say what the original says? It is loaded again, by its own example, in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgtag.core import storage
from imgtag.core.errors import ImgtagError
from imgtag.data.dataset import look
from imgtag.data.images import encode_png
from imgtag.serving.formats import Format
from imgtag.serving.predictor import Answer, Predictor
from imgtag.training.runs import Run

Tell = Callable[[int, int, str], None]  # done, total, message; may raise to stop

MOST_PICTURES = 200
LEAST_SAME = 0.99  # share of equal likeliest classes; one near-tie is allowed however few pictures there are
MOST_DIFFERENCE = 0.05  # of a probability
_DRAWN = 12
_FEW = 16  # pictures between two words about how far it is


@dataclass(frozen=True)
class Agreement:
    """What comparing n pictures showed. kind: of pictures, “validation”, “other” or “drawn”; of: as many there were.

    same: how many have the same likeliest class; same_unknown: how many are “unknown” in both or in none;
    largest: the largest difference of any probability, 0 to 1. rounded: the agreement with the original as it runs on
    this computer, where that is not in the single precision of the export and of the comparison.
    """

    kind: str
    n: int
    of: int
    same: int
    same_unknown: int
    largest: float
    rounded: Agreement | None = None

    @property
    def enough(self) -> bool:
        """Whether the export may be handed out."""
        return (
            self.n > 0 and self.n - self.same <= max(1, (1 - LEAST_SAME) * self.n) and self.largest <= MOST_DIFFERENCE
        )

    @property
    def words(self) -> str:
        """The result in a sentence."""
        pictures = {"validation": "validation pictures", "other": "pictures of the project", "drawn": "drawn pictures"}
        chosen = f" ({self.n:,} drawn by lot of {self.of:,})" if self.of > self.n else ""
        return (
            f"The exported model gave the same answer for {self.same:,} of {self.n:,} {pictures[self.kind]}{chosen}; "
            f"largest difference {100 * self.largest:.1f} points."
        ) + self._rounding

    @property
    def _rounding(self) -> str:
        if not self.rounded:
            return ""
        return (
            " On this computer imgtag itself computes faster and rounds more (bfloat16, or on a graphics card): beside "
            f"what it shows here, {self.rounded.same:,} of {self.rounded.n:,} are the same; largest difference "
            f"{100 * self.rounded.largest:.1f} points."
        )

    def as_dict(self) -> dict[str, Any]:
        """The shape of verification.json and of the command line."""
        return {
            "n": self.n,
            "of": self.of,
            "pictures": self.kind,
            **self._figures,
            "limits": {"agreement": LEAST_SAME, "largest_difference": MOST_DIFFERENCE},
        } | ({"rounded_original": self.rounded._figures} if self.rounded else {})

    @property
    def _figures(self) -> dict[str, float]:
        return {
            "agreement": round(self.same / self.n, 5) if self.n else 0.0,
            "unknown_agreement": round(self.same_unknown / self.n, 5) if self.n else 0.0,
            "largest_difference": round(self.largest, 6),
        }


def verify(run: Run, predictor: Predictor, form: Format, folder: Path, tell: Tell) -> Agreement:
    """Ask the export in `folder` and the original about the same pictures. Raises ImgtagError where the export does not
    run, or disagrees."""
    kind, of, files = _pictures(run, folder.with_name(f"{folder.name}-pictures"))
    most, exact = len(run.classes), predictor.exact()
    ours = _answers(exact, files, most, tell)
    shown = ours if exact is predictor else _answers(predictor, files, most, tell)
    theirs = []
    for done, answer in enumerate(_ask(form, folder, files, most), 1):
        tell(done, len(files), "Asking the exported model")
        theirs.append(answer)
    if len(theirs) != len(files):
        raise ImgtagError("The exported model did not answer about every picture.", "", "Try again.")
    found = compare(kind, of, _pairs(ours, theirs))
    if shown is not ours:
        found = replace(found, rounded=compare(kind, of, _pairs(shown, theirs)))
    if not found.enough:
        raise ImgtagError(
            "The exported model does not say what the original says, so it is not handed out.",
            f"{found.words} At least {100 * LEAST_SAME:.0f} % and at most {100 * MOST_DIFFERENCE:.0f} points are "
            "asked for.",
            "Try another form of export.",
        )
    return found


def _answers(predictor: Predictor, files: Sequence[Path], most: int, tell: Tell) -> list[Answer]:
    """What the original says, a few pictures at a time: single precision is slow, and one wants to see it go on."""
    answers: list[Answer] = []
    for start in range(0, len(files), _FEW):
        tell(start, len(files), "Asking the original")
        answers += predictor.classify([(str(f), f) for f in files[start : start + _FEW]], top=most)
    return answers


def _pairs(ours: Sequence[Answer], theirs: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Both answers about each picture that the original can read."""
    return [(a.as_dict(), b) for a, b in zip(ours, theirs, strict=True) if not a.error]


def compare(kind: str, of: int, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Agreement:
    """The agreement of pairs of answers, each in the shape of `classify --json` with all classes."""
    same = same_unknown = 0
    largest = 0.0
    for ours, theirs in pairs:
        a, b = ({t["class"]: float(t["probability"]) for t in answer["tags"]} for answer in (ours, theirs))
        same += bool(b) and max(a, key=a.__getitem__) == max(b, key=b.__getitem__)
        same_unknown += ours["unknown"] == theirs["unknown"]
        gaps = [abs(a.get(c, 0.0) - b.get(c, 0.0)) for c in a.keys() | b.keys()]
        largest = max(largest, *(1.0 if np.isnan(gap) else gap for gap in gaps))
    return Agreement(kind, len(pairs), of, same, same_unknown, largest)


def _pictures(run: Run, drawn: Path) -> tuple[str, int, list[Path]]:
    """Which pictures to ask about, how many there are of the kind, and where they lie. Validation pictures if any is
    left, else others of the run; a run that came without its pictures is asked about drawn ones."""
    there = look(run.project).by_id
    rows = [m for m in run.manifest() if m.sha256 in there and "\n" not in str(there[m.sha256].path)]
    for kind, wanted in (("validation", [m for m in rows if m.split == "val"]), ("other", rows)):
        if wanted:
            order = np.random.default_rng(0).permutation(len(wanted))[:MOST_PICTURES]
            return kind, len(wanted), [there[wanted[i].sha256].path for i in sorted(order)]
    lot = np.random.default_rng(0)
    paths = []
    for number in range(_DRAWN):
        patches = lot.integers(0, 256, (2 + number, 2 + number, 3), dtype=np.uint8)
        paths.append(drawn / f"{number}.png")
        storage.atomic_write(paths[-1], encode_png(patches, 320), durable=False)
    return "drawn", _DRAWN, paths


def _ask(form: Format, folder: Path, files: Sequence[Path], classes: int) -> Iterator[dict[str, Any]]:
    """The answers of the export's own example, run in the export's folder as a stranger would run it."""
    listed = folder.with_name(f"{folder.name}-list.txt")
    storage.atomic_write(listed, "\n".join(map(str, files)).encode("utf-8", "surrogateescape"), durable=False)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", "OPENVINO_TELEMETRY": "0"}
    command = [sys.executable, form.script, "--top", str(classes), f"@{listed}"]
    other: deque[str] = deque(maxlen=5)
    with subprocess.Popen(  # noqa: S603 -- our own Python and example
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None  # noqa: S101 -- for mypy
            for line in process.stdout:
                try:
                    found = json.loads(line)
                except ValueError:
                    found = None
                if isinstance(found, dict) and "tags" in found:
                    yield found
                else:
                    other.append(line.strip())
        finally:
            process.kill()
    if process.returncode:
        raise ImgtagError(
            "The exported model could not be loaded, so it is not handed out.",
            f"Its example ended with: {other[-1] if other else 'no word'}.",
            "Choose another form of export.",
        )
