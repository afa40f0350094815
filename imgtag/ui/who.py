"""Who is at work: a name for the history, since several people may sort the same project."""

from __future__ import annotations

import getpass

import streamlit as st

_NAME = "who"


def who() -> str:
    """The name that this person gave; before, that of the computer's account, or the address of another computer."""
    return str(st.session_state.get(_NAME) or _guess())


def name_field() -> None:
    """Where one says who one is."""
    name = st.text_input("Your name in the history", value=who(), max_chars=40, key="who field")
    st.session_state[_NAME] = name.strip()


def _guess() -> str:
    address = st.context.ip_address  # None on this computer
    if address:
        return str(address)
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "somebody"
