"""Small JPEGs of pictures, made once and kept in cache/thumbs, by sha256."""

from __future__ import annotations

import contextlib
from pathlib import Path

from PIL import Image

from imgtag.core import storage
from imgtag.core.settings import limit
from imgtag.data.dataset import look
from imgtag.data.images import open_picture, thumbnail
from imgtag.data.projects import Project


def thumbnail_bytes(project: Project, id_: str, *, large: bool = False) -> bytes:
    """The JPEG thumbnail (or large view) of a picture of the project.

    Raises NotFound when the project has no such picture, BadPicture when it cannot be read.
    """
    path = _path(project, id_, large)
    with contextlib.suppress(OSError):
        if kept := path.read_bytes():  # a power cut can leave an empty file in the cache
            return kept
    longest = limit("large_view_px" if large else "thumbnail_px")
    picture, _ = open_picture(look(project).picture(id_).path, at_least=longest)
    return _keep(path, picture, longest)


def keep_thumbnail(project: Project, id_: str, picture: Image.Image) -> None:
    """Make the thumbnail of a picture that is decoded already, as the import does."""
    _keep(_path(project, id_, large=False), picture, limit("thumbnail_px"))


def _keep(path: Path, picture: Image.Image, longest: int) -> bytes:
    data = thumbnail(picture, longest)
    storage.atomic_write(path, data, durable=False)
    return data


def _path(project: Project, id_: str, large: bool) -> Path:
    # id_ may come from a URL: only hex digits become part of a path.
    safe = "".join(c for c in id_[:64] if c in "0123456789abcdef")
    return project.cache / "thumbs" / safe[:2] / f"{safe}{'-large' if large else ''}.jpg"
