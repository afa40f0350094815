"""Foreign words on the screen."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    r"""A foreign text for a place that renders Markdown: every sign of meaning is made a plain sign.

    >>> literal("![x](http://e) :red[a] $y$")
    '\\!\\[x\\]\\(http\\:\\/\\/e\\) \\:red\\[a\\] \\$y\\$'
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text.replace("\n", " "))
