"""The description of the HTTP interface: complete, the same for programs and people, and self-contained."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imgtag.serving.api import ENDPOINTS, ROUTES
from imgtag.serving.docs_page import docs_page
from imgtag.serving.endpoints import Endpoint, openapi

URL = "http://127.0.0.1:8501"
CATCH_ALL = "/api/{rest:path}"


def undescribed(routes: list[Route], description: dict) -> list[str]:
    """Routes that a description does not have, as “METHOD path”."""
    there = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    real = {f"{method} {route.path}" for route in routes for method in (route.methods or set()) - {"HEAD"}
            if route.path != CATCH_ALL}  # fmt: skip
    return sorted(real - there)


def test_every_route_is_described() -> None:
    assert undescribed(ROUTES, openapi(ENDPOINTS, URL)) == []
    assert [route.path for route in ROUTES].count(CATCH_ALL) == 1
    assert ROUTES[-1].path == CATCH_ALL, "what stands behind it is never reached"


def test_a_route_without_description_would_be_seen() -> None:
    async def handler(request: Request) -> Response:
        return Response()

    more = [*ROUTES, Route("/api/new", handler), Route("/api/health", handler, methods=["DELETE"])]
    assert undescribed(more, openapi(ENDPOINTS, URL)) == ["DELETE /api/health", "GET /api/new"]


def operations() -> list[tuple[str, dict]]:
    paths = openapi(ENDPOINTS, URL)["paths"]
    return [(f"{method} {path}", operation) for path, methods in paths.items() for method, operation in methods.items()]


def test_every_operation_says_what_it_does_takes_and_answers() -> None:
    for name, operation in operations():
        assert len(operation["summary"]) > 15, f"{name}: its handler needs a docstring"
        assert {"200", "403", "404"} <= set(operation["responses"]), name
        assert all(answer["description"] for answer in operation["responses"].values()), name
        in_path = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert in_path == re.findall(r"{(\w+)}", name), name
        assert all(p["description"] for p in operation["parameters"]), f"{name}: a parameter without words"
        assert {sample["lang"] for sample in operation["x-codeSamples"]} == {"curl", "Python"}


def test_names_of_operations_are_unique_and_references_lead_somewhere() -> None:
    description = openapi(ENDPOINTS, URL)
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names)
    for reference in re.findall(r"'\$ref': '#/([^']+)'", str(description)):
        at = description
        for key in reference.split("/"):
            at = at[key]
        assert at["type"] == "object"


def test_the_python_examples_are_python() -> None:
    for name, operation in operations():
        (source,) = (s["source"] for s in operation["x-codeSamples"] if s["lang"] == "Python")
        compile(source, name, "exec")
        assert URL in source


class Page(HTMLParser):
    """What a page is made of: the addresses it would load or lead to, its tags and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.addresses += [str(found[key]) for key in ("src", "href", "action") if key in found]
        self.ids += [str(found["id"])] if "id" in found else []

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_tells_all_of_it_and_asks_for_nothing_elsewhere() -> None:
    html = docs_page(openapi(ENDPOINTS, URL))
    page = Page(html)
    for name, operation in operations():
        assert name.partition(" ")[2] in page.words, name
        assert operation["summary"].replace("`", "") in " ".join(page.words.split()), name
        assert operation["operationId"] in page.ids
        assert all(sample["source"] in page.words for sample in operation["x-codeSamples"])
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert [a for a in page.addresses if not a.startswith(("#", "/api/"))] == []
    assert "url(" not in html
    assert "@import" not in html
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= set(page.ids)
    assert "prefers-color-scheme: dark" in html


def test_nothing_of_a_description_becomes_html() -> None:
    async def handler(request: Request) -> Response:
        """A <b>bold</b> `<i>code</i>` story."""
        return Response()

    html = docs_page(openapi([Endpoint("/api/<s>", handler, query={"<u>": "<em>"})], 'http://"><script>'))
    assert not {"b", "i", "s", "u", "em", "script"} & set(Page(html).tags)
    assert "<code>&lt;i&gt;code&lt;/i&gt;</code>" in html
