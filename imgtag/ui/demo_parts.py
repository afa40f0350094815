"""The two faces of a demo, as components: the door, where the PIN is asked, and the stage.

Both talk to the routes of `serving.demo_server` by themselves: an answer needs no run of a script, and no picture
goes through Streamlit's upload, which keeps files and knows no PIN.
"""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAuthError

from imgtag.core.errors import ImgtagError
from imgtag.core.settings import limit
from imgtag.serving.guard import HEADER
from imgtag.ui.components import read_component
from imgtag.ui.errors import show_error

_STAGE_WORDS = {
    "loading": "The model is being loaded. It takes some seconds.",
    "looking": "Looking …",
    "sure": "{share} sure",
    "unknown": "I don’t know this",
    "unknown_about": "It is unlike all that I have learnt, or I am too unsure. My best guess: “{name}”, {share}.",
    "truth": "It is in fact: {name}",
    "own_caption": "Your picture. It is not kept.",
    "invite": "Show me a picture",
    "invite_about": "Choose one, drop one anywhere on this page, or paste one.",
    "examples": "Chosen examples; it has learnt from none of them",
    "example": "Example",
    "own": "Your own picture",
    "camera": "Camera",
    "shoot": "Take the picture",
    "cancel": "Cancel",
    "drop": "Let go to see what it is",
    "hint": "or drop or paste one anywhere",
    "full": "Full screen",
    "axis": "How sure it is (probability)",
    "one": "One picture at a time: this is the first of them.",
    "too_large": "The file is too large: a picture may have up to {most} MB.",
    "refused": "The browser gave no access to a camera. Allow it beside the address, and try again.",
    "ended": "The connection is lost, or the demo has ended.",
    "over": "The demo has ended",
    "over_about": "Thank you for looking. If only the connection is lost, it comes back by itself.",
}
_DOOR_WORDS = {
    "title": "This demo is protected",
    "about": "Enter the PIN that you were given.",
    "pin": "PIN",
    "enter": "Open the demo",
    "wait": "Too many wrong tries. The next one is possible in {seconds} s.",
    "ended": "The connection is lost, or the demo has ended.",
}

_stage = st.components.v2.component(
    "imgtag_stage",
    html=read_component("demo/stage.html"),
    css=read_component("demo/stage.css"),
    js=read_component("demo/answer.js", "demo/camera.js", "demo/stage.js"),
)
_door = st.components.v2.component(
    "imgtag_door",
    html=read_component("demo/door.html"),
    css=read_component("demo/door.css"),
    js=read_component("demo/door.js"),
)


def stage(ticket: str = "") -> None:
    """The picture, the bars and the examples. ticket: for those who have logged in, to be changed for a pass."""
    most = limit("max_picture_mb")
    _stage(key="stage", data={"words": _STAGE_WORDS, "header": HEADER, "ticket": ticket, "most_mb": most})


def pin_door() -> None:
    """Asks for the PIN; the page loads again with a pass when it is right."""
    _door(key="door", data={"words": _DOOR_WORDS, "header": HEADER})


def login_door() -> None:
    """Leads to the login of the provider (OIDC)."""
    with st.container(horizontal_alignment="center", gap="small"):
        st.space("large")
        st.title("This demo is protected", anchor=False, width="content")
        st.markdown("Log in with your account to see it.", width="content")
        if st.button("Log in", type="primary", icon=":material/login:"):
            try:
                st.login()
            except StreamlitAuthError as error:
                explanation = f"The login of this computer is not complete: {error}"
                show_error(ImgtagError("The login does not work.", explanation, "Tell the person who shows the demo."))
