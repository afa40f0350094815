"""A loaded model that classifies pictures. Loading is slow, asking is fast: keep one and ask it often."""

from __future__ import annotations

import itertools
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgtag.core.errors import BadPicture
from imgtag.serving.views import Views, Way, averaged, views_for
from imgtag.training.extractor import Extractor, load_exact, load_extractor
from imgtag.training.fitting import mixed
from imgtag.training.model import Model, load_model
from imgtag.training.runs import Run
from imgtag.training.trust import tempered

File = tuple[str, bytes | Path]  # what it is called, and the picture

_KEEP = 2
_TOGETHER = 32  # pictures that are judged at once; as many again are decoded meanwhile
_kept: OrderedDict[str, Predictor] = OrderedDict()
_choosing = threading.Lock()
_loading: dict[str, threading.Lock] = {}


@dataclass(frozen=True)
class Tag:
    """A class, what people call it, and its probability (0 to 1)."""

    label: str
    display: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What the model says about one file: tags, likeliest first, or the reason why it cannot be read.

    unknown: the model is too unsure, or the picture too unlike what it has learnt from; None where it cannot tell.
    """

    file: str
    tags: tuple[Tag, ...] = ()
    error: str | None = None
    unknown: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """The shape of the command line and REST: probability per class folder."""
        tags = [{"class": t.label, "probability": round(t.probability, 6)} for t in self.tags]
        return {"file": self.file, "tags": tags, "unknown": self.unknown, "error": self.error}


class Predictor:
    """A model in memory. Safe to call from several threads."""

    def __init__(self, model: Model, extractors: Sequence[Extractor]) -> None:
        self.model = model
        self._extractors = extractors
        self._lock = threading.Lock()

    def exact(self) -> Predictor:
        """The same model in single precision, as exported programs compute it; this one, if it does already."""
        if all(extractor.exact for extractor in self._extractors):
            return self
        return Predictor(self.model, [load_exact(member.row, member.tuned) for member in self.model.members])

    def classify(self, files: Iterable[File], top: int = 5, way: Way = "plain") -> list[Answer]:
        """Answers for (name, bytes or path) pairs, in their order; a bad file does not hurt the others. way: see
        `views`."""
        answers: list[Answer] = []
        decoded = self._decoded(iter(files), way)
        while some := list(itertools.islice(decoded, _TOGETHER)):
            rows = iter(self._judged([views for _, views in some if not isinstance(views, str)], way))
            answers += [
                Answer(name, error=views) if isinstance(views, str) else self._answer(name, *next(rows), top)
                for name, views in some
            ]
        return answers

    def _decoded(self, files: Iterator[File], way: Way) -> Iterator[tuple[str, Views | str]]:
        """Each file's name and its views, or why it cannot be read. Several are decoded side by side, ahead of what is
        asked for; a single one is decoded right here."""
        inputs = list(dict.fromkeys(member.row.preprocessing for member in self.model.members))

        def decode(source: bytes | Path) -> Views | str:
            try:
                return views_for(source, inputs, way, mirror=self.model.mirror)
            except BadPicture as error:
                return str(error)

        first = list(itertools.islice(files, 2))
        if len(first) < 2:
            yield from ((name, decode(source)) for name, source in first)
            return
        ahead: deque[tuple[str, Future[Views | str]]] = deque()
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            for name, source in itertools.chain(first, files):
                ahead.append((name, pool.submit(decode, source)))
                if len(ahead) == 2 * _TOGETHER:
                    early, views = ahead.popleft()
                    yield early, views.result()
            yield from ((name, views.result()) for name, views in ahead)

    def _judged(self, pictures: list[Views], way: Way) -> Iterable[tuple[np.ndarray, bool | None]]:
        """Class probabilities (K,) of each picture, the weighted mean over members and over views, and whether it is
        unknown."""
        if not pictures:
            return []
        trust, familiarity = self.model.trust, None
        parts = []
        for number, (member, extractor) in enumerate(zip(self.model.members, self._extractors, strict=True)):
            views = list(zip(*(p[member.row.preprocessing] for p in pictures), strict=True))
            # All views in one go: of a single picture, the mirrored one then takes the other core.
            rows = self._features(extractor, list(itertools.chain(*views)))
            features = [rows[i : i + len(pictures)] for i in range(0, len(rows), len(pictures))]
            if number == trust.member and trust.familiar:
                familiarity = trust.familiar.measure(features[0])
            counted = features[averaged(way, len(features))]
            parts.append(np.stack([member.head.probabilities(f) for f in counted]).mean(axis=0))
        chances = tempered(mixed(parts, [member.share for member in self.model.members]), trust.temperature)
        if not trust.refusal:
            return [(row, None) for row in chances]
        unknown = trust.refusal.refuses(chances.max(axis=1), familiarity).tolist()
        return zip(chances, unknown, strict=True)

    def _features(self, extractor: Extractor, inputs: Sequence[np.ndarray]) -> np.ndarray:
        found = []
        for start in range(0, len(inputs), extractor.batch):
            with self._lock:
                found.append(extractor.run(np.stack(inputs[start : start + extractor.batch])))
        # float16 as in the feature cache, so that a picture of the project gets the same answer here
        return np.concatenate(found).astype(np.float16)

    def _answer(self, name: str, chances: np.ndarray, unknown: bool | None, top: int) -> Answer:
        return Answer(name, self._tags(chances, top), unknown=unknown)

    def _tags(self, chances: np.ndarray, top: int) -> tuple[Tag, ...]:
        order = np.argsort(-chances, kind="stable")[:top]
        names = self.model.classes
        return tuple(Tag(names[i], self.model.display_names.get(names[i], names[i]), float(chances[i])) for i in order)

    def warm_up(self) -> None:
        """Let the engines get ready for a single picture, which is slow for the first time."""
        for member, extractor in zip(self.model.members, self._extractors, strict=True):
            size = member.row.preprocessing.size
            self._features(extractor, [np.zeros((size, size, 3), np.uint8)] * (2 if self.model.mirror else 1))


def load_predictor(run: Run) -> Predictor:
    """Load a run's model onto the fastest engine. Raises BadModel."""
    model = load_model(run)
    return Predictor(model, [load_extractor(member.row, member.tuned) for member in model.members])


def kept_predictor(run: Run) -> Predictor:
    """The run's predictor, loaded once for the whole server and warmed up; the last few models stay in memory.

    While one is being loaded, others can be asked for.
    """
    files = [run.path / "model" / name for name in ("model.safetensors", "model.json")]
    key = " ".join([str(run.path), *[str(file.stat().st_mtime_ns) for file in files if file.exists()]])
    if found := _known(key):
        return found
    with _choosing:
        loading = _loading.setdefault(key, threading.Lock())
    with loading:
        if found := _known(key):  # somebody else loaded it meanwhile
            return found
        try:
            predictor = load_predictor(run)
            predictor.warm_up()
        finally:
            _loading.pop(key, None)
        with _choosing:
            _kept[key] = predictor
            while len(_kept) > _KEEP:
                _kept.popitem(last=False)
    return predictor


def _known(key: str) -> Predictor | None:
    with _choosing:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)
