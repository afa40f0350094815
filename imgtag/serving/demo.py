"""What a demo shows: the training, the words for the audience, prepared examples, and who may come in.

<project>/demo/  settings.json  what is shown, and the hash of the PIN
                 and what `demo_process` needs
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imgtag.core import storage
from imgtag.core.errors import BadPin
from imgtag.core.words import count, percent
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.review.browse import Wanted, browse
from imgtag.review.metrics import Prediction, evaluate, read_predictions
from imgtag.serving.door import HashedPin
from imgtag.serving.network import configured_login
from imgtag.training.runs import Run

MOST_EXAMPLES, _USUAL_EXAMPLES = 12, 8
_HOW_STRICT = {
    "test": "test pictures that it had never seen",
    "val": "validation pictures that it had not learnt from, though they helped to choose this model",
}


@dataclass(frozen=True)
class DemoSettings:
    """What a demo shows. run: id of the training; examples: sha256 of pictures; network: everybody in the network may
    reach it, else this computer alone; pin: None where none is asked."""

    run: str
    title: str
    sentence: str = ""
    examples: tuple[str, ...] = ()
    network: bool = False
    pin: HashedPin | None = None


def demo_folder(project: Project) -> Path:
    """Where all about the demo is."""
    return project.path / "demo"


def read_settings(project: Project) -> DemoSettings | None:
    """What was chosen for the demo; None when nothing was, or the file is damaged."""
    found = storage.read_json(demo_folder(project) / "settings.json", {})
    try:
        pin = HashedPin(str(found["pin"]["salt"]), str(found["pin"]["hash"])) if found["pin"] else None
        examples = tuple(str(id_) for id_ in found["examples"])[:MOST_EXAMPLES]
        run, title, sentence = (str(found[key]) for key in ("run", "title", "sentence"))
        return DemoSettings(run, title, sentence, examples, bool(found["network"]), pin)
    except (KeyError, TypeError):
        return None


def save_settings(project: Project, settings: DemoSettings) -> None:
    """Keep what was chosen. Raises BadPin where the network may come in and nothing is asked at the door."""
    require_door(settings, network=settings.network)
    storage.write_json(demo_folder(project) / "settings.json", asdict(settings))


def change_pin(project: Project, pin: HashedPin) -> None:
    """Another PIN, also while the demo is shown: who is in stays in."""
    settings = read_settings(project)
    if settings:
        save_settings(project, replace(settings, pin=pin))


def require_door(settings: DemoSettings, *, network: bool) -> None:
    """Raise BadPin where others could come in without being asked for anything."""
    if network and not settings.pin and not configured_login():
        raise BadPin(
            "A demo for the network needs a PIN.",
            "Without one, everybody in the network could open it.",
            "Choose a PIN, or show it on this computer only.",
        )


def usual_settings(run: Run) -> DemoSettings:
    """What a demo of this training shows where nobody has chosen anything."""
    return DemoSettings(run.id, run.project.title, examples=tuple(p.sha256 for p in usual_examples(run)))


def unseen(run: Run) -> list[Prediction]:
    """The pictures that the model did not learn from and that are still there: test pictures, then validation pictures.

    Where it learnt from the validation pictures as well at the end, they are left out.
    """
    splits = ("test",) if run.status.get("refit") else ("test", "val")
    there = look(run.project).by_id
    kept = (p for p in read_predictions(run) if p.split in splits and p.sha256 in there)
    return sorted(kept, key=lambda p: splits.index(p.split))


def usual_examples(run: Run) -> list[Prediction]:
    """Some that the model has right: of as many classes as there are, the surest of each first."""
    right = browse(unseen(run), Wanted(right=True), "sure")
    seen: Counter[str] = Counter()
    turns = []
    for place, p in enumerate(right):
        seen[p.label] += 1
        turns.append((seen[p.label], place))
    return [right[place] for _, place in sorted(turns)[:_USUAL_EXAMPLES]]


def facts_in_words(run: Run) -> str:
    """What it was trained on and how often it is right, for the foot of the demo: two honest sentences."""
    predictions = read_predictions(run)
    learnt = int(run.status.get("pictures", {}).get("train", 0)) or sum(p.split == "train" for p in predictions)
    words = f"Trained on {count(learnt, 'picture')} of {count(len(run.classes), 'class', 'classes')}."
    split = next((s for s in ("test", "val") if any(p.split == s for p in predictions)), None)
    if split is None:
        return f"{words} How often it is right was not measured."
    found = evaluate(run, split)
    low, high = found.interval
    return (
        f"{words} It was right for {found.right:,} of {found.n:,} {_HOW_STRICT[split]}: {percent(found.accuracy)}. "
        f"For new pictures like these, expect between {round(100 * low)} and {round(100 * high)} %."
    )
