"""Sample data: digits without a connection; downloads in a process of their own that leave nothing half-made."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from imgtag.core.errors import ImgtagError, Offline
from imgtag.data.background import Job
from imgtag.data.dataset import look
from imgtag.data.images import open_picture
from imgtag.data.projects import find_listed, list_projects
from imgtag.data.samples import DOWNLOADS, digits_sample, download_sample
from tests.drawing import picture

EUROSAT = next(s for s in DOWNLOADS if s.key == "EuroSAT")


def toy_torchvision(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a package called torchvision in the way of the download process: its EuroSAT does what the body says."""
    package = folder / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    lines = textwrap.indent(textwrap.dedent(body), " " * 8)
    (package / "datasets.py").write_text(
        f"from pathlib import Path\nclass EuroSAT:\n    def __init__(self, root, download, loader):\n{lines}\n"
        "    def __len__(self): return len(self.rows)\n"
        "    def __getitem__(self, n): return self.rows[n][::-1]\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_digits_come_without_a_connection(home: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    project = digits_sample(lambda *how_far: seen.append(how_far))
    dataset = look(project)
    assert dataset.counts == {str(digit): 60 for digit in range(10)}
    assert open_picture(dataset.pictures[0].path)[0].size == (96, 96)
    assert seen[-1][:2] == (600, 600)
    assert project.title == "Handwritten digits"


def test_a_download_becomes_a_project_and_its_files_go(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(picture("red"))
    toy_torchvision(
        tmp_path / "lib",
        monkeypatch,
        f"""
        data = Path({str(tmp_path / "a.png")!r}).read_bytes()
        self.classes = ["Forest", "River"]
        self.rows = []
        for n in range(3000):  # the list is longer than a pipe holds
            path = root / "a folder with quite a long name" / f"{{n}}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data if n == 7 else b"no picture")
            self.rows.append([n % 2, str(path)])
        """,
    )
    job = Job("download")
    name = download_sample(EUROSAT, job)
    assert look(find_listed(name)).counts == {"River": 1}
    assert find_listed(name).title == "EuroSAT"
    assert not list((home / ".cache" / "downloads").iterdir())


@pytest.mark.parametrize("body", ["raise OSError('no connection')", "import os; os._exit(9)"])
def test_a_download_that_fails_says_so_and_leaves_nothing(
    body: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_torchvision(tmp_path, monkeypatch, body)
    with pytest.raises(Offline, match="Handwritten digits"):
        download_sample(EUROSAT, Job("download"))
    assert list_projects() == []
    assert not list((home / ".cache" / "downloads").iterdir())


def test_a_download_can_be_stopped(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_torchvision(tmp_path, monkeypatch, "import time; time.sleep(60)")
    job = Job("download")
    job.stop()
    start = time.monotonic()
    with pytest.raises(ImgtagError, match="was stopped"):
        download_sample(EUROSAT, job)
    assert time.monotonic() - start < 20
    assert list_projects() == []
