"""Which of the keys 1 to 9 stands for which class: a class keeps its key when others come and go."""

from __future__ import annotations

from collections.abc import Sequence

from imgtag.data.projects import Project

_KEYS = 9


def class_keys(project: Project, class_names: Sequence[str]) -> dict[str, int]:
    """The key of up to nine classes by name. Free keys go to the classes without one, in their order."""
    kept = project.settings.get("keys")
    slots = [str(name) if name in class_names else "" for name in (kept if isinstance(kept, list) else [])][:_KEYS]
    slots += [""] * (_KEYS - len(slots))
    waiting = [name for name in class_names if name not in slots]
    slots = [name or (waiting.pop(0) if waiting else "") for name in slots]
    if slots != kept and any(slots):
        project.change_settings(keys=slots)
    return {name: key for key, name in enumerate(slots, 1) if name}
