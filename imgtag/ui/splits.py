"""Which pictures train, validate and test: shown per class, with other shares, the folders' own, cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import streamlit as st

from imgtag.core.words import count, percent
from imgtag.data import history
from imgtag.data.dataset import Dataset
from imgtag.data.duplicates import same_shots
from imgtag.data.importing import importing
from imgtag.data.projects import Project
from imgtag.data.splits import SPLITS, assign_splits, deal_again, folder_splits, read_splits, shares_of, use_folders
from imgtag.training import ahead
from imgtag.ui import charts
from imgtag.ui.errors import shown_errors
from imgtag.ui.waiting import forget_result, looked_at, worked_out
from imgtag.ui.who import who
from imgtag.ui.widgets import flash, folded

_SMALL_CLASS = 20  # pictures: four or fewer of them validate


def splits_area(project: Project, dataset: Dataset) -> None:
    """How the labelled pictures are dealt out, once somebody asks for it."""
    if not dataset.labelled:
        return
    opened = folded("Training, validation and test", ":material/call_split:", key=f"splits {project.name}")
    if opened is None:
        return
    with opened:
        if importing(project):
            st.caption("Pictures are coming in; they are dealt out when all are there.")
            return
        state = hash((dataset.pictures, str(project.settings.get("shares")), tuple(read_splits(project).items())))
        splits = worked_out(project, "splits", state, lambda _: _assign(project, dataset), title="The splits")
        if splits:
            _show(project, dataset, splits)


def _assign(project: Project, dataset: Dataset) -> dict[str, str]:
    return assign_splits(project, dataset.labelled, same_shots(project, dataset.pictures))


def _show(project: Project, dataset: Dataset, splits: dict[str, str]) -> None:
    st.caption(
        "A model learns from the training pictures, its settings are chosen with the validation pictures, and the test "
        "pictures say how good it is: it has never seen them. Pictures of the same shot stay on one side."
    )
    numbers = {name: Counter(splits[p.id] for p in dataset.by_class[name] if p.id in splits) for name in dataset.counts}
    charts.split_counts(numbers, project.display_names(), key="split counts")
    _shares(project, dataset)
    _cross_validation(project, dataset)


def _shares(project: Project, dataset: Dataset) -> None:
    now = shares_of(project)
    ends = st.slider(
        "Shares: training up to the first handle, validation up to the second, test after it",
        0,
        100,
        (round(100 * now["train"]), round(100 * (now["train"] + now["val"]))),
        5,
        format="%d %%",
        key=f"shares {project.name}",
    )
    shares = dict(zip(SPLITS, (ends[0] / 100, (ends[1] - ends[0]) / 100, 1 - ends[1] / 100), strict=True))
    words = f"{ends[0]} / {ends[1] - ends[0]} / {100 - ends[1]}"
    folders = folder_splits(project)
    splits = read_splits(project)
    imported = all(splits.get(p.id) == folders[p.id] for p in dataset.labelled if p.id in folders)
    with st.container(horizontal=True):
        usable = shares["train"] > 0 and shares["val"] > 0
        if st.button(f"Deal all out anew: {words}", disabled=not usable, icon=":material/shuffle:"):
            _change(project, dataset, words, lambda shots: deal_again(project, dataset.labelled, shots, shares))
        if folders and st.button("Use my folders", disabled=imported, icon=":material/folder:"):
            _change(project, dataset, "my folders", lambda shots: use_folders(project, dataset.labelled, shots))
    if not usable:
        st.caption("A model needs pictures to learn from and some to be checked with.")
    elif folders and imported:
        st.caption("Now as your train, validation and test folders had it.")
    st.caption("Models that exist keep the pictures that they were trained and checked with.")


def _change(project: Project, dataset: Dataset, into: str, change: Callable[[list[list[str]]], object]) -> None:
    with shown_errors():
        change(same_shots(project, dataset.pictures))
        history.tell(project, f"dealing all pictures out anew: {into}", who())
        flash("The pictures were dealt out anew. The next training uses the new split.")
        forget_result(project, "splits")
        st.rerun()


def _cross_validation(project: Project, dataset: Dataset) -> None:
    """For small sets, where a few validation pictures say little: every picture is asked once."""
    small = [name for name, number in dataset.counts.items() if 0 < number < _SMALL_CLASS]
    if not small or len(dataset.counts) < 2:
        return
    st.markdown(
        f"**{count(len(small), 'class has', 'classes have')} fewer than {_SMALL_CLASS} pictures.** A handful of "
        "validation pictures says little: one more mistake moves the accuracy by many per cent. Cross-validation asks "
        "about every picture once, of a model that has learnt only the other parts."
    )
    key = f"folds asked {project.name}"
    if st.button("Cross-validate (5 folds)", icon=":material/repeat:"):
        st.session_state[key] = True
    if not st.session_state.get(key) or not looked_at(project, dataset):
        return
    ids = [p.id for p in dataset.pictures]
    state = hash((tuple((p.id, p.label) for p in dataset.pictures), ahead.seen_by(project, ids).name))
    found = worked_out(project, "folds", state, lambda _: _folds(project, dataset, ids), title="The folds")
    if found is None:
        return
    right, asked, folds = found
    st.success(
        f"{right:,} of {asked:,} pictures were recognised: {percent(right / asked)} "
        f"(between {percent(min(folds))} and {percent(max(folds))} from part to part). "
        "Measured with heads on a pretrained network, as the quick training learns them; pictures of the same shot "
        "were kept together.",
        icon=":material/fact_check:",
    )


def _folds(project: Project, dataset: Dataset, ids: list[str]) -> tuple[int, int, list[float]] | None:
    from imgtag.training.assistant import cross_validate

    shots = same_shots(project, dataset.pictures)
    return cross_validate(dataset.labelled, ahead.seen(project, ids), shots)
