"""Every example of docs/rest.md is run as it stands, against a real server, and does what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgtag.core.settings import SETTINGS
from tests.drawing import picture
from tests.served import Server, served_app

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "rest.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
CURLS = [source for kind, source in BLOCKS if kind == "bash"]
PYTHONS = [source for kind, source in BLOCKS if kind == "python"]
# What the page shows as the answer of the example right before it.
SHOWN = {BLOCKS[n - 1][1]: source for n, (kind, source) in enumerate(BLOCKS) if kind == "json"}
WRITTEN_FOR = "http://127.0.0.1:8501"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The app with a trained project “boats”, whose classes are 1, 2 and 10."""
    with served_app() as found:
        shutil.copytree(found.project.path, found.home / "boats")
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader would be: beside two photographs and a text."""
    (tmp_path / "photo.jpg").write_bytes(picture("blue", 4000, shape="square", format="JPEG"))
    (tmp_path / "other.jpg").write_bytes(picture("red", 4001, format="JPEG"))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def run(program: list[str], source: str, server: Server, folder: Path) -> str:
    """What an example prints. Only the port is changed."""
    assert WRITTEN_FOR in source
    (folder / "example").write_text(source.replace(WRITTEN_FOR, server.url))
    environment = {**os.environ, "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [*program, "example"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def curl(source: str, server: Server, folder: Path) -> Any:
    if not (shutil.which("curl") and shutil.which("bash")):
        if os.environ.get("CI"):
            pytest.fail("curl and bash are needed, and CI must not pass without them")
        pytest.skip("curl and bash are needed to run the examples")
    return json.loads(run(["bash", "-e"], source, server, folder))


def shape(value: Any) -> Any:
    """The keys and kinds of a JSON value; of a list, those of its first entry. “unknown” may also be null."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    if value is None or isinstance(value, bool):
        return "yes, no or null"
    return [shape(value[0])] if isinstance(value, list) else type(value).__name__


def test_the_page_has_the_examples_that_are_tested_here() -> None:
    assert (len(CURLS), len(PYTHONS), len(SHOWN)) == (5, 2, 3)
    assert {kind for kind, _ in BLOCKS} == {"bash", "python", "json"}


@pytest.mark.parametrize("source", CURLS, ids=lambda source: source.split("/api/")[1].strip())
def test_curl_examples(server: Server, folder: Path, source: str) -> None:
    answer = curl(source, server, folder)
    if source in SHOWN:
        assert shape(answer) == shape(json.loads(SHOWN[source]))
    if "boots" in source:
        assert answer["error"]["title"] == json.loads(SHOWN[source])["error"]["title"]
    elif "notes.txt" in source:
        assert [a["file"] for a in answer] == ["photo.jpg", "notes.txt", "other.jpg"]
        assert [[t["class"] for t in a["tags"]] for a in answer] == [["10"], [], ["2"]]
        assert "text file" in answer[1]["error"]
    elif "classify" in source:
        assert answer[0]["tags"][0]["class"] == "10"
    elif "projects" in source:
        boats = next(p for p in answer["projects"] if p["name"] == "boats")
        assert boats["classes"] == {"1": 12, "2": 12, "10": 12}
        assert {"title", "last_run"} <= set(boats)


@pytest.mark.parametrize("number", range(len(PYTHONS)))
def test_python_examples(server: Server, folder: Path, number: int) -> None:
    printed = run([sys.executable], PYTHONS[number], server, folder).split("\n")
    assert [line.split()[0] for line in printed if line] == ["photo.jpg", "other.jpg"]
    assert "10" in printed[0].split() or "unknown" in printed[0]
    assert "2" in printed[1].split() or "unknown" in printed[1]


def test_the_first_python_example_needs_nothing_but_python() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", PYTHONS[0], flags=re.MULTILINE))
    assert imported
    assert imported <= set(sys.stdlib_module_names)


def test_the_limits_on_the_page_are_those_of_the_program() -> None:
    limits = {setting.name: str(setting.default) for setting in SETTINGS}
    words = " ".join(PAGE.split())
    assert f"more than {limits['max_classify_files']} files or {limits['max_classify_mb']} MB in one request" in words
    assert f"A single file over {limits['max_picture_mb']} MB" in words
    assert f"pictures that may wait ({limits['max_waiting_pictures']})" in words
