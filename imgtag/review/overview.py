"""What a run's figures mean, in a few findings: against guessing, what it confuses, where pictures are missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgtag.core.words import count, percent
from imgtag.review.metrics import ClassFigures, Evaluation

WHICH_PICTURES = {
    "val": "Validation pictures: the model had not learnt from them, but they chose what was kept of it.",
    "test": "Test pictures: the model never learnt from them, and they decided nothing.",
}
_MOST = 3
_WEAK_BELOW = 0.8  # of the accuracy
_LEAST_CHECKED = 3  # pictures of a class, before its share says anything


@dataclass(frozen=True)
class Confusion:
    """`number` of the `of` pictures of a class were called another one."""

    label: str
    predicted: str
    number: int
    of: int


@dataclass(frozen=True)
class Overview:
    """guess: the class of which there are most training pictures, "" where several have as many; guessing: how often
    always giving that answer is right.

    confusions: the most frequent ones that happened more than once. weak: classes that are found much more rarely than
    the others, the worst first.
    """

    guess: str
    guessing: float
    confusions: Sequence[Confusion]
    weak: Sequence[ClassFigures]


def overview(found: Evaluation) -> Overview:
    """The findings of an evaluation."""
    figures = {f.label: f for f in found.per_class}
    most = max(f.train_count for f in found.per_class)
    largest = [f.label for f in found.per_class if f.train_count == most]
    guess = largest[0] if len(largest) == 1 else ""
    wrong = [(label, said, n) for label, said, n in found.filled_cells if label != said and n > 1]
    weak = [
        f for f in found.per_class if f.support >= _LEAST_CHECKED and f.recall < _WEAK_BELOW * found.accuracy
    ]  # fmt: skip
    return Overview(
        guess,
        max(figures[label].support for label in largest) / found.n,
        [Confusion(label, said, n, figures[label].support) for label, said, n in wrong[:_MOST]],
        sorted(weak, key=lambda f: f.recall)[:_MOST],
    )


def findings(found: Evaluation, called: Callable[[str], str]) -> list[str]:
    """The findings as sentences; called: what people call a class."""
    seen = overview(found)
    guess = f"“{called(seen.guess)}”, the largest class," if seen.guess else "the same class"
    lines = [f"Always answering {guess} would be right {percent(seen.guessing)} of the time."]
    if seen.confusions:
        pairs = [f"{called(c.label)} for {called(c.predicted)} ({c.number} of {c.of})" for c in seen.confusions]
        lines.append(f"Most often it takes {', '.join(pairs)}.")
    elif found.right < found.n:
        wrong = count(found.n - found.right, "mistake")
        lines.append(f"Its {wrong} {'are' if found.n - found.right > 1 else 'is'} all of different kinds.")
    if seen.weak:
        weak = [f"{called(f.label)} ({percent(f.recall)} found, learnt from {f.train_count})" for f in seen.weak]
        lines.append(f"Least well found: {', '.join(weak)}. Collect more of these first.")
    return lines
