"""Label files: a table or a map from folder names to names for people, as data sets often bring along."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from imgtag.core.names import plain


@dataclass(frozen=True)
class LabelFile:
    """Names found in one file. `choices` maps each column that could be the name to {class: name}."""

    file: str
    choices: dict[str, dict[str, str]]
    best: str

    @property
    def names(self) -> dict[str, str]:
        """The names of the column that fits best."""
        return self.choices[self.best]


def read_label_file(file: str, data: bytes, classes: Sequence[str]) -> LabelFile | None:
    """Names for at least half of the classes, or None when the file is something else.

    Understood: a JSON map {"1": "pink primrose", …}; a CSV or TSV in which one column holds the folder
    names, however padded.
    """
    if not classes:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if file.lower().endswith(".json"):
        return _from_json(file, text, classes)
    return _from_table(file, text, classes)


def _from_json(file: str, text: str, classes: Sequence[str]) -> LabelFile | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    texts = {str(k).strip(): v for k, v in found.items() if isinstance(v, str)}
    names = _names(texts, classes)
    if not names:  # some maps run the other way round: {"pink primrose": "1"}
        names = _names({v.strip(): k for k, v in texts.items()}, classes)
    return LabelFile(file, {"name": names}, "name") if names else None


def _from_table(file: str, text: str, classes: Sequence[str]) -> LabelFile | None:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        return None
    separator = max(",;\t|", key=lambda s: min(line.count(s) for line in lines))
    table = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
    try:
        rows = [[cell.strip() for cell in row] for row in table]
    except csv.Error:  # no table: a text with a stray quotation mark, for instance
        return None
    width = min(map(len, rows))
    if width < 2:
        return None
    keys = max(range(width), key=lambda i: len({row[i] for row in rows} & set(classes)))
    has_header = rows[0][keys] not in classes
    header = rows[0] if has_header else [f"column {i + 1}" for i in range(width)]
    body = rows[1:] if has_header else rows
    keyed = Counter(key for key, _ in {(row[keys], tuple(row)) for row in body})
    if any(keyed[c] > 1 for c in classes):  # a row for every picture, not for every class
        return None
    choices = {}
    for column in range(width):
        if column == keys or all(_is_number(row[column]) for row in body):
            continue
        names = _names({row[keys]: row[column] for row in body}, classes)
        if names and len(set(names.values())) == len(names):
            choices[plain(header[column])] = names
    if not choices:
        return None
    preferred = [c for c in choices if any(w in c.casefold() for w in ("common", "display", "english"))]
    named = [c for c in choices if "name" in c.casefold()]
    return LabelFile(file, choices, (preferred or named or list(choices))[0])


def _names(texts: dict[str, str], classes: Sequence[str]) -> dict[str, str]:
    names = {c: plain(texts[c]) for c in classes if texts.get(c, "").strip()}
    return names if 2 * len(names) >= len(classes) else {}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell
    return True
