"""The page Share through Streamlit's own test driver, and the faces of the demo's page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from imgtag.serving import demo_server
from imgtag.serving.demo import DemoSettings
from imgtag.serving.demo_process import Demo
from imgtag.serving.demo_server import Show, make_routes
from imgtag.serving.door import hash_pin
from imgtag.serving.network import Login
from imgtag.training.runs import Run
from imgtag.ui import demo_app, share_demo
from imgtag.ui.share_programs import classify_address, curl_line, python_lines
from tests.shows import OWN, PIN
from tests.ui.test_pages import opened, texts

UI = Path(__file__).resolve().parents[2] / "imgtag" / "ui"
LOGIN = Login("http://localhost:8600", "localhost", 8600)


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def warnings(app: AppTest) -> str:
    return " ".join(str(w.value) for w in app.warning)


def test_at_first_it_is_for_this_computer_only(trained: Run) -> None:
    app = opened("share", trained.project)
    assert app.radio[0].value == "On this computer only"
    assert not warnings(app)
    assert "Start the demo" in labels(app)


def test_the_choice_of_the_network_says_what_it_means_and_needs_a_pin(trained: Run) -> None:
    app = opened("share", trained.project)
    app.radio[0].set_value("Everybody in this network").run()
    words = warnings(app)
    assert all(part in words for part in ("not encrypted", "same Wi-Fi", "Only the demo can be reached"))
    pin = next(field for field in app.text_input if field.label.startswith("PIN"))
    assert len(pin.value) == 6
    pin.set_value("123").run()
    next(b for b in app.button if b.label == "Start the demo").click().run()
    assert "cannot be used" in " ".join(str(e.value) for e in app.error)
    assert Demo(trained.project).state == "off"


def test_with_a_login_no_pin_is_asked(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_demo, "configured_login", lambda: LOGIN)
    app = opened("share", trained.project)
    assert "OIDC" in " ".join(str(i.value) for i in app.info)
    assert not [field for field in app.text_input if field.label.startswith("PIN")]


def test_the_lines_for_programs_name_this_project_and_training(trained: Run) -> None:
    address = classify_address("http://127.0.0.1:8599/share?project=x", trained.project, trained)
    assert address == f"http://127.0.0.1:8599/api/projects/numbers/classify?run={trained.id}"
    assert address in curl_line(address)
    assert address in python_lines(address)
    compile(python_lines(address), "example", "exec")


@pytest.fixture
def show(trained: Run) -> Iterator[Show]:
    """What a demo's process would show, without its server."""
    found = Show(Demo(trained.project), DemoSettings(trained.id, "Numbers", pin=hash_pin(PIN)), trained)
    demo_app._current[:] = [found]
    yield found
    demo_app._current.clear()


def parts(app: AppTest) -> str:
    """All that the page sends to the browser, as text."""
    return str(app._tree)


def demo_page() -> AppTest:
    app = AppTest.from_file(str(UI / "demo.py"), default_timeout=30)
    app.run()
    assert not app.exception, app.exception
    return app


def test_without_a_pass_the_page_is_the_door_alone(show: Show) -> None:
    assert "key='door'" in parts(demo_page())
    assert "key='stage'" not in parts(demo_page())
    assert "Numbers" not in parts(demo_page())


def test_who_has_not_logged_in_gets_the_way_to_the_login(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_server, "configured_login", lambda: LOGIN)
    app = demo_page()
    assert labels(app) == ["Log in"]
    assert "This demo is protected" in texts(app)
    assert "key='stage'" not in parts(app)
    assert "key='door'" not in parts(app)


def test_who_has_logged_in_changes_a_ticket_for_a_pass(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_server, "configured_login", lambda: LOGIN)
    client = TestClient(Starlette(routes=list(make_routes(show))), headers=OWN)
    assert client.post("/demo/enter", json={"pin": PIN}).status_code == 403, "with a login no PIN opens"
    assert client.get("/demo/show").status_code == 401
    forged = Show(show.demo, show.settings, show.run).door.make_pass(60, "ticket")
    assert client.post("/demo/enter", json={"ticket": forged}).status_code == 403
    ticket = show.door.make_pass(60, "ticket")
    assert client.post("/demo/enter", json={"ticket": ticket}).status_code == 200
    assert client.get("/demo/show").json()["title"] == "Numbers"
