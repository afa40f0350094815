"""The thumbnail grid and the upload area: two inline components of Streamlit's v2 API, no build step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st

from imgtag.data.projects import Project
from imgtag.ui.uninterrupted import uninterrupted

PAGE_SIZE = 120
_OFFLINE = (
    "The connection to the app was lost. Start it again, then add the files once more: "
    "what is in already is not taken twice."
)
_FOLDER = Path(__file__).parent / "components"
_WORDS = {
    "selected": "chosen",
    "hint": "Click, drag or Shift+arrows to choose. Keys: 1 to 9 or a class's name, Delete, Space to enlarge.",
    "touch_hint": "Tap pictures to choose them, then tap their class.",
    "restore_hint": "Choose pictures to restore only those.",
    "all": "All",
    "none": "None",
    "invert": "Invert",
    "size": "Size of the pictures",
    "enlarge": "Enlarge",
    "close": "Close",
    "previous": "Previous picture",
    "next": "Next picture",
    "smaller": "Zoom out",
    "larger": "Zoom in",
    "move_to": "Move to",
    "other": "Other class",
    "new_class": "New class “{name}”",
    "type_class": "Type the name of a class",
    "trash": "Trash",
    "accept_all": "Accept all {count} (Enter)",
    "accept_one": "Take the proposal (Enter)",
    "accept_chosen": "Accept {count} chosen (Enter)",
    "restore_all": "Restore all {count}",
    "restore_chosen": "Restore {count} chosen",
    "keep": "Keep the label (0)",
    "undo": "Undo",
    "similar": "Find similar",
    "unsorted": "Back to unsorted",
    "gone": "Moved in another window meanwhile: {count} of the chosen pictures",
    "told_move": "{count} moved to {target}",
    "told_class": "{count} moved to the new class {target}",
    "told_trash": "{count} moved to the trash",
    "told_accept": "{count} accepted",
    "told_keep": "{count} kept as labelled",
    "told_similar": "Looking for similar pictures",
    "told_undo": "Taken back",
    "fate_move": "→ {target}",
    "fate_class": "→ {target}",
    "fate_trash": "→ Trash",
    "fate_accept": "✓ accepted",
    "fate_restore": "✓ restored",
    "fate_keep": "✓ kept",
    "decided": "✓ decided",
    "changed": "The proposal has changed with what you corrected.",
    "look_again": "Some proposals have just changed: look again, then press Enter.",
}


def _read(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text("utf-8") for name in names)


_grid = st.components.v2.component(
    "imgtag_grid",
    html="<div id='grid'>\n</div>",
    css=_read("grid/grid.css"),
    js=_read("grid/tiles.js", "grid/choosing.js", "grid/assigning.js", "grid/viewer.js", "grid/main.js"),
)
_upload = st.components.v2.component(
    "imgtag_upload",
    html=_read("upload/area.html"),
    css=_read("upload/area.css"),
    js=_read("upload/sending.js", "upload/area.js"),
)
_camera = st.components.v2.component(
    "imgtag_camera",
    html=_read("upload/camera.html"),
    css=_read("upload/camera.css"),
    js=_read("upload/sending.js", "upload/camera.js"),
)


_one_after_the_other = threading.Lock()


@dataclass(frozen=True)
class Tile:
    """One picture of a grid. `mark` is "right", "wrong" or empty.

    proposal: the class that its caption proposes; changed: it has another one than when its page was opened.
    """

    id: str
    src: str
    large: str
    facts: str
    title: str
    caption: str = ""
    note: str = ""
    mark: str = ""
    proposal: str = ""
    changed: bool = False


@dataclass(frozen=True)
class Target:
    """A class that pictures can be given: its folder, what it is called, its number of pictures, its key or 0."""

    name: str
    shown: str
    count: int
    key: int


@dataclass(frozen=True)
class Step:
    """What a person did in a grid: "move" or "class" (a new one) to `target`, "accept", "keep" (the label is right),
    "trash", "similar" (show what looks like this one) or "undo".

    seen: the class that the pictures had where they were chosen, "" for unsorted; None where classes were mixed.
    proposed: for "accept", what the tiles proposed when it was pressed, in the order of `ids`.
    """

    action: str
    ids: tuple[str, ...]
    target: str
    seen: str | None
    proposed: tuple[str, ...] = ()


def tile(
    project: Project, id_: str, title: str, caption: str = "", note: str = "", *, mark: str = "", proposal: str = ""
) -> Tile:
    """A tile for a picture of a project; the thumbnail comes from our own cached route."""
    here = f"/api/projects/{quote(project.name, safe='')}"
    src = f"{here}/thumb/{id_}"
    return Tile(id_, src, f"{src}?size=large", f"{here}/facts/{id_}", title, caption, note, mark, proposal)


def show_grid(tiles: Sequence[Tile], *, key: str, label: str, size: int = 128, whole: bool = False) -> None:
    """Show pictures; a click opens one large. whole: not cut to squares."""
    _mount(tiles, "view", key, label, size, _nothing, whole=whole)


def show_strip(tiles: Sequence[Tile], *, key: str, label: str) -> None:
    """Show a few pictures in one row, as decoration."""
    _mount(tiles, "strip", key, label, 0, _nothing)


def sort_grid(
    tiles: Sequence[Tile],
    targets: Sequence[Target],
    apply: Callable[[Step], None],
    *,
    key: str,
    label: str,
    place: str | None,
    page: str = "",
    undo: str = "",
    accepts: bool = False,
    keeps: bool = False,
    restores: bool = False,
    preselect: bool = False,
    similar: bool = False,
    doubtful: bool = False,
    only_classes: bool = False,
    quiet: bool = False,
    words: Mapping[str, str] | None = None,
    size: int = 128,
) -> None:
    """Show pictures to choose and to give a class with mouse, touch or keys.

    place: the class whose pictures are shown, "" for the unsorted, None for a mixture; page: which of them. undo:
    what an undo would take back, in words. accepts: the tiles tell suggestions, which can be accepted. keeps: it
    can be said that a label is right. restores: these are in the trash; all that can be done is to accept that they
    go back. preselect: all are chosen when they appear. similar: it can be asked what looks like a picture. words:
    other ones than usual on the buttons. doubtful: some stand in `place` and in another class, so that `place` can
    be chosen, too. only_classes: they are no pictures of the project; all that can be done is to give them a class.
    quiet: without a bar: keys are about the picture that is pointed at, and a click shows it large, with the classes.
    `apply` is called for every step in the order in which they were made, before the page is drawn again.
    """

    def catch_up() -> None:
        # A fast second step starts a second run while the first still works: it has to wait, or it would show too much.
        with _one_after_the_other:
            log = (st.session_state.get(key) or {}).get("log") or {}
            for seq, entry in sorted(((int(e["seq"]), e) for e in log.get("entries", [])), key=itemgetter(0)):
                window, last = st.session_state.get(_applied(key), ("", 0))
                if seq > (last if window == log["window"] else 0):
                    st.session_state[_applied(key)] = (log["window"], seq)
                    proposed = tuple(entry.get("proposed") or ())
                    apply(Step(entry["action"], tuple(entry["ids"]), entry["target"], entry["seen"], proposed))

    window, last = st.session_state.get(_applied(key), ("", 0))
    more = {
        "classes": [asdict(t) for t in targets],
        "place": place,
        "undo": undo,
        "accepts": accepts,
        "keeps": keeps,
        "restores": restores,
        "preselect": preselect,
        "similar": similar,
        "doubtful": doubtful,
        "only_classes": only_classes,
        "quiet": quiet,
        "window": window,
        "applied": last,
        "token": f"{page} {place}",
        "words": {**_WORDS, **(words or {})},
    }
    _mount(tiles, "sort", key, label, size, lambda: uninterrupted(catch_up), **more)


def upload_area(project: Project, *, key: str, words: Mapping[str, str] | None = None, slim: bool = False) -> str:
    """The place to drop files, folders and zips; returns the number of a batch that has just arrived.

    words: other ones than usual. slim: in one line, where something else is the matter.
    """
    usual = {
        "title": "Drop pictures, folders or a zip here",
        "about": "Folders named after their contents become classes. Thousands of files are fine.",
        "files": "Choose files or a zip",
        "folder": "Choose a folder",
        "cancel": "Cancel",
        "uploading": "Uploading file",
        "stay": "Stay on this page until all files are there.",
        "offline": _OFFLINE,
        "pasted": "pasted",
    }
    said = {**usual, **(words or {})}
    result = _upload(key=key, data={"url": _upload_url(project), "words": said, "slim": slim}, on_done_change=_nothing)
    done = getattr(result, "done", None) or {}
    return str(done.get("batch", ""))


def camera_area(project: Project, target: str, *, key: str) -> dict[str, str] | None:
    """The webcam, to take pictures for a class while a button is held; returns a batch that has just arrived.

    The answer holds the number of the batch and its target: another class may have been chosen meanwhile.
    """
    words = {
        "on": "Switch the camera on",
        "off": "Switch it off",
        "shoot": "Hold to take pictures of “{target}”",
        "sent": "{count} pictures taken. They are on their way into the class.",
        "refused": "The browser gave no access to a camera. Allow it beside the address, and try again.",
        "unsafe": "A browser lends the camera only to https or to this machine (http://localhost).",
        "file": "webcam",
        "offline": _OFFLINE,
    }
    data = {"url": _upload_url(project), "words": words, "target": target, "shown": project.display_name(target)}
    done = getattr(_camera(key=key, data=data, on_done_change=_nothing), "done", None)
    return {"batch": str(done["batch"]), "target": str(done["target"])} if done else None


def _upload_url(project: Project) -> str:
    return f"/api/projects/{quote(project.name, safe='')}/upload"


def _mount(
    tiles: Sequence[Tile], mode: str, key: str, label: str, size: int, on_log: Callable[[], None], **more: Any
) -> None:
    data = {"items": [asdict(t) for t in tiles], "mode": mode, "label": label, "tile": size, "words": _WORDS, **more}
    _grid(key=key, data=data, on_log_change=on_log)


def _applied(key: str) -> str:
    return f"{key} applied"


def _nothing() -> None:
    """Streamlit keeps a component's values only for keys that have a callback."""
