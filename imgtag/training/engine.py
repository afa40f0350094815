"""A training from its frozen list of pictures to a saved model.

1. Look: every picture goes once through the frozen networks (`looking`; cached).
2. Learn: a head for each network tells the classes apart by what it saw (`fitting`, or `tuning` step by step).
3. Tune, if the recipe says so: the first network itself learns on, from its head (`tuning`), and joins the others or
   replaces them as far as the validation pictures say so (`joining`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imgtag.core.errors import NotEnough
from imgtag.data.splits import SPLITS
from imgtag.training import estimates, head, parallel
from imgtag.training.backbones import Backbone, at_size, backbone, resolved
from imgtag.training.fitting import Fitted, fit_exactly, mixed, refit
from imgtag.training.joining import Answered, Parts, fine_tune
from imgtag.training.looking import Looked, look_at_pictures, rows_of, views_of
from imgtag.training.model import Member, save_model
from imgtag.training.predictions import Predicted, save_predictions
from imgtag.training.progress import Watch
from imgtag.training.runs import ManifestRow, Run
from imgtag.training.trust import Familiar, Trust, fit_refusal, fit_temperature, tempered

log = logging.getLogger(__name__)


def train(run: Run, watch: Watch) -> None:
    """Train the run to a saved model. Stopping keeps the best so far.

    Raises NotEnough when fewer than two classes have a readable training picture.
    """
    recipe = run.recipe
    rows = [_row(name, recipe.picture_size) for name in recipe.backbones]
    watch.phase("preparing", "Getting ready")
    manifest = run.manifest()
    pictures = [(m.sha256, m.split) for m in manifest]
    samples = estimates.some([run.project.path / m.path for m in manifest])
    watch.expect(estimates.phases(run.project, pictures, len(run.classes), recipe, samples))
    looked = look_at_pictures(run, rows, watch, (parallel.rank(), parallel.world()))
    looked.stopped = parallel.any_of(looked.stopped)
    if parallel.world() > 1:
        looked = _seen_together(run, rows, looked)
    rows, manifest = _seen_by_all(run, rows, manifest, looked)
    parts: list[Parts] = []
    for row in rows:
        seen = looked.features.pop(row.name)  # not kept twice in memory
        parts.append({split: rows_of(run, manifest, seen, split, views_of(run)) for split in SPLITS})
    if not _enough(parts, looked, watch):
        return
    fitted: list[Fitted] = []
    answers: list[Answered] = []
    stopped = looked.stopped
    for number, (row, part) in enumerate(zip(rows, parts, strict=True)):
        one = last = _learn_head(run, watch, part, number, stopped=stopped)
        stopped = stopped or one.stopped
        if recipe.refit and recipe.fits_exactly and len(part["val"]) and not stopped:
            last = refit(recipe, part["train"], part["val"], len(run.classes), one, watch, number)
            stopped = last.stopped
            if not stopped:
                watch.facts["refit"] = True
        fitted.append(one)
        # Validation pictures are answered by the head that has not seen them.
        heads = {split: one.head if split == "val" else last.head for split in part}
        chances = {split: p.probabilities(heads[split]) for split, p in part.items() if len(p)}
        answers.append(Answered(Member(row, last.head, 1 / len(parts)), chances))
    labels = {split: part.labels for split, part in parts[0].items() if len(part)}
    note = ""
    if recipe.tunes_network and not parallel.any_of(stopped):
        answers, stopped, note = fine_tune(run, watch, rows[0], parts[0], fitted[0], answers, labels)
    if parallel.rank() == 0:
        by_network = dict(zip([row.name for row in rows], parts, strict=True))
        _finish(run, watch, answers, labels, looked, fitted, note, by_network, stopped=stopped)


def _row(name: str, size: int | None) -> Backbone:
    row = resolved(backbone(name))
    return at_size(row, size) if size else row


def _seen_together(run: Run, rows: Sequence[Backbone], looked: Looked) -> Looked:
    """What all processes together saw, read from the cache that they share."""
    parallel.wait_for_all()
    together = look_at_pictures(run, rows, Watch(run.path, silent=True))
    together.cached, together.stopped = looked.cached, looked.stopped
    return together


def _seen_by_all(
    run: Run, rows: Sequence[Backbone], manifest: Sequence[ManifestRow], looked: Looked
) -> tuple[list[Backbone], list[ManifestRow]]:
    """The networks to learn with and the pictures that all of them saw, so that their answers can be averaged.

    After a stop, these are the networks that got furthest.
    """
    views = views_of(run)
    saw = {row.name: set.intersection(*(set(looked.features[row.name][view]) for view in views)) for row in rows}
    if looked.stopped:
        most = max(map(len, saw.values()))
        rows = [row for row in rows if len(saw[row.name]) == most]
    common = set.intersection(*(saw[row.name] for row in rows))
    return list(rows), [m for m in manifest if m.sha256 in common]


def _enough(parts: Sequence[Parts], looked: Looked, watch: Watch) -> bool:
    """Whether there is something to learn; after an early Stop there may not be, and the run ends."""
    fewest = min(len(np.unique(part["train"].labels)) for part in parts)
    if fewest >= 2:
        return True
    if looked.stopped:
        watch.finish("stopped", message="Stopped before two classes had been seen: nothing was learnt.")
        return False
    raise NotEnough(
        "Fewer than two classes have readable training pictures.",
        f"{len(looked.unreadable)} pictures could not be read.",
        "Look at the list of unreadable pictures, replace them and train again.",
    )


def _learn_head(run: Run, watch: Watch, part: Parts, number: int, *, stopped: bool) -> Fitted:
    recipe, classes = run.recipe, len(run.classes)
    if recipe.fits_exactly:
        return fit_exactly(recipe, part["train"], part["val"], classes, watch, number=number, stopped=stopped)
    from imgtag.training.tuning.trainer import learn_head

    return learn_head(run, watch, part["train"], part["val"], number).fitted


# ----------------------------------------------------------------------------- the end


def _finish(
    run: Run,
    watch: Watch,
    answers: Sequence[Answered],
    labels: dict[str, np.ndarray],
    looked: Looked,
    fitted: Sequence[Fitted],
    note: str,
    by_network: dict[str, Parts],
    *,
    stopped: bool,
) -> None:
    watch.phase("checking", "Checking what was learnt")
    shares = [a.member.share for a in answers]
    raw = {split: mixed([a.chances[split] for a in answers], shares) for split in labels}
    trust, familiarity = _trust(raw, labels, [a.member for a in answers], by_network)
    chances = {split: tempered(p, trust.temperature) for split, p in raw.items()}
    part = next(iter(by_network.values()))
    save_predictions(
        run,
        {
            split: Predicted(part[split].manifest, p, raw[split].max(axis=1), familiarity.get(split))
            for split, p in chances.items()
        },
    )
    save_model(run, [a.member for a in answers], mirror=run.recipe.mirror, trust=trust)
    results = {
        f"{split}_{name}": round(measure(p, labels[split]), 5)
        for split, p in chances.items()
        for name, measure in (("accuracy", head.accuracy), ("loss", head.mean_loss))
    }
    watch.finish(
        "stopped" if stopped else "finished",
        note=note,
        message=_closing_words(run, fitted[0], note, checked="val" in labels, stopped=stopped),
        pictures={split: len(rows) for split, rows in part.items()},
        unreadable=[[str(_relative(run, u.path)), u.reason] for u in looked.unreadable],
        cached=looked.cached,
        best_epoch=fitted[0].epoch,
        strength=fitted[0].strength,
        **results,
    )


def _trust(
    raw: dict[str, np.ndarray], labels: dict[str, np.ndarray], members: Sequence[Member], by_network: dict[str, Parts]
) -> tuple[Trust, dict[str, np.ndarray]]:
    """How far the answers can be trusted, by the validation pictures, and the familiarity of what was not learnt from.

    Familiarity goes by the first network that was not fine-tuned: what that one sees of all pictures is at hand.
    """
    if "val" not in raw:
        return Trust(), {}
    temperature = fit_temperature(raw["val"], labels["val"])
    place = next((n for n, member in enumerate(members) if member.tuned is None), None)
    familiar, familiarity = None, {}
    if place is not None:
        part = by_network[members[place].row.name]
        familiar = Familiar.of(part["train"].views[0])
        familiarity = {split: familiar.measure(part[split].views[0]) for split in labels if split != "train"}
    sure = tempered(raw["val"], temperature)
    right = sure.argmax(axis=1) == labels["val"]
    refusal = fit_refusal(sure.max(axis=1), familiarity.get("val"), right)
    return Trust(temperature, refusal, familiar, place or 0), familiarity


def _relative(run: Run, path: str) -> Path:
    whole = Path(path)
    return whole.relative_to(run.project.path) if whole.is_relative_to(run.project.path) else whole


def _closing_words(run: Run, fitted: Fitted, note: str, *, checked: bool, stopped: bool) -> str:
    if stopped:
        return f"Stopped by you; the best state so far (round {fitted.epoch}) was kept. {note}".strip()
    measure = "validation pictures" if checked else "training pictures (there are none to validate)"
    whose = "Of the first network's head, kept" if len(run.recipe.backbones) > 1 or run.recipe.tunes_network else "Kept"
    words = f"{whose} round {fitted.epoch}, where the loss on {measure} was lowest"
    if fitted.strength is not None:
        how = "chosen by cross-validation on the training pictures" if run.recipe.strength is None else "as you set it"
        words += f"; smoothness (regularisation) {fitted.strength:g}, {how}"
    return f"{words}. {note}".strip()
