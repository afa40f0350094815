"""The demo's real server: there is nothing in it but the demo, and without the PIN not even that."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from imgtag.core.errors import Conflict
from imgtag.serving.api import ROUTES
from imgtag.serving.demo import demo_folder
from imgtag.serving.demo_process import Demo, start_demo
from imgtag.serving.network import own_addresses
from imgtag.training.runs import find_run
from imgtag.ui.navigation import _SCREENS
from tests import prepared
from tests.drawing import sha
from tests.shows import OWN, PIN, on_show, visitor


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """The demo of the project “numbers”, for this computer only, with a PIN."""
    with tempfile.TemporaryDirectory(prefix="imgtag-demo-") as folder, pytest.MonkeyPatch.context() as patch:
        home = Path(folder) / "home"
        patch.setenv("IMGTAG_HOME", str(home))
        patch.setenv("IMGTAG_MAX_PICTURE_MB", "2")
        prepared.link_backbones(home)
        with on_show(find_run(prepared.copy_trained(home)), title="Numbers", sentence="For all") as shown:
            yield shown


@pytest.fixture(scope="module")
def admitted(demo: Demo) -> Iterator[httpx.Client]:
    """A visitor who came in before anybody tried wrong PINs."""
    with visitor(demo) as client:
        entered = client.post("/demo/enter", json={"pin": PIN})
        client.headers["set-cookie-of-test"] = entered.headers["set-cookie"]
        yield client


def paths_of_the_app() -> list[tuple[str, str]]:
    """(method, path) of every route of the app's HTTP interface, with a real project in the place of names."""
    found = []
    for route in ROUTES:
        assert isinstance(route, Route)
        path = re.sub(r"{name(:\w+)?}", "numbers", route.path)
        path = re.sub(r"{\w+(:\w+)?}", "x", path)
        found += [(method, path) for method in route.methods or ()]
    return found


def test_no_route_of_the_app_is_there(admitted: httpx.Client) -> None:
    asked = paths_of_the_app()
    assert ("GET", "/api/projects") in asked
    answers = {(method, path): admitted.request(method, path).status_code for method, path in asked}
    assert {found for found, status in answers.items() if status != 404} == set()


@pytest.mark.parametrize(
    "path",
    [*(f"/{name}" for name, *_ in _SCREENS), "/pages/collect.py", "/app.py", "/_stcore/metrics", "/component/x/index",
     "/_stcore/upload_file/a/b", "/_stcore/agent/interact", "/app/static/x", "/auth/login", "/oauth2callback", "/docs",
     "/%2e%2e/app.py", "//collect", "/demo", "/demo/", "/demo/../collect", "/demo/example/../../api/projects",
     "/demo/%2e%2e/collect", "/static/../api/projects", "/media/../collect"],
)  # fmt: skip
def test_nothing_else_is_there(admitted: httpx.Client, demo: Demo, path: str) -> None:
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in admitted.cookies.items()), **OWN}
    for method in ("GET", "PUT", "POST"):
        connection = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=60)  # it sends the path as it is
        connection.request(method, path, headers=headers)
        assert connection.getresponse().status in (400, 404), method
        connection.close()


def test_the_page_itself_is_there(demo: Demo) -> None:
    page = visitor(demo).get("/")
    assert page.status_code == 200
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"


def test_without_the_pin_nothing_is_told(admitted: httpx.Client, demo: Demo) -> None:
    example = admitted.get("/demo/show").json()["examples"][0]["id"]
    (name, given), *_ = admitted.cookies.items()
    outside = visitor(demo)
    forged = [{}, {name: "x"}, {name: given[:-1]}, {name.replace(str(demo.port), "1"): given}]
    for cookies in forged:
        for path in ("/demo/show", f"/demo/example/{example}"):
            refused = httpx.get(f"http://127.0.0.1:{demo.port}{path}", cookies=cookies)
            assert refused.status_code == 401
            assert "Numbers" not in refused.text
    assert outside.post("/demo/classify", content=prepared.bytes_of("green")).status_code == 401


