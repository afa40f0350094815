"""The first network fine-tuned, and how far it joins the others or replaces them: validation pictures decide."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgtag.training import head, parallel
from imgtag.training.backbones import Backbone
from imgtag.training.extractor import Tuned, forget, load_extractor
from imgtag.training.features import features_in_batches
from imgtag.training.fitting import Fitted, mixed
from imgtag.training.looking import Rows, views_of
from imgtag.training.model import Member
from imgtag.training.progress import Watch
from imgtag.training.runs import Run, files_of

_SHARES = (0.0, 0.3, 0.5, 0.7, 1.0)  # parts of the tuned network in the answer that are tried

Parts = dict[str, Rows]  # by split
Chances = dict[str, np.ndarray]  # probabilities (N, K) by split


@dataclass(frozen=True)
class Answered:
    """A member of the model with its answers about the run's pictures, by split."""

    member: Member
    chances: Chances


def fine_tune(
    run: Run,
    watch: Watch,
    row: Backbone,
    part: Parts,
    start: Fitted,
    others: list[Answered],
    labels: dict[str, np.ndarray],
) -> tuple[list[Answered], bool, str]:
    """Fine-tune the first network and let it join the others as far as it helps; whether it was stopped; a sentence."""
    if "val" not in labels:
        return others, False, "Without validation pictures nothing could show that fine-tuning helps: it was left out."
    watch.phase("measuring", "Loading what fine-tuning needs")  # takes seconds
    from imgtag.training.tuning.trainer import tune_network

    learnt = tune_network(run, watch, row, part["train"], part["val"], start)
    stopped = learnt.fitted.stopped
    if parallel.rank() or learnt.fitted.epoch == 0:
        return others, stopped, learnt.note
    watch.phase("checking", "Checking the fine-tuned network")
    member = Member(row, learnt.fitted.head, 1.0, _as_tuned(learnt.weights))
    tuned = Answered(member, {})
    # After a Stop the best so far is checked all the same; a Stop during the check does without it.
    instead = {s: mixed([a.chances[s] for a in others], [a.member.share for a in others]) for s in labels}
    ask = _asker(run, watch, member, part, instead, obeys=not stopped)
    try:
        tuned.chances["val"] = ask("val")
        answers, note = decide(others, tuned, labels)
        kept = any(a.chances is tuned.chances for a in answers)
        for split in labels if kept else ():
            if split != "val":
                tuned.chances[split] = ask(split)
    except head.Stopped:
        return others, True, "Stopped before the fine-tuned network was checked: it was not used."
    if member.tuned and not kept:
        forget(row, member.tuned)
    if all(a.chances is tuned.chances for a in answers):  # it never learnt from the validation pictures
        watch.facts.pop("refit", None)
    return answers, stopped, note


def _as_tuned(weights: dict[str, np.ndarray] | None) -> Tuned | None:
    """Weights with the name under which their converted form is kept; None where only the head has learnt."""
    if weights is None:
        return None
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].tobytes())
    return Tuned(digest.hexdigest()[:16], lambda: weights)


def _asker(
    run: Run, watch: Watch, member: Member, part: Parts, instead: Chances, *, obeys: bool
) -> Callable[[str], np.ndarray]:
    """Answers the pictures of a split, float32 (N, K), with a network that no cache knows.

    instead: the answers about pictures that are gone since they were looked at, so that they speak for neither side.
    obeys: Stop and Pause.
    """
    if member.tuned is None:
        return lambda split: part[split].probabilities(member.head)
    extractor = load_extractor(member.row, member.tuned, gpu_allowed=run.recipe.devices != "cpu")
    total, done = sum(map(len, part.values())), 0

    def ask(split: str) -> np.ndarray:
        nonlocal done
        manifest = part[split].manifest
        answers = instead[split].copy()
        position = {m.sha256: i for i, m in enumerate(manifest)}
        pictures = zip([m.sha256 for m in manifest], files_of(run, manifest), strict=True)
        with contextlib.closing(features_in_batches(member.row, extractor, pictures, views_of(run), [])) as batches:
            for fresh in batches:
                ids = list(next(iter(fresh.values())))
                chances = [member.head.probabilities(np.stack([f[i] for i in ids])) for f in fresh.values()]
                answers[[position[i] for i in ids]] = np.stack(chances).mean(axis=0)
                done += len(ids)
                watch.phase("checking", f"Checking the fine-tuned network, picture {done} of {total}", total, done)
                if obeys:
                    watch.check_stop()
        return answers

    return ask


def decide(answers: Sequence[Answered], tuned: Answered, labels: dict[str, np.ndarray]) -> tuple[list[Answered], str]:
    """How large a part the tuned network gets: the smallest that is as good on the validation pictures as the best.

    As good means: no worse by more than chance would have it, one standard error of the difference (the rule of
    Breiman et al., Classification and Regression Trees, 1984). `answers` have equal shares, which they keep in
    proportion.
    """
    others = mixed([a.chances["val"] for a in answers], [a.member.share for a in answers])
    losses = {s: _losses(mixed([others, tuned.chances["val"]], [1 - s, s]), labels["val"]) for s in _SHARES}
    best = losses[min(_SHARES, key=lambda s: float(losses[s].mean()))]
    share = next(s for s in _SHARES if _no_worse(losses[s] - best))
    if share == 0:
        note = "Fine-tuning did not make it better on the validation pictures, so the network stayed as it was."
        return list(answers), note
    rest = (
        [replace(a, member=replace(a.member, share=(1 - share) * a.member.share)) for a in answers] if share < 1 else []
    )
    note = (
        f"Fine-tuning made it better on the validation pictures (loss {losses[0.0].mean():.3f} before, "
        f"{losses[share].mean():.3f} with it); the tuned network has {share:.0%} of the say."
    )
    return [replace(tuned, member=replace(tuned.member, share=share)), *rest], note


def _no_worse(difference: np.ndarray) -> bool:
    return bool(difference.mean() <= difference.std() / np.sqrt(len(difference)))


def _losses(chances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-12)))
