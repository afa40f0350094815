"""The health of the pictures on a screen: what was found, why it matters, and one click to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from imgtag.core.settings import limit
from imgtag.core.words import count
from imgtag.data import edits, history
from imgtag.data.background import Job
from imgtag.data.crops import MOST_PICTURES
from imgtag.data.dataset import Dataset, Picture
from imgtag.data.health import Health, check
from imgtag.data.leaks import close_leaks, leaks_closed, reopen_leaks
from imgtag.data.projects import Project
from imgtag.data.splits import read_splits
from imgtag.ui.errors import shown_errors
from imgtag.ui.grid import PAGE_SIZE, Tile, sort_grid, tile
from imgtag.ui.sorting import carry_out, targets_of
from imgtag.ui.text import literal
from imgtag.ui.waiting import worked_out
from imgtag.ui.widgets import flash, folded

_WHY = {
    "blurry": "out of focus",
    "dark": "very dark",
    "bright": "nearly white",
    "blank": "nothing to see",
    "tiny": "under 64 pixels",
    "odd shape": "over three times as long as wide",
}


def health_area(project: Project, dataset: Dataset) -> None:
    """What is wrong with the pictures, once somebody asks for it."""
    if not dataset.pictures:
        return
    opened = folded("Check the pictures", ":material/health_and_safety:", key=f"health {project.name}")
    if opened is None:
        return
    with opened:
        state = hash((dataset.pictures, dataset.copies, tuple(read_splits(project).items())))
        found = worked_out(project, "health", state, lambda job: _check(dataset, job), title="The check", older=False)
        if found:
            _show(project, dataset, found)


def _check(dataset: Dataset, job: Job) -> Health:
    return check(dataset, lambda done, of: job.report(done, of, ""))


# ----------------------------------------------------------------------------- what was found


def _show(project: Project, dataset: Dataset, found: Health) -> None:
    things = (
        (found.unreadable, _unreadable), (found.conflicts, _conflicts), (found.leaks, _leaks), (found.copies, _copies),
        (found.problems, _problems), (found.near, _near),
    )  # fmt: skip
    for what, show in things:
        if what:
            show(project, dataset, found)
    thin = _thin_classes(project, dataset)
    if found.usual:
        listed = ", ".join(_WHY[kind] for kind in found.usual)
        st.caption(f"Many of these pictures are {listed}: that is their kind, so they are not listed.")
    if found.checked > MOST_PICTURES:
        st.caption(
            f"Of more than {MOST_PICTURES:,} pictures, only copies that were saved again, resized or mirrored are "
            "found, not parts that were cut out of another picture."
        )
    if not thin and not any(what for what, _ in things):
        st.success(f"All {count(found.checked, 'picture')} are fine.", icon=":material/task_alt:")
    if leaks_closed(project):
        st.caption("Twins were brought to one side of the split.")
        if st.button("Back to the split as it was"):
            flash(f"{count(reopen_leaks(project), 'picture')} went back.")
            st.rerun()


def _thin_classes(project: Project, dataset: Dataset) -> bool:
    """Classes with few pictures: collect more, or leave them out for now."""
    few = limit("few_pictures")
    thin = [name for name, n in dataset.counts.items() if 0 < n < few or name in dataset.left_out]
    if not thin:
        return False
    st.markdown(
        f"**{count(len(thin), 'class has', 'classes have')} under {few} pictures, or are left out.** What is learnt "
        "from so few is shaky. Collect more of them, or leave them out of training for now; their pictures stay."
    )
    key = f"left out {project.name}"
    left_out = [name for name in thin if name in dataset.left_out]
    st.session_state[key] = left_out  # another window may have changed it: what is written down is shown
    st.pills(
        "Leave out of training",
        thin,
        selection_mode="multi",
        format_func=lambda n: f"{literal(project.display_name(n))} ({dataset.counts[n]})",
        key=key,
        on_change=lambda: project.change_settings(left_out=sorted(st.session_state[key])),
    )
    return True


def _unreadable(project: Project, dataset: Dataset, found: Health) -> None:
    st.markdown(f"**{count(len(found.unreadable), 'file')} cannot be read.** A training leaves them out.")
    st.caption(literal(", ".join(p.name for p in found.unreadable[:20])))
    _trash_button(project, found.unreadable, "Move them to the trash", "unreadable")


def _conflicts(project: Project, dataset: Dataset, found: Health) -> None:
    st.markdown(
        f"**{count(len(found.conflicts), 'pair')} of pictures show nearly the same under two classes.** "
        "A model cannot learn both: give each pair one class, or trash one of the two."
    )
    _grid(project, dataset, [p for pair in found.conflicts for p in pair], "conflicts")


def _leaks(project: Project, dataset: Dataset, found: Health) -> None:
    splits = read_splits(project)
    sides = Counter(splits[checked.id] for _, checked in found.leaks)
    st.markdown(
        f"**{count(len(found.leaks), 'pair')} of pictures show nearly the same, one to learn from and one "
        "to be checked with.** The model has seen the answer, so its accuracy looks better than it is "
        f"(leakage: {sides['val']} in validation, {sides['test']} in test)."
    )
    _grid(project, dataset, [p for pair in found.leaks for p in pair], "leaks", _sides(project))
    if st.button("Let each pair learn together", type="primary", icon=":material/join:"):
        moved = close_leaks(project, dataset.labelled, [[p.id for p in group] for group in found.near])
        if moved:
            flash(f"{count(moved, 'picture')} changed sides. The next training uses the clean split.")
        else:
            flash("These stay: a class would have no picture left to learn from or to be checked with. Add some to it.")
        st.rerun()


def _copies(project: Project, dataset: Dataset, found: Health) -> None:
    extra = sum(len(group) - 1 for group in found.copies)
    st.markdown(f"**{count(extra, 'file')} repeat a picture byte for byte.** Each picture counts once.")
    if st.button("Move the copies to the trash", icon=":material/delete:"):
        with shown_errors():
            flash(f"{count(edits.trash_copies(project).moved, 'copy', 'copies')} moved to the trash.")
            st.rerun()


def _problems(project: Project, dataset: Dataset, found: Health) -> None:
    kinds: dict[str, list[str]] = {}
    for problem in found.problems:
        kinds.setdefault(problem.picture.id, []).append(_WHY[problem.kind])
    st.markdown(
        f"**{count(len(kinds), 'picture')} may teach little.** Keep those that you can tell yourself; trash the others."
    )
    pictures = [dataset.by_id[i] for i in kinds]
    _grid(project, dataset, pictures, "quality", {i: ", ".join(why) for i, why in kinds.items()})


def _near(project: Project, dataset: Dataset, found: Health) -> None:
    pictures = [p for group in found.near for p in group]
    st.markdown(
        f"**{count(len(found.near), 'group')} of pictures show nearly the same**: bursts, parts of another picture, "
        "pictures that were saved again. That is no mistake: they stay on one side of the split. Trash those that you "
        "do not need."
    )
    _grid(project, dataset, pictures, "near", _sides(project))


def _sides(project: Project) -> dict[str, str]:
    """The split of each picture in words, by id."""
    words = {"train": "training", "val": "validation", "test": "test"}
    return {id_: words[split] for id_, split in read_splits(project).items()}


def _grid(
    project: Project,
    dataset: Dataset,
    pictures: Sequence[Picture],
    key: str,
    notes: dict[str, str] | None = None,
) -> None:
    """These pictures with their classes, to be mended where they are shown."""
    shown: list[Tile] = []
    for picture in dict.fromkeys(p for p in pictures if p.id in dataset.by_id):
        label = project.display_name(picture.label) if picture.label else "unsorted"
        shown.append(tile(project, picture.id, picture.name, label, (notes or {}).get(picture.id, "")))
    sort_grid(
        shown[:PAGE_SIZE],
        targets_of(project, dataset),
        lambda step: carry_out(project, step),
        key=f"{key} {project.name}",
        label=f"Pictures: {key}",
        place=None,
        undo=history.last_change(project),
    )
    if len(shown) > PAGE_SIZE:
        st.caption(f"The first {PAGE_SIZE} of {len(shown):,} are shown; the others follow when these are mended.")


def _trash_button(project: Project, pictures: Sequence[Picture], label: str, key: str) -> None:
    if st.button(label, key=f"trash {key}", icon=":material/delete:"):
        with shown_errors():
            flash(f"{count(edits.trash_pictures(project, [p.id for p in pictures]).moved, 'file')} moved to the trash.")
            st.rerun()
