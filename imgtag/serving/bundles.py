"""The container of a bundle that comes from elsewhere: a zip or a folder, of which only known files are ever read.

Nothing is unpacked under a name from outside, nothing in it is run, and every file that is read has the sha256 that
checksums.json names. What the head of a zip claims about sizes is checked, not believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from imgtag.core import storage
from imgtag.core.errors import BadUpload, ImgtagError, NotFound
from imgtag.core.settings import limit
from imgtag.serving.formats import RUN_FILES

WEIGHTS, FACTS, SUMS = "model.safetensors", "model.json", "checksums.json"
_KNOWN = frozenset({WEIGHTS, FACTS, SUMS, *(f"run/{name}" for name in RUN_FILES)})
_MOST_WEIGHTS, _MOST_TEXT = 8 << 30, 200 << 20
_MOST_MEMBERS = 1000
_PIECE = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """An opened bundle. members: how to open each known file that is in it; sums: its sha256."""

    members: Mapping[str, Callable[[], IO[bytes]]]
    sums: Mapping[str, str]

    def text(self, name: str) -> str:
        """A small file as text; empty when it is not there. Raises BadUpload when it is not what was written."""
        if name not in self.members:
            return ""
        data = b"".join(self._pieces(name, _MOST_TEXT))
        return data.decode("utf-8", "replace")

    def json(self, name: str) -> Any:
        """The JSON value in a file; None when it is not there, or is none."""
        try:
            return json.loads(self.text(name))
        except (ValueError, RecursionError):
            return None

    def copy_weights(self, path: Path) -> None:
        """Write the weights, piece by piece, where they belong; they appear there only if they are whole."""
        with storage.whole_file(path) as file:
            for piece in self._pieces(WEIGHTS, _MOST_WEIGHTS):
                file.write(piece)

    def _pieces(self, name: str, most: int) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        try:
            with self.members[name]() as stream:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    if size > most:
                        raise _bad(f"{name} is larger than any model that imgtag makes")
                    digest.update(piece)
                    yield piece
        except (ImgtagError, GeneratorExit):
            raise
        except Exception as error:  # zipfile and the decompressors raise nearly anything on damaged members
            raise _bad(f"{name} is damaged") from error
        if digest.hexdigest() != self.sums.get(name):
            raise _bad(f"{name} is damaged, or was changed after the export")


@contextlib.contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a zip or a folder. Raises NotFound, or BadUpload when it is no bundle or holds what none would."""
    if path.is_dir():
        members = {n: _opener(path / n) for n in _KNOWN if (path / n).is_file() and not (path / n).is_symlink()}
        yield _checked(members)
    elif path.is_file():
        with contextlib.ExitStack() as stack:
            try:
                archive = stack.enter_context(zipfile.ZipFile(path))
            except Exception as error:  # zipfile raises nearly anything on a damaged directory
                raise _bad("it is no zip, or a damaged one") from error
            yield _checked(_zip_members(archive))
    else:
        raise NotFound(f"“{path}” is not there.", "Neither a file nor a folder has this name.", "Check the spelling.")


def _checked(members: Mapping[str, Callable[[], IO[bytes]]]) -> Bundle:
    missing = [name for name in (SUMS, FACTS, WEIGHTS) if name not in members]
    if missing:
        raise _bad(f"it holds no {missing[0]}")
    with members[SUMS]() as stream:
        try:
            sums = json.loads(stream.read(_PIECE))
        except Exception as error:  # nearly anything on a damaged member
            raise _bad(f"{SUMS} cannot be read") from error
    if not isinstance(sums, dict) or not all(isinstance(v, str) for v in sums.values()):
        raise _bad(f"{SUMS} is not a list of checksums")
    return Bundle(members, sums)


def _zip_members(archive: zipfile.ZipFile) -> dict[str, Callable[[], IO[bytes]]]:
    """The known files of a zip, at its top or inside one folder; others are left alone."""
    infos = [i for i in archive.infolist() if not i.is_dir()]
    if len(infos) > _MOST_MEMBERS:
        raise _bad(f"it holds {len(infos):,} files")
    found: dict[str, Callable[[], IO[bytes]]] = {}
    tops = {PurePosixPath(i.filename).parent for i in infos if PurePosixPath(i.filename).name == FACTS}
    if not tops and any(PurePosixPath(i.filename).name == "labels.json" for i in infos):
        raise _bad("it is a model for other programs (ONNX, OpenVINO, PyTorch or a web service)")
    top = min(tops, key=lambda p: len(p.parts), default=PurePosixPath())
    if len(top.parts) > 1 or ".." in top.parts or top.is_absolute():
        raise _bad("its files do not lie where a bundle has them")
    for info in infos:
        path = PurePosixPath(info.filename)
        name = path.relative_to(top).as_posix() if path.is_relative_to(top) else ""
        if name not in _KNOWN:
            continue
        if name in found:
            raise _bad(f"it holds {name} twice")
        if info.flag_bits & 0x1:
            raise _bad("it is locked with a password")
        if (info.external_attr >> 28) == 0xA:
            raise _bad(f"{name} is a link, not a file")
        if info.file_size > _PIECE and info.file_size > limit("max_zip_ratio") * max(info.compress_size, 1):
            raise _bad(f"{name} is packed suspiciously tight, as in a “zip bomb”")
        found[name] = _member_opener(archive, info)
    return found


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _member_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _bad(reason: str) -> BadUpload:
    return BadUpload(
        "This is no bundle that can be taken.",
        f"The reason: {reason}.",
        "Export the model again, as a bundle, where it was trained.",
    )
