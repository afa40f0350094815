"""The thumbnail grid and the upload area: two inline components of Streamlit's v2 API, no build step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st

from imgtag.data.projects import Project

PAGE_SIZE = 120
_FOLDER = Path(__file__).parent / "components"


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


_grid = st.components.v2.component(
    "imgtag_grid", html="<div id='grid'>\n</div>", css=_read("grid.css"), js=_read("grid.js")
)
_upload = st.components.v2.component(
    "imgtag_upload", html=_read("upload.html"), css=_read("upload.css"), js=_read("upload.js")
)


@dataclass(frozen=True)
class Tile:
    """One picture of a grid. `mark` is "right", "wrong" or empty."""

    id: str
    src: str
    large: str
    title: str
    caption: str = ""
    note: str = ""
    mark: str = ""


def tile(project: Project, id_: str, title: str, caption: str = "", note: str = "", mark: str = "") -> Tile:
    """A tile for a picture of a project; the thumbnail comes from our own cached route."""
    src = f"/api/projects/{quote(project.name, safe='')}/thumb/{id_}"
    return Tile(id_, src, f"{src}?size=large", title, caption, note, mark)


def show_grid(tiles: Sequence[Tile], *, key: str, label: str, size: int = 128) -> None:
    """Show pictures; a click opens one large."""
    _mount(tiles, "view", key, label, size, token="")


def show_strip(tiles: Sequence[Tile], *, key: str, label: str) -> None:
    """Show a few pictures in one row, as decoration."""
    _mount(tiles, "strip", key, label, 0, token="")


def select_from_grid(tiles: Sequence[Tile], *, key: str, label: str, size: int = 128) -> list[str]:
    """Show pictures to choose from; returns the ids that are chosen now."""
    token = str(st.session_state.get(f"{key}-token", 0))
    result = _mount(tiles, "select", key, label, size, token)
    chosen = getattr(result, "selected", None) or {}
    if not chosen or chosen.get("token") != token:  # chosen before the last `clear_selection`
        return []
    shown = {t.id for t in tiles}
    return [id_ for id_ in chosen.get("ids", []) if id_ in shown]


def clear_selection(key: str) -> None:
    """Forget what is chosen in a grid, after something was done with it."""
    st.session_state[f"{key}-token"] = int(st.session_state.get(f"{key}-token", 0)) + 1


def upload_area(project: Project, *, key: str) -> str:
    """The place to drop files, folders and zips; returns the number of a batch that has just arrived."""
    words = {
        "title": "Drop pictures, folders or a zip here",
        "about": "Folders named after their contents become classes. Thousands of files are fine.",
        "files": "Choose files or a zip",
        "folder": "Choose a folder",
        "cancel": "Cancel",
        "uploading": "Uploading file",
        "stay": "Stay on this page until all files are there.",
        "offline": "The connection to the app was lost. Start it again, then add the files once more: "
        "what is in already is not taken twice.",
    }
    url = f"/api/projects/{quote(project.name, safe='')}/upload"
    result = _upload(key=key, data={"url": url, "words": words}, on_done_change=_nothing)
    done = getattr(result, "done", None) or {}
    return str(done.get("batch", ""))


def _mount(tiles: Sequence[Tile], mode: str, key: str, label: str, size: int, token: str) -> Any:
    words = {
        "selected": "chosen",
        "hint": "Click to choose; shift-click chooses a range.",
        "all": "Choose all",
        "none": "Choose none",
        "enlarge": "Enlarge",
        "close": "Close",
    }
    data = {
        "items": [asdict(t) for t in tiles],
        "mode": mode,
        "label": label,
        "tile": size,
        "token": token,
        "words": words,
    }
    return _grid(key=key, data=data, on_selected_change=_nothing)


def _nothing() -> None:
    """Streamlit keeps a component's values only for keys that have a callback."""
