"""The OpenAPI description as a page for people: one HTML file without scripts, which asks nothing of other servers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape


def docs_page(description: Mapping[str, Any]) -> str:
    """HTML made from nothing but an OpenAPI description as `endpoints.openapi` gives it."""
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in description["tags"]}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append({**operation, "path": path, "method": method.upper()})
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    templates.filters.update(example=_example, words=_words)
    return templates.get_template("docs.html").render(
        info=description["info"], server=description["servers"][0]["url"], groups=groups
    )


def _example(operation: Mapping[str, Any]) -> str:
    """The example answer of an operation as indented JSON; empty where there is none."""
    (content,) = operation["responses"]["200"]["content"].values()
    return json.dumps(content["example"], indent=2, ensure_ascii=False) if "example" in content else ""


def _words(text: str) -> Markup:
    """Text with `code` between backticks, all else shown as it is."""
    parts = [
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)
