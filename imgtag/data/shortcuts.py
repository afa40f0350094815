"""Which of the keys 1 to 9 stands for which class: a class keeps its key when others come and go."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from imgtag.core.errors import DiskFull, NoAccess
from imgtag.data.projects import Project

_KEYS = 9


def class_keys(project: Project, class_names: Sequence[str]) -> dict[str, int]:
    """The key of up to nine classes by name. Free keys go to the classes without one, in their order."""
    kept = project.settings.get("keys")
    slots = [str(name) if name in class_names else "" for name in (kept if isinstance(kept, list) else [])][:_KEYS]
    slots += [""] * (_KEYS - len(slots))
    waiting = [name for name in class_names if name not in slots]
    slots = [name or (waiting.pop(0) if waiting else "") for name in slots]
    if slots != kept and any(slots) and project.settings:
        with contextlib.suppress(DiskFull, NoAccess):  # a page is being drawn: a full disk must not hide it
            project.change_settings(keys=slots)
    return {name: key for key, name in enumerate(slots, 1) if name}


def rename_key(project: Project, old: str, new: str) -> None:
    """Let a class's key, and whether it is left out of training, go along to its new folder."""
    for entry in ("keys", "left_out"):
        kept = project.settings.get(entry)
        if isinstance(kept, list) and old in kept:
            project.change_settings(**{entry: [new if name == old else name for name in kept]})
