"""Who is at work: a name for the history, since several people may sort the same project."""

from __future__ import annotations

import getpass
from urllib.parse import urlsplit

import streamlit as st

_NAME = "who"
_HERE = {"127.0.0.1", "localhost", "::1"}


def who() -> str:
    """The name that this person gave; before, that of the computer's account, or the address of another computer."""
    return str(st.session_state.get(_NAME) or _guess())


def on_this_machine() -> bool:
    """Whether the browser runs on the machine of the app, which listens to nobody else: only then paths mean something.

    A proxy in front of the app would make everybody look local, so that one is recognised by the headers it adds and
    by the name under which the browser called.
    """
    forwarded = {name.lower() for name in st.context.headers} & {"x-forwarded-for", "forwarded", "x-real-ip"}
    called = {urlsplit(f"//{st.context.headers.get('Host', '')}").hostname}
    called |= {urlsplit(st.context.headers.get("Origin", "")).hostname} - {None}
    address = str(st.get_option("server.address") or "")
    return st.context.ip_address is None and not forwarded and {address, *called} <= _HERE


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
