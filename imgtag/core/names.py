"""Names: what may be a folder on Linux, macOS and Windows alike, and how files are named.

The rules for class names follow Nextcloud's "Windows compatible filenames". A name is also a
path component, so this module is the one place that decides what may become part of a path.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from imgtag.core.errors import BadName

_FORBIDDEN = '<>:"/\\|?*'
_BIDI_CONTROLS = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10)}
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, line and paragraph separators
_MAX_CHARACTERS, _MAX_BYTES = 60, 200


def check_name(name: str, what: str = "class") -> str:
    """The name in canonical form (NFC, trimmed), or BadName with the reason.

    >>> check_name("  boats ")
    'boats'
    """
    name = unicodedata.normalize("NFC", name).strip()
    reason = _why_not(name)
    if reason:
        shown = f"“{name[:40]}”" if name else "An empty name"
        raise BadName(
            f"{shown} cannot be a {what} name.",
            f"It {reason}. The name becomes a folder, so it must work on every computer.",
            "Choose another name of 1 to 60 characters.",
        )
    return name


def _why_not(name: str) -> str:
    if not name:
        return "is empty"
    if len(name) > _MAX_CHARACTERS or len(name.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
        return "is too long"
    if any(unicodedata.category(c) in _INVISIBLE or c in _BIDI_CONTROLS for c in name):
        return "contains an invisible control character"
    bad = sorted({c for c in name if c in _FORBIDDEN})
    if bad:
        return f"contains {' '.join(bad)}"
    if name[0] in ".-~":
        return f"begins with {name[0]}"
    if name[-1] == ".":
        return "ends with a full stop"
    if name.split(".")[0].strip().casefold() in _RESERVED:
        return "is reserved by Windows"
    return ""


def tidy_name(name: str, fallback: str = "class") -> str:
    """The nearest allowed name: forbidden characters become spaces, ends are trimmed.

    Used for folder names that come from a zip made on another system.
    """
    name = unicodedata.normalize("NFC", name)
    kept = "".join(
        " " if c in _FORBIDDEN or c in _BIDI_CONTROLS or unicodedata.category(c) in _INVISIBLE else c for c in name
    )
    kept = re.sub(r"\s+", " ", kept).strip().lstrip(".-~ ").rstrip(". ")[:_MAX_CHARACTERS]
    while len(kept.encode()) > _MAX_BYTES:
        kept = kept[:-1]
    kept = kept.rstrip(". ")
    if _why_not(kept):
        kept = f"{fallback} {kept}"[:_MAX_CHARACTERS].rstrip(". ")
    return kept


def same_name(a: str, b: str) -> bool:
    """Whether two names would be the same folder on a file system that ignores case."""
    return unicodedata.normalize("NFC", a).casefold() == unicodedata.normalize("NFC", b).casefold()


def slug(text: str, length: int = 40) -> str:
    """Letters, digits, dashes and underscores of a text, for file names that work everywhere."""
    text = unicodedata.normalize("NFKC", text)
    return re.sub(r"[^\w]+", "-", text).strip("-_")[:length].strip("-_")


def stored_name(original: str, sha256: str, extension: str) -> str:
    """Name under which a picture is kept: readable part, first 12 hex digits, true extension.

    >>> stored_name("My cat (1).JPEG", "0123456789abcdef", ".jpg")
    'My-cat-1-0123456789ab.jpg'
    """
    stem = slug(Path(original.replace("\\", "/")).stem) or "picture"
    return f"{stem}-{sha256[:12]}{extension}"


def plain(name: str) -> str:
    """A name as words: underscores become spaces, white space is folded."""
    return re.sub(r"[\s_]+", " ", name).strip()
