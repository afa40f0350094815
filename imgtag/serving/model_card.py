"""The model card: one page of Markdown about what a model has learnt from, how well it does, and where it ends.

Source of the form: Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from imgtag import __version__
from imgtag.core.errors import BadRecipe, NotFound
from imgtag.core.words import count, duration, percent, right_of
from imgtag.review.calibration import calibration
from imgtag.review.metrics import Evaluation, evaluate
from imgtag.review.overview import WHICH_PICTURES, findings
from imgtag.training.backbones import backbone
from imgtag.training.runs import Run

_MOST_CONFUSIONS = 10


def write_card(run: Run) -> str:
    """The card of a run's model, in Markdown. What is not known about it is left out."""
    parts = [_head(run), _data(run)]
    for split, title in (("test", "On test pictures"), ("val", "On validation pictures")):
        try:
            found = evaluate(run, split)
        except NotFound:
            continue
        parts.append(_figures(run, found, title))
    return "\n\n".join([*parts, _calibration(run), _limits(run), _networks(run)]) + "\n"


def _head(run: Run) -> str:
    names = ", ".join(_cell(run.display_name(c)) for c in run.classes)
    return (
        f"# Model card: {run.project.title}\n\n"
        f"It tells {len(run.classes)} classes of pictures apart: {names}. Every picture gets one of them, or “unknown”."
        "\n\n"
        f"Trained on {time.strftime('%Y-%m-%d', time.localtime(run.created))} with imgtag {__version__}, preset "
        f"{run.recipe.preset}; it took {duration(run.status.get('seconds')) or 'an unknown time'}."
    )


def _data(run: Run) -> str:
    manifest = run.manifest()
    by_split = {split: Counter(m.label for m in manifest if m.split == split) for split in ("train", "val", "test")}
    rows = [
        (run.display_name(c), *(by_split[split][c] for split in ("train", "val", "test"))) for c in run.classes
    ]  # fmt: skip
    total = ("all", *(sum(by_split[split].values()) for split in ("train", "val", "test")))
    refit = " At the end it learnt from the validation pictures as well." if run.status.get("refit") else ""
    return (
        "## Data\n\n"
        f"{count(len(manifest), 'picture')}, sorted by hand. The validation pictures chose what was kept of it; "
        f"the test pictures decided nothing. Pictures that show nearly the same stand on one side.{refit}\n\n"
        + _table(("class", "training", "validation", "test"), [*rows, total])
    )


def _figures(run: Run, found: Evaluation, title: str) -> str:
    names = {c: run.display_name(c) for c in run.classes}
    low, high = found.interval
    rows = [
        (names[f.label], f"{f.precision:.3f}", f"{f.recall:.3f}", f"{f.f1:.3f}", f.support) for f in found.per_class
    ]
    wrong = [(names[a], names[b], n) for a, b, n in found.filled_cells if a != b][:_MOST_CONFUSIONS]
    confusions = _table(("shown", "taken for", "times"), wrong) if wrong else "None."
    said = "\n".join(f"- {line}" for line in findings(found, names.__getitem__))
    return (
        f"## {title}\n\n{WHICH_PICTURES[found.split]}\n\n"
        f"**{right_of(found.right, found.n)}: {percent(found.accuracy)}** (with 95 % certainty between {percent(low)} "
        f"and {percent(high)}); macro F1 {found.macro_f1:.3f}, log loss {found.log_loss:.3f}.\n\n{said}\n\n"
        + _table(("class", "precision", "recall", "F1", "pictures"), rows)
        + f"\n\nWhat is taken for what, most often first:\n\n{confusions}"
    )


def _calibration(run: Run) -> str:
    lines = [f"Temperature {float(run.model_facts.get('temperature', 1.0)):.3f}, fitted on the validation pictures."]
    for split, name in (("test", "test"), ("val", "validation")):
        try:
            found = evaluate(run, split)
        except NotFound:
            continue
        gaps = calibration(found.predictions)
        before = f" (before the temperature {percent(gaps.gap_before)})" if gaps else ""
        lines.append(f"Mean gap between how sure it is and how often it is right, on {name} pictures (ECE): "
                     f"{percent(found.ece)}{before}.")  # fmt: skip
    return "## Are its probabilities honest?\n\n" + "\n".join(f"- {line}" for line in lines)


def _limits(run: Run) -> str:
    lines = [
        "It knows these classes only, as its training pictures show them: other cameras, light, angles, drawings or "
        "edited pictures can be another matter. Try it on your own pictures first.",
        "It names one class for the whole picture; it neither finds nor counts things.",
    ]
    refusal = run.model_facts.get("unknown_threshold")
    if refusal:
        alike = (
            f", or its familiarity below {refusal['familiarity']:.3f}" if refusal.get("familiarity") is not None else ""
        )
        lines.append(
            f"It answers “unknown” where its largest probability is below {refusal['probability']:.3f}{alike}; this "
            f"costs {percent(refusal['cost'])} of the right answers on validation pictures. It refuses most strangers, "
            "not all."
        )
    else:
        lines.append("It never answers “unknown”: there were too few validation pictures to find the limits.")
    lines.append("Do not let it decide alone about people, or where a mistake does harm.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _networks(run: Run) -> str:
    rows: list[tuple[Any, ...]] = []
    for member in run.model_facts.get("members") or [{"backbone": run.model_facts.get("backbone", "")}]:
        name = str(member.get("backbone", ""))
        try:
            row = backbone(name)
        except BadRecipe:
            rows.append((name, "", "", "not known here"))
            continue
        learnt = "fine-tuned" if member.get("tuned") else "as it was"
        rows.append((row.title, f"{float(member.get('share', 1.0)):.2f}", learnt, row.licence, row.source))
    shape = ("network", "share", "weights", "licence", "from")
    return (
        "## Networks and their licences\n\n"
        + _table(shape, [(*row, *[""] * (len(shape) - len(row))) for row in rows])
        + "\n\nThe pretrained weights have learnt from ImageNet or what their source names. What your own pictures "
        "may be used for is up to you."
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
