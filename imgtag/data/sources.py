"""Where an import reads from: zips, folders, single files and browser uploads, all as one kind of file.

Nothing is unpacked to disk. A member of a zip is read by our own loop with caps (size, ratio, number), as
Python's documentation advises under "Decompression pitfalls"; its name never becomes a path.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from imgtag.core import storage
from imgtag.core.errors import BadPicture, BadUpload, NoAccess, NotFound
from imgtag.core.settings import limit


@dataclass(frozen=True)
class SourceFile:
    """A file on offer: its path inside the source (for reading the layout only) and how to read it.

    `origin` names the upload it came in; `local` is where the bytes lie on this machine, outside of any zip; `label` is
    its class where that is known already, whatever its path says.
    """

    path: PurePosixPath
    size: int
    read: Callable[[], bytes]
    origin: str = ""
    local: Path | None = None
    label: str = ""

    @property
    def shown(self) -> str:
        """The path as the user knows it, with the zip's name in front."""
        shown = f"{self.origin}/{self.path}" if self.origin else str(self.path)
        return shown.encode("utf-8", "replace").decode("utf-8")  # a name that is no UTF-8 could not be displayed


@contextlib.contextmanager
def open_sources(paths: Sequence[Path]) -> Iterator[list[list[SourceFile]]]:
    """All files of some zips, folders and files; one list for each zip or folder.

    Single files form one list together. Raises NotFound or BadUpload for a source that cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        groups: list[list[SourceFile]] = []
        loose: list[SourceFile] = []
        for path in paths:
            if path.is_dir():
                groups.append(list(_folder_files(path)))
            elif not path.is_file():
                raise NotFound(
                    f"“{path}” is not there.",
                    "Neither a file nor a folder has this name.",
                    "Check the spelling.",
                )
            elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
                groups.append(_zip_files(stack, path, path.name))
            else:
                loose.append(_disk_file(path, PurePosixPath(path.name)))
        yield [*groups, *([loose] if loose else [])]


@contextlib.contextmanager
def open_staged(folder: Path) -> Iterator[list[list[SourceFile]]]:
    """The files of one browser upload: numbered files beside names.jsonl, zips looked into."""
    names = {str(row["file"]): str(row["path"]) for row in storage.read_json_lines(folder / "names.jsonl")}
    with contextlib.ExitStack() as stack:
        groups: list[list[SourceFile]] = []
        loose: list[SourceFile] = []
        for file, name in names.items():
            path = folder / file
            if not path.is_file():
                continue
            shown = safe_parts(name)
            if shown.suffix.lower() == ".zip":
                try:
                    groups.append(_zip_files(stack, path, shown.name))
                    continue
                except BadUpload:
                    pass  # one damaged zip must not stop the others: it is named in the report as a file
            loose.append(_disk_file(path, shown, local=path))
        yield [*groups, *([loose] if loose else [])]


def safe_parts(name: str) -> PurePosixPath:
    """A foreign path as harmless parts: backslashes, drives, “..” and empty parts are dropped.

    >>> str(safe_parts("C:\\\\a\\\\..\\\\b.jpg"))
    'a/b.jpg'
    """
    parts = [p for p in name.replace("\\", "/").replace("\0", "").split("/") if p not in ("", ".", "..")]
    if parts and len(parts[0]) == 2 and parts[0][1] == ":":
        parts = parts[1:]
    return PurePosixPath(*parts) if parts else PurePosixPath("unnamed")


def _folder_files(folder: Path) -> Iterator[SourceFile]:
    seen: set[str] = set()
    for root, dirs, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link that leads back
            dirs[:] = []
            continue
        seen.add(real)
        if "project.json" in files and "images" in dirs:  # another project: its pictures, not its caches and its trash
            dirs[:], files = ["images"], []
        dirs.sort()
        for name in sorted(files):
            path = Path(root, name)
            if path.exists() and not path.is_file():  # a pipe would be waited for without end
                continue
            yield _disk_file(path, PurePosixPath(folder.name) / path.relative_to(folder).as_posix(), local=path)


def _unreadable(error: OSError) -> None:
    raise NoAccess(
        f"The folder “{error.filename}” cannot be read.", f"The system says: {error.strerror}.", "Allow it, or move it."
    ) from error


def _disk_file(path: Path, shown: PurePosixPath, local: Path | None = None) -> SourceFile:
    return SourceFile(shown, _size(path), lambda: _read_file(path), local=local)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a dangling link: reading it will give the reason
        return 0


def _read_file(path: Path) -> bytes:
    most = limit("max_picture_mb") << 20
    try:
        with open(path, "rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise BadPicture(
            "The file cannot be opened.", f"The system says: {error.strerror}.", "Check that it may be read."
        ) from error


def _zip_files(stack: contextlib.ExitStack, path: Path, shown: str) -> list[SourceFile]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except Exception as error:  # zipfile raises nearly anything on a damaged directory
        raise BadUpload(
            f"The zip “{shown}” is damaged.",
            "It was cut off or changed on its way.",
            "Make or download it again.",
        ) from error
    members = [m for m in archive.infolist() if m.filename and not m.filename.endswith("/")]
    if len(members) > limit("max_zip_members"):
        raise BadUpload(
            f"The zip “{shown}” holds {len(members):,} files.",
            f"Up to {limit('max_zip_members'):,} are taken at once.",
            "Split it into several zips.",
        )

    def reader(member: zipfile.ZipInfo) -> Callable[[], bytes]:
        return lambda: _read_member(archive, member)

    return [SourceFile(safe_parts(_member_name(m)), m.file_size, reader(m), shown) for m in members]


def _member_name(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 0x800:  # the zip says UTF-8
        return member.filename
    try:  # many programs write UTF-8 without saying so
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member. What its header claims about the size is checked, not believed."""
    most = limit("max_picture_mb") << 20
    if member.flag_bits & 0x1:
        raise BadPicture("The file is locked with a password.", "", "Unlock the zip and add it again.")
    if (member.external_attr >> 28) == 0xA:
        raise BadPicture("It is a link, not a file.", "", "Add the file that it points to.")
    if member.file_size > 1 << 20 and member.file_size > limit("max_zip_ratio") * max(member.compress_size, 1):
        raise BadPicture(
            "The file is packed suspiciously tight.",
            f"It would grow more than {limit('max_zip_ratio')} times, as a “zip bomb” does.",
            "If it is a real picture, add it outside of a zip.",
        )
    try:
        with archive.open(member) as stream:
            return stream.read(most + 1)
    except Exception as error:  # zipfile and the decompressors raise nearly anything on damaged members
        raise BadPicture(
            "The file inside the zip is damaged.", f"{type(error).__name__}: {error}.", "Make the zip again."
        ) from error
