"""The camera whose pictures are answered while they move: an inline component of Streamlit's v2 API."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import streamlit as st

from imgtag.training.runs import Run

_FOLDER = Path(__file__).parent / "components"
_WORDS = {
    "about": "Hold something into the camera: the model answers while the picture moves. The pictures go to imgtag "
    "alone, and none is kept unless you use it.",
    "unsafe": "A browser lends the camera only to this machine (http://localhost) or to an address with https. This "
    "page was opened another way, so that only files can be classified here.",
    "refused": "The browser gave no access to a camera. Allow it beside the address, see that one is connected and not "
    "in use by another program, and switch it on again.",
    "hidden": "The camera was switched off, because the page was hidden.",
    "on": "Switch the camera on",
    "stop": "Switch it off",
    "freeze": "Freeze",
    "go_on": "Go on",
    "frozen": "frozen",
    "use": "Use this picture",
    "unknown": "Unknown",
    "guess": "Too unsure, or unlike all that it has learnt from. Best guess: {name}, {percent}.",
    "sure": "{percent} sure",
    "rate": "{number} answers a second",
    "offline": "The connection to the app was lost. It goes on when the app is there again.",
    "file": "camera",
}


def _read(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text("utf-8") for name in names)


_live = st.components.v2.component(
    "imgtag_live",
    html=_read("live/live.html"),
    css=_read("live/live.css"),
    js=_read("upload/sending.js", "live/live.js"),
)


def live_camera(run: Run, *, key: str) -> str:
    """The camera with the run's answers; returns the number of the upload batch of a picture that is to be used."""
    here = f"/api/projects/{quote(run.project.name, safe='')}"
    names = run.model_facts.get("display_names")
    data = {
        "url": f"{here}/classify?run={quote(run.id, safe='')}&top=10",
        "upload": f"{here}/upload",
        "names": names if isinstance(names, dict) else {},
        "words": _WORDS,
    }
    done = getattr(_live(key=key, data=data, on_done_change=_nothing), "done", None) or {}
    return str(done.get("batch", ""))


def _nothing() -> None:
    """Streamlit keeps a component's values only for keys that have a callback."""