def test_a_wrong_pin_does_not_open(demo: Demo) -> None:
    client = visitor(demo)
    for sent in (b'{"pin": "000000"}', b"{}", b"[]", b"\xff", b'{"pin": ["246810"]}'):
        refused = client.post("/demo/enter", content=sent)
        assert refused.status_code in (403, 429)
        assert not client.cookies
    assert client.post("/demo/enter", json={"pin": PIN}).status_code == 429  # slowed down, across connections
    assert int(visitor(demo).post("/demo/enter", json={"pin": PIN}).headers["retry-after"]) > 0


def test_the_pass_is_out_of_reach_of_scripts_and_other_sites(admitted: httpx.Client) -> None:
    assert admitted.headers["set-cookie-of-test"]
    words = admitted.headers["set-cookie-of-test"].lower()
    assert "httponly" in words
    assert "samesite=strict" in words


def test_what_is_shown(admitted: httpx.Client, demo: Demo) -> None:
    told = admitted.get("/demo/show").json()
    assert (told["title"], told["sentence"], told["ready"]) == ("Numbers", "For all", True)
    assert "Trained on" in told["facts"]
    assert {e["truth"] for e in told["examples"]} == {"one", "two", "ten"}
    for example in told["examples"]:
        assert example["answer"]["bars"][0]["name"] == example["truth"]
        for size in ("small", "large"):
            picture = admitted.get(f"/demo/example/{example['id']}?size={size}")
            assert picture.content.startswith(b"\xff\xd8")
            assert "private" in picture.headers["cache-control"]
    assert admitted.get("/demo/example/0").status_code == 404
    assert str(demo.project.path) not in str(told)


def test_an_own_picture_is_classified_and_not_kept(admitted: httpx.Client, demo: Demo) -> None:
    before = {p: sha(p.read_bytes()) for p in demo.project.path.rglob("*") if p.is_file()}
    told = admitted.post("/demo/classify", content=prepared.bytes_of("green")).json()
    assert told["answer"]["bars"][0]["name"] == "one"
    assert sum(bar["share"] for bar in told["answer"]["bars"]) == pytest.approx(1, abs=0.001)
    head, _, data = told["picture"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data).startswith(b"\xff\xd8")
    assert {p: sha(p.read_bytes()) for p in demo.project.path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"buy more paint", "It is a text file, not a picture."), (b"", "The file is empty."),
     (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, ""), (b"\xff\xd8" + b"\0" * (3 << 20), "The file is too large")],
)  # fmt: skip
def test_a_bad_file_gets_one_sentence(admitted: httpx.Client, data: bytes, reason: str) -> None:
    refused = admitted.post("/demo/classify", content=data)
    assert refused.status_code == 400
    assert refused.json()["error"].startswith(reason)
    assert 0 < len(refused.json()["error"]) < 90
    assert admitted.post("/demo/classify", content=prepared.bytes_of("red")).json()["answer"]["bars"]


def test_foreign_names_and_pages_are_refused(admitted: httpx.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "192.168.1.7", "[", ""):
        assert admitted.get("/", headers={"host": host}).status_code in (400, 403), host
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert admitted.get("/demo/show", headers=headers).status_code == 403
        assert admitted.post("/demo/classify", content=b"x", headers=headers).status_code == 403
    bare = {name: value for name, value in admitted.headers.items() if name not in OWN}
    plain = httpx.post(f"{admitted.base_url}/demo/classify", content=b"x", headers=bare, cookies=dict(admitted.cookies))
    assert plain.status_code == 403


def test_it_listens_to_this_computer_alone(demo: Demo) -> None:
    for address in own_addresses():
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, demo.port)) != 0


def test_a_second_one_of_the_same_project_is_refused(demo: Demo) -> None:
    from imgtag.serving.demo import read_settings

    settings = read_settings(demo.project)
    assert settings
    with pytest.raises(Conflict):
        start_demo(demo.project, settings)


def test_only_its_hash_knows_the_pin(demo: Demo) -> None:
    assert all(PIN.encode() not in p.read_bytes() for p in demo_folder(demo.project).iterdir())
