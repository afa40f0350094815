"""A loaded model that classifies pictures. Loading is slow, asking is fast: keep one and ask it often."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgtag.core.errors import BadPicture
from imgtag.serving.views import Way, averaged, views_of_picture
from imgtag.training.backbones import Preprocessing
from imgtag.training.extractor import Extractor, load_extractor
from imgtag.training.fitting import mixed
from imgtag.training.model import Model, load_model
from imgtag.training.runs import Run
from imgtag.training.trust import tempered

Views = dict[Preprocessing, list[np.ndarray]]  # of one picture, by how its networks want it

_KEEP = 2
_kept: OrderedDict[str, Predictor] = OrderedDict()
_loading = threading.Lock()


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

    def classify(self, files: Iterable[tuple[str, bytes | Path]], top: int = 5, way: Way = "plain") -> list[Answer]:
        """Answers for (name, bytes or path) pairs, in their order; a bad file does not hurt the others. way: see
        `views`."""
        answers: list[Answer] = []
        batch: list[tuple[str, bytes | Path]] = []
        for item in files:
            batch.append(item)
            if len(batch) == 32:
                answers += self._classify_batch(batch, top, way)
                batch = []
        return answers + (self._classify_batch(batch, top, way) if batch else [])

    def _classify_batch(self, batch: Sequence[tuple[str, bytes | Path]], top: int, way: Way) -> list[Answer]:
        inputs = list(dict.fromkeys(member.row.preprocessing for member in self.model.members))
        mirror = self.model.mirror

        def decode(item: tuple[str, bytes | Path]) -> Views | str:
            try:
                return {how: views_of_picture(item[1], how, way, mirror=mirror) for how in inputs}
            except BadPicture as error:
                return str(error)

        with ThreadPoolExecutor() as pool:
            decoded = list(pool.map(decode, batch))
        rows = iter(self._judged([d for d in decoded if not isinstance(d, str)], way))
        return [
            Answer(name, error=d) if isinstance(d, str) else self._answer(name, *next(rows), top)
            for (name, _), d in zip(batch, decoded, strict=True)
        ]

    def _judged(self, pictures: list[Views], way: Way) -> Iterable[tuple[np.ndarray, bool | None]]:
        """Class probabilities (K,) of each picture, the weighted mean over members and over views, and whether it is
        unknown."""
        if not pictures:
            return []
        trust, familiarity = self.model.trust, None
        parts = []
        for number, (member, extractor) in enumerate(zip(self.model.members, self._extractors, strict=True)):
            views = zip(*(p[member.row.preprocessing] for p in pictures), strict=True)
            features = [self._features(extractor, view) for view in views]
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


def load_predictor(run: Run) -> Predictor:
    """Load a run's model onto the fastest engine. Raises BadModel."""
    model = load_model(run)
    return Predictor(model, [load_extractor(member.row, member.tuned) for member in model.members])


def kept_predictor(run: Run) -> Predictor:
    """The run's predictor, loaded once for the whole server; the last few models stay in memory."""
    files = [run.path / "model" / name for name in ("model.safetensors", "model.json")]
    key = " ".join([str(run.path), *[str(file.stat().st_mtime_ns) for file in files if file.exists()]])
    with _loading:
        if key not in _kept:
            _kept[key] = load_predictor(run)
            while len(_kept) > _KEEP:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]
