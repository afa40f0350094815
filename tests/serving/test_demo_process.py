"""Starting and ending the demo's process, and what its state says when something goes wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from imgtag.core import storage
from imgtag.core.errors import Conflict, NotFound
from imgtag.data.projects import trash_project
from imgtag.serving.demo import DemoSettings, usual_settings
from imgtag.serving.demo_process import Demo, shown, start_demo
from imgtag.serving.network import own_addresses, own_names
from imgtag.training.runs import Run
from tests.shows import PIN, on_show, until, visitor

ROOT = Path(__file__).resolve().parents[2]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_there_is_none_at_first(trained: Run) -> None:
    demo = Demo(trained.project)
    assert demo.state == "off"
    assert not demo.active


def test_in_the_network_it_answers_to_its_own_addresses_and_ends_when_told(trained: Run) -> None:
    with on_show(trained, network=True) as demo:
        for address in own_addresses():
            assert f"http://{address}:{demo.port}" in demo.addresses
            inside = visitor(demo, PIN, host=address)
            assert inside.get("/demo/show").json()["ready"]
            assert inside.get("/api/projects").status_code == 404
        inside = visitor(demo, PIN)
        for name in own_names():
            assert inside.get("/", headers={"host": f"{name}:{demo.port}"}).status_code == 200
        assert inside.get("/", headers={"host": "evil.example"}).status_code == 403
        old = dict(inside.cookies)
        port = demo.port
    assert Demo(trained.project).state == "off"
    assert not answers(port)
    with on_show(trained) as again:
        assert httpx.get(f"http://127.0.0.1:{again.port}/demo/show", cookies=old).status_code == 401


def test_killed_or_without_its_project_it_is_seen_as_ended(trained: Run) -> None:
    with on_show(trained, pin=None) as demo:
        assert visitor(demo).get("/demo/show").json()["ready"], "no PIN is asked where none was chosen"
        os.kill(pid_of(demo), signal.SIGKILL)
        until(lambda: Demo(trained.project).state == "off", 10)
    with on_show(trained) as demo:
        port = demo.port
        trash_project(trained.project)
        until(lambda: not answers(port), 10)


def pid_of(demo: Demo) -> int:
    from imgtag.serving.demo_process import _children

    return _children[demo.project.path].pid


def test_a_damaged_model_is_told(trained: Run) -> None:
    storage.atomic_write(trained.path / "model" / "model.safetensors", b"x")
    start_demo(trained.project, usual_settings(trained))
    until(lambda: not Demo(trained.project).active)
    demo = Demo(trained.project)
    assert demo.state == "failed"
    assert "model" in demo.trouble
    assert not answers(demo.port)


def test_a_training_that_is_not_there_is_refused(trained: Run) -> None:
    with pytest.raises(NotFound):
        start_demo(trained.project, DemoSettings("20200101-000000-quick", "x"))
    assert Demo(trained.project).state == "off"


def test_one_process_at_a_time_holds_it(trained: Run) -> None:
    with shown(trained.project, 8600, network=False):
        assert Demo(trained.project).state == "starting"
        with pytest.raises(Conflict), shown(trained.project, 8601, network=False):
            pass
    assert Demo(trained.project).state == "off"


def test_an_error_in_it_is_kept_for_the_page(trained: Run) -> None:
    with pytest.raises(OSError, match="no"), shown(trained.project, 8600, network=False):
        raise OSError("no")
    assert Demo(trained.project).state == "failed"
    assert "OSError" in Demo(trained.project).trouble


def test_by_hand_the_network_does_not_come_in_without_a_pin(trained: Run) -> None:
    settings = replace(usual_settings(trained), network=False)
    storage.write_json(trained.project.path / "demo" / "settings.json", {**vars(settings), "pin": None})
    done = subprocess.run(
        [sys.executable, "app.py", "--demo", trained.project.name, "--host", "0.0.0.0"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "A demo for the network needs a PIN." in done.stderr
    assert Demo(trained.project).state == "failed"
