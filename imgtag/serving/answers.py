"""What a model says about a pile of pictures: asked in the background, kept on disk, chosen from and put in order.

answers/<run>-<way>-<limits>.jsonl in the pile's folder holds a line for each picture, so that nothing is asked twice;
joined.json holds the classes under which pictures have joined the project meanwhile.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from imgtag.core import storage
from imgtag.data.background import Job, start_job
from imgtag.data.dataset import natural_key
from imgtag.data.piles import Item, Pile, read_in
from imgtag.serving.predictor import Answer, Tag, kept_predictor
from imgtag.serving.views import Way
from imgtag.training.runs import Run

_KEPT_TAGS = 10
_TOGETHER = 32
Order = Literal["as they came", "surest first", "least sure first", "by class", "by name"]
UNKNOWN, UNREADABLE = "unknown", "unreadable"


@dataclass(frozen=True)
class Found:
    """A file of a pile with its answer. joined: the class folder under which it has joined the project, if it has."""

    item: Item
    answer: Answer
    joined: str | None = None

    @property
    def sure(self) -> float:
        """Probability of the likeliest class, 0 to 1; 0 where the file could not be read."""
        return self.answer.tags[0].probability if self.answer.tags else 0.0

    @property
    def label(self) -> str | None:
        """Its class folder: what a person said, else the model; None where it is unknown or unreadable."""
        if self.joined:
            return self.joined
        return self.answer.tags[0].label if self.answer.tags and not self.answer.unknown else None

    @property
    def place(self) -> tuple[str, str]:
        """Where it is counted: ("class", its folder), or (UNKNOWN, "") or (UNREADABLE, "")."""
        if self.label is not None:
            return "class", self.label
        return (UNREADABLE if self.answer.error else UNKNOWN), ""


@dataclass(frozen=True)
class Wanted:
    """Which answers somebody wants to see. place: see `Found`, None for all; low, high: how sure, 0 to 1; text: a part
    of the file's name."""

    place: tuple[str, str] | None = None
    low: float = 0.0
    high: float = 1.0
    text: str = ""


# ----------------------------------------------------------------------------- asking


def asking_key(pile: Pile, run: Run, way: Way) -> str:
    """Under which name the asking is known among the background jobs."""
    return f"answers {_answers_path(pile, run, way)}"


def start_asking(pile: Pile, run: Run, way: Way) -> Job:
    """Read what waits on the pile and ask about every picture that has no answer yet; see `data.background`."""
    return start_job(asking_key(pile, run, way), "Classifying", lambda job: _ask(pile, run, way, job))


def unanswered(pile: Pile, run: Run, way: Way) -> bool:
    """Whether there is something to ask."""
    return bool(pile.waiting) or len(read_answers(pile, run, way)) < len(pile.items)


def _ask(pile: Pile, run: Run, way: Way, job: Job) -> None:
    read_in(pile, lambda done, total, name: job.report(done, total, f"Reading {name}"), job.should_stop)
    known = {found.item.number for found in read_answers(pile, run, way)}
    todo = [item for item in pile.items if item.number not in known]
    for item in (i for i in todo if i.error):
        _keep(pile, run, way, [(item, Answer(item.name, error=item.error))])
    readable = [item for item in todo if not item.error]
    job.restart(len(readable))
    predictor = kept_predictor(run) if readable else None
    for start in range(0, len(readable), _TOGETHER):
        if job.should_stop() or predictor is None:
            return
        some = readable[start : start + _TOGETHER]
        answers = predictor.classify([(item.name, item.path) for item in some], top=_KEPT_TAGS, way=way)
        _keep(pile, run, way, list(zip(some, answers, strict=True)))
        job.report(min(start + _TOGETHER, len(readable)), len(readable), some[-1].name)


def _keep(pile: Pile, run: Run, way: Way, answers: Sequence[tuple[Item, Answer]]) -> None:
    path = _answers_path(pile, run, way)
    if not pile.path.is_dir():  # cleared meanwhile
        return
    for item, answer in answers:
        tags = [[t.label, t.display, round(t.probability, 6)] for t in answer.tags]
        row = {"number": item.number, "tags": tags, "unknown": answer.unknown, "error": answer.error}
        storage.append_json_line(path, row)


def _answers_path(pile: Pile, run: Run, way: Way) -> Path:
    limits = json.dumps(run.model_facts.get("unknown_threshold"))  # other ones make other answers
    return pile.path / "answers" / f"{run.id}-{way}-{zlib.crc32(limits.encode()):08x}.jsonl"


# ----------------------------------------------------------------------------- reading


def read_answers(pile: Pile, run: Run, way: Way) -> tuple[Found, ...]:
    """The answers so far, in the order in which the pictures came."""
    path = _answers_path(pile, run, way)
    joined = pile.path / "joined.json"
    return _read(path, _size(path), joined, _size(joined), pile.items)


@functools.lru_cache(maxsize=4)  # a rerun of the page asks again
def _read(path: Path, size: int, joined: Path, joined_size: float, items: tuple[Item, ...]) -> tuple[Found, ...]:
    given = _joined(joined)
    found: dict[int, Found] = {}
    for row in storage.read_json_lines(path):
        number = int(row["number"])
        if number < len(items):
            tags = tuple(Tag(str(label), str(display), float(chance)) for label, display, chance in row["tags"])
            answer = Answer(items[number].name, tags, row["error"], row["unknown"])
            found[number] = Found(items[number], answer, given.get(items[number].id))
    return tuple(found[number] for number in sorted(found))


def remember_joined(pile: Pile, labels: Mapping[str, str | None]) -> None:
    """Keep under which classes pictures (by sha256) have joined the project; None takes it back."""
    path = pile.path / "joined.json"
    now = {**_joined(path), **labels}
    storage.write_json(path, {id_: label for id_, label in now.items() if label is not None}, durable=False)


def _joined(path: Path) -> dict[str, str]:
    found = storage.read_json(path, {})
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _size(path: Path) -> int:
    """Changes whenever the file does."""
    try:
        stat = path.stat()
    except OSError:
        return 0
    return stat.st_size + stat.st_mtime_ns


# ----------------------------------------------------------------------------- choosing


def choose(answers: Sequence[Found], wanted: Wanted, order: Order = "as they came") -> list[Found]:
    """The answers that are wanted, in an order; what could not be read comes last."""
    text = wanted.text.casefold().strip()
    kept = [
        f
        for f in answers
        if (wanted.place is None or f.place == wanted.place)
        and text in f.item.name.casefold()
        and (f.answer.error or wanted.low <= f.sure <= wanted.high)
    ]
    keys: dict[str, Callable[[Found], Any]] = {
        "as they came": lambda f: f.item.number,
        "surest first": lambda f: -f.sure,
        "least sure first": lambda f: f.sure,
        "by class": lambda f: (f.label is None, natural_key(f.label or ""), -f.sure),
        "by name": lambda f: natural_key(f.item.name),
    }
    return sorted(kept, key=lambda f: (bool(f.answer.error), keys[order](f)))


def totals(answers: Sequence[Found]) -> dict[tuple[str, str], int]:
    """How many stand in each place (see `Found`): classes with the most first, then unknown, then unreadable."""
    counted = Counter(f.place for f in answers)
    rank = {"class": 0, UNKNOWN: 1, UNREADABLE: 2}
    return dict(sorted(counted.items(), key=lambda p: (rank[p[0][0]], -p[1], natural_key(p[0][1]))))
