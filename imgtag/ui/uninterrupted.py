"""Callbacks that the next click or key must not cut off.

When an event comes while a page is at work, Streamlit ends that work at its next touch of the session's state (in a
callback, too), and begins anew. What was half done stays half done: a picture was moved, but nothing is there to undo.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from streamlit.runtime.scriptrunner import get_script_run_ctx

T = TypeVar("T")

# Where the session's state asks whether to end (SafeSessionState in streamlit 1.67). There is no public way to put it
# off; in a version that has this no more, callbacks are cut off as without us. tests/ui/test_uninterrupted.py tells.
_ASKS = "_yield_callback"


def uninterrupted(work: Callable[[], T]) -> T:
    """What `work()` returns or raises; it is done to its end. It may use the session's state, but must draw nothing."""
    context = get_script_run_ctx()
    state = context.session_state if context else None
    asks = getattr(state, "__dict__", {}).get(_ASKS)
    if asks is None:
        return work()
    object.__setattr__(state, _ASKS, lambda: None)  # the state's own __setattr__ would take it for a value
    try:
        return work()
    finally:
        object.__setattr__(state, _ASKS, asks)
