"""What is wrong: pictures that were only looked at join the project under the class that somebody gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from imgtag.core.errors import ImgtagError
from imgtag.core.words import count
from imgtag.data.background import Job, find_job, forget_job, start_job
from imgtag.data.dataset import class_folders, look
from imgtag.data.piles import Item, Pile
from imgtag.data.projects import Project
from imgtag.serving.answers_out import Taken, forget_taken, join_items, waiting_corrections
from imgtag.training.runs import Run
from imgtag.ui.errors import show_error
from imgtag.ui.grid import Step
from imgtag.ui.navigation import link
from imgtag.ui.text import literal
from imgtag.ui.uninterrupted import uninterrupted
from imgtag.ui.waiting import watch_job
from imgtag.ui.who import who
from imgtag.ui.widgets import flash, flash_error

_PATIENCE_S = 20.0


def wrong_area(pile: Pile, items: Sequence[Item], names: Mapping[str, str], *, key: str) -> None:
    """Ask for the right class of these pictures, a known or a new one, and let them join the project. names: of the
    model's classes, for a project without classes."""
    them = "it" if len(items) == 1 else "them"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox(
            "Wrong? It is a" if len(items) == 1 else f"Wrong? These {len(items)} are a",
            class_folders(pile.project) or list(names),
            index=None,
            format_func=lambda name: names.get(name, name),
            placeholder="Choose a class, or type a new one",
            accept_new_options=True,
            key=f"class {key}",
            width=270,
            help=f"{count(len(items), 'picture joins', 'pictures join')} the project under this class, for the next "
            f"training. A corrected picture never tests a model. You can take {them} back at the top of this page.",
        )
        st.button(
            f"Put {them} there",
            type="primary",
            disabled=not label,
            key=f"give {key}",
            on_click=lambda: uninterrupted(lambda: _give(pile, items, key)),
        )


def correct_step(pile: Pile, step: Step) -> None:
    """Do what somebody asked for in a grid of answers: give some of them a class, or undo that."""
    if step.action == "undo":
        undo_last(pile.project)
    elif step.action in ("move", "class"):
        numbers = {int(id_) for id_ in step.ids if id_.isdecimal()}
        _join(pile, [item for item in pile.items if item.number in numbers], step.target)


def start_joining(project: Project, work: Callable[[Job], Taken]) -> Job:
    """Let pictures join the project in the background, one lot after the other; see `joining_area`."""
    running = find_job(_key(project))
    if running:
        running.wait(_PATIENCE_S)
        _settle(project)
    return start_job(_key(project), "Adding to the project", work)


def joining_area(project: Project, newest: Run | None) -> None:
    """How far pictures are on their way into the project, what joined it, the undo, and what waits for a training."""
    job = find_job(_key(project))
    if job and not job.finished:
        with st.container(border=True):
            st.markdown("**Adding pictures to the project**")
            watch_job(_key(project), stop="Stop; what is in already stays")
        return
    _settle(project)
    if failed := st.session_state.get(_failed(project)):
        show_error(failed)
    elif taken := _stack(project):
        _told(project, taken[-1])
    waiting = waiting_corrections(look(project), newest)
    if waiting:
        with st.container(horizontal=True, vertical_alignment="center"):
            words = count(waiting, "picture from here waits", "pictures from here wait")
            st.markdown(f":material/school: {words} for the next training.", width="content")
            link("train", "Train")


def last_taken(project: Project) -> str:
    """What an undo would take back, in words; empty when there is nothing."""
    taken = _stack(project)
    return f"adding {count(len(taken[-1].joined.labels), 'picture')}" if taken else ""


def undo_last(project: Project) -> None:
    """Take the last lot of pictures out of the project again."""
    taken = _stack(project)
    if not taken:
        return
    try:
        number = forget_taken(taken[-1], who=who())
        taken.pop()
        flash(f"Taken back: {count(number, 'picture')}.")
    except ImgtagError as error:
        flash_error(error)


# ----------------------------------------------------------------------------- private


def _give(pile: Pile, items: Sequence[Item], key: str) -> None:
    label = st.session_state.get(f"class {key}")
    if label:
        _join(pile, items, str(label))


def _join(pile: Pile, items: Sequence[Item], label: str) -> None:
    by = who()  # the thread that works cannot ask
    given = [(item, label) for item in items]
    job = start_joining(pile.project, lambda job: join_items(pile, given, job.report, job.should_stop, who=by))
    job.wait(_PATIENCE_S)
    _settle(pile.project)


def _settle(project: Project) -> None:
    """Keep the outcome of a job that has ended."""
    job = find_job(_key(project))
    if job is None or not job.finished:
        return
    if job.error:
        st.session_state[_failed(project)] = job.error
    else:
        st.session_state.pop(_failed(project), None)
        taken = _stack(project)
        if job.result not in taken:  # another run of the page may settle it at the same moment
            taken.append(job.result)
    forget_job(_key(project))  # last: every touch of the session's state may be where Streamlit cuts a run off


def _told(project: Project, taken: Taken) -> None:
    joined = taken.joined
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f":material/task_alt: {_words(project, taken)}", width="content")
            with st.container(horizontal=True, width="content"):
                if joined.batches and st.button("Undo", icon=":material/undo:", key="joining undo"):
                    undo_last(project)
                    st.rerun()
                if st.button("Dismiss", key="joining dismiss", type="tertiary"):
                    _stack(project).clear()
                    st.rerun()
        if joined.refused:
            st.markdown(f":material/block: **{count(len(joined.refused), 'picture')} not added**, with the reason:")
            table = pd.DataFrame([(s.file, s.reason) for s in joined.refused], columns=["File", "Reason"])
            st.dataframe(table, hide_index=True, height=min(38 + 36 * len(table), 220))


def _words(project: Project, taken: Taken) -> str:
    joined = taken.joined
    labels = set(joined.labels.values())
    [only] = labels if len(labels) == 1 else [None]
    where = "their classes" if only is None else f"**{literal(project.display_name(only))}**" if only else "unsorted"
    parts = []
    if joined.added:
        parts.append(f"{count(joined.added, 'picture')} joined the project: {where}.")
    if joined.moved:
        parts.append(
            f"{count(joined.moved, 'picture')} {'was' if joined.moved == 1 else 'were'} in it already and moved."
        )
    settled = len(joined.labels) - joined.added - joined.moved
    if settled > 0:
        parts.append(f"{count(settled, 'picture')} stood there already.")
    return " ".join(parts) or "Nothing was added."


def _stack(project: Project) -> list[Taken]:
    kept: list[Taken] = st.session_state.setdefault(f"taken {project.name}", [])
    return kept


def _failed(project: Project) -> str:
    return f"joining failed {project.name}"


def _key(project: Project) -> str:
    return f"joining {project.path}"
