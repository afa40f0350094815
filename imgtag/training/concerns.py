"""What is worth knowing about the pictures before a training, in plain words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from imgtag.core.settings import limit
from imgtag.data.dataset import Dataset
from imgtag.data.splits import read_splits


@dataclass(frozen=True)
class Concern:
    """Something to know before training: what, why it matters, what to do.

    `blocking` prevents the start; a `hint` is no cause for worry.
    """

    title: str
    explanation: str
    remedy: str
    blocking: bool = False
    hint: bool = False


def concerns(dataset: Dataset) -> list[Concern]:
    """Warnings about the pictures in plain words, the worst first."""
    found = []
    counts = Counter(p.label for p in dataset.for_training)
    if len(counts) < 2:
        found.append(
            Concern(
                "At least two classes with pictures are needed.",
                f"There {'is one' if counts else 'is none'} now. A tagger learns by comparing classes.",
                "Add pictures in class folders, or sort the unsorted ones.",
                blocking=True,
            )
        )
        return found
    few = {name: counts[name] for name in dataset.class_names if 0 < counts[name] < limit("few_pictures")}
    if few:
        listed = ", ".join(f"{dataset.project.display_name(n)} ({c})" for n, c in list(few.items())[:6])
        more = f" and {len(few) - 6} more" if len(few) > 6 else ""
        found.append(
            Concern(
                f"{len(few)} class{'es have' if len(few) > 1 else ' has'} under {limit('few_pictures')} pictures.",
                f"{listed}{more}. What is learnt from so few is shaky, and so is the figure for it.",
                "Add pictures to them, or leave these classes out of training (Collect, Check the pictures).",
            )
        )
    most, least = max(counts.values()), min(counts.values())
    if most >= limit("unequal_ratio") * least:
        largest = dataset.project.display_name(max(counts, key=lambda n: counts[n]))
        smallest = dataset.project.display_name(min(counts, key=lambda n: counts[n]))
        found.append(
            Concern(
                "The classes are very unequal.",
                f"“{largest}” has {most} pictures, “{smallest}” {least}. Rare classes are missed more often.",
                f"Collect more for “{smallest}”. Watch the figures per class on the Review page.",
            )
        )
    if dataset.left_out:
        named = ", ".join(dataset.project.display_name(n) for n in sorted(dataset.left_out))
        found.append(
            Concern(
                f"Left out of training: {named}.",
                "You chose so on the page Collect, under “Check the pictures”.",
                "Take them in again there.",
                hint=True,
            )
        )
    splits = read_splits(dataset.project)
    taught = {p.label for p in dataset.for_training if splits.get(p.id, "train") == "train"}
    untaught = [dataset.project.display_name(n) for n in dataset.class_names if counts[n] and n not in taught]
    if untaught and dataset.project.settings.get("splits") == "imported":
        found.append(
            Concern(
                f"{len(untaught)} class{'es have' if len(untaught) > 1 else ' has'} no training pictures.",
                f"{', '.join(untaught[:6])}: in the folders that you brought, all are for checking. Left out.",
                "Add pictures to them.",
            )
        )
    if dataset.doubtful:
        found.append(
            Concern(
                f"{len(dataset.doubtful)} pictures lie in two class folders at once.",
                "They are left out of training, because their label is not clear.",
                "On the Label page, move each of them to the class it belongs to.",
            )
        )
    if dataset.unsorted:
        found.append(
            Concern(
                f"{len(dataset.unsorted)} pictures are not sorted yet.",
                "Training uses only pictures that lie in a class.",
                "Sort them on the Label page, or leave them for later.",
                hint=True,
            )
        )
    return found
