"""Markdown tables of what bench/training.py measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]  # one line of the results file

# Methods whose accuracy is no statement about them, and why.
REMARKS = {
    "ultralytics": "from random weights, one epoch: for speed only",
    "quick again": "ten training labels were made wrong: for time only",
}


def tables(lines: Sequence[Line], methods: Sequence[str]) -> str:
    """A table a set, then the means over sets. Methods without any result are passed over."""
    sets = list(dict.fromkeys(line["set"] for line in lines))
    parts = [_set_table(name, [x for x in lines if x["set"] == name], methods) for name in sets]
    remarks = [f"`{m}`: {text}." for m, text in REMARKS.items() if any(x["method"] == m for x in lines)]
    return "\n\n".join([*parts, _means(lines, methods), _LEGEND, *remarks])


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that was seen in n trials."""
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


_LEGEND = (
    "Seconds: whole process from start to exit, imports included, median over the repeats; × quick: against quick "
    "in the same repeat, median. Test accuracy: all repeats together, with its 95 % interval (Wilson); where all "
    "repeats have the same published test pictures, these count once in the interval."
)


def _set_table(name: str, lines: Sequence[Line], methods: Sequence[str]) -> str:
    rows = [_row(method, lines) for method in methods if any(x["method"] == method for x in lines)]
    head = "| method | seconds | × quick | test accuracy | right | epochs | training pictures/s |"
    on = sorted({str(x["machine"]) for x in lines if "machine" in x})
    return "\n".join([f"### {name}", "", *[f"On {m}.\n" for m in on], head, "|---|--:|--:|---|--:|--:|--:|", *rows])


def _row(method: str, lines: Sequence[Line]) -> str:
    mine = [x for x in lines if x["method"] == method]
    quick = {x["repeat"]: x["seconds"] for x in lines if x["method"] == "quick"}
    ratios = [x["seconds"] / quick[x["repeat"]] for x in mine if x["repeat"] in quick]
    cells = [
        method,
        f"{_median(mine, 'seconds'):.1f}",
        f"{statistics.median(ratios):.1f}" if ratios else "–",
        *_accuracy(mine),
        f"{_median(mine, 'epochs'):.0f}" if "epochs" in mine[0] else "–",
        f"{_median(mine, 'train_pictures_per_second'):.0f}" if "train_pictures_per_second" in mine[0] else "–",
    ]
    return f"| {' | '.join(cells)} |"


def _accuracy(mine: Sequence[Line]) -> tuple[str, str]:
    if "test_right" not in mine[0]:
        return "–", "–"
    right, n = sum(x["test_right"] for x in mine), sum(x["test_n"] for x in mine)
    low, high = wilson(right / n, mine[0]["test_n"] if mine[0]["fixed_test"] else n)
    text = f"{100 * right / n:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    return f"({text})" if mine[0]["method"] in REMARKS else text, f"{right}/{n}"


def _means(lines: Sequence[Line], methods: Sequence[str]) -> str:
    rows = []
    for method in methods:
        mine = [x for x in lines if x["method"] == method and "test_right" in x]
        if mine and method not in REMARKS:
            sets = dict.fromkeys(x["set"] for x in mine)
            shares = [_share([x for x in mine if x["set"] == name]) for name in sets]
            rows.append(f"| {method} | {100 * statistics.mean(shares):.2f} % | {len(shares)} |")
    return "\n".join(["### Mean over the sets", "", "| method | test accuracy | sets |", "|---|--:|--:|", *rows])


def _share(lines: Sequence[Line]) -> float:
    return sum(x["test_right"] for x in lines) / sum(x["test_n"] for x in lines)


def _median(lines: Sequence[Line], key: str) -> float:
    return statistics.median(x[key] for x in lines)
