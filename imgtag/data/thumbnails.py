"""Small JPEGs of pictures, made once and kept in cache/thumbs, by sha256."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from pathlib import Path

from imgtag.core import storage
from imgtag.core.errors import DiskFull, NoAccess, NotFound
from imgtag.core.settings import limit
from imgtag.data import history
from imgtag.data.dataset import look
from imgtag.data.images import Decoded, open_picture, thumbnail
from imgtag.data.projects import Project

_LOOK_AGAIN_S = 3.0
_looks: dict[Path, tuple[float, dict[str, Path]]] = {}
_looking = threading.Lock()


def thumbnail_bytes(project: Project, id_: str, *, large: bool = False) -> bytes:
    """The JPEG thumbnail (or large view) of a picture of the project, also of one in its trash.

    Raises NotFound when the project has no such picture, BadPicture when it cannot be read.
    """
    path = _path(project, id_, large)
    with contextlib.suppress(OSError):
        if kept := path.read_bytes():  # a power cut can leave an empty file in the cache
            return kept
    longest = limit("large_view_px" if large else "thumbnail_px")
    picture, _ = open_picture(_place_of(project, id_), at_least=longest)
    data = thumbnail(picture, longest)
    with contextlib.suppress(DiskFull, NoAccess):
        storage.atomic_write(path, data, durable=False)
    return data


def keep_thumbnail(project: Project, id_: str, picture: Decoded) -> None:
    """Make the thumbnail of a picture that is decoded already, as the import does."""
    small = thumbnail(picture, limit("thumbnail_px"))
    storage.atomic_write(_path(project, id_, large=False), small, durable=False)


def _place_of(project: Project, id_: str) -> Path:
    """Where a picture lies. A page asks for a hundred at once: one look at the folders does for all of them."""
    with _looking:  # the others wait for the first one's look instead of looking, too
        looked_at, paths = _looks.get(project.path, (0.0, {}))
        path = paths.get(id_)
        if path is None or time.monotonic() - looked_at > _LOOK_AGAIN_S or not path.exists():
            dataset = look(project)
            _looks.clear()  # of one project: memory stays flat
            there = {p.id: p.path for p in dataset.pictures}
            if id_ not in there:
                there = history.trashed(project) | there
            _looks[project.path] = (time.monotonic(), there)
            path = there[id_] if id_ in there else dataset.picture(id_).path
    return path


def _path(project: Project, id_: str, large: bool) -> Path:
    if not re.fullmatch(r"[0-9a-f]{64}", id_):  # the id may come from a URL
        raise NotFound("There is no such picture.", "Its id is not the sha256 of a picture.", "Look at the page again.")
    return project.cache / "thumbs" / id_[:2] / f"{id_}{'-large' if large else ''}.jpg"
