"""The inline components of Streamlit's v2 API: HTML, CSS and JavaScript as they are, no build step."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def read_component(*names: str) -> str:
    """The text of some files of this folder, one after the other."""
    return "\n".join((_FOLDER / name).read_text("utf-8") for name in names)
