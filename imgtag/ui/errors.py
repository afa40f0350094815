"""Showing what went wrong: always a sentence and a next step, never a trace on the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from imgtag.core.errors import ImgtagError
from imgtag.ui.text import literal

log = logging.getLogger(__name__)


def show_error(error: ImgtagError) -> None:
    """An error in a box: what happened, why, what to do next."""
    parts = [f"**{literal(error.title)}**", literal(error.explanation), literal(error.next_step)]
    st.error("  \n".join(part for part in parts if part), icon=":material/error:")


@contextmanager
def shown_errors() -> Iterator[None]:
    """Run a block; an ImgtagError is shown where it stands and the rest of the page goes on."""
    try:
        yield
    except ImgtagError as error:
        show_error(error)


def show_unexpected(error: Exception) -> bool:
    """For errors that no page caught: a sentence for the user, the trace for the log."""
    if isinstance(error, ImgtagError):
        show_error(error)
        return True
    log.error("a page failed", exc_info=error)
    show_error(
        ImgtagError(
            "Something went wrong on this page.",
            f"{type(error).__name__}. Your pictures and models are unchanged.",
            "Reload the page. The details are in the window in which the app was started.",
        )
    )
    return True
