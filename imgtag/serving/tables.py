"""Answers as tables: for the screen and for a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgtag.core import storage
from imgtag.serving.predictor import Answer

_TOP = 5


def answers_table(answers: Sequence[Answer], top: int = _TOP) -> list[dict[str, Any]]:
    """One row a file: the likeliest tag, its probability, the next ones, or the error."""
    rows = []
    for answer in answers:
        row: dict[str, Any] = {
            "file": answer.file,
            "unknown": "yes" if answer.unknown else "",
            "error": answer.error or "",
        }
        for place, tag in enumerate(answer.tags[:top], 1):
            row[f"tag {place}"] = tag.display
            row[f"probability {place}"] = round(tag.probability, 4)
        rows.append(row)
    return rows


def answers_csv(answers: Sequence[Answer], top: int = _TOP, joined: Sequence[str] = ()) -> str:
    """The table as CSV that is safe to open in a spreadsheet. joined: for each answer the class that a person gave."""
    width = max((len(a.tags[:top]) for a in answers), default=0)
    columns = ["file"]
    for place in range(1, width + 1):
        columns += [f"tag {place}", f"probability {place}"]
    rows = answers_table(answers, top)
    if any(joined):
        columns.append("corrected to")
        rows = [{**row, "corrected to": label} for row, label in zip(rows, joined, strict=True)]
    return storage.csv_text([*columns, "unknown", "error"], rows)
