"""The real server as a process of its own, for tests that ask it over HTTP."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx

from imgtag.data.projects import Project
from tests import prepared

ROOT = Path(__file__).resolve().parents[1]
OWN_HEADER = {"X-Imgtag-Upload": "1"}


class Server:
    """The address of the running app, its home folder and its process."""

    def __init__(self, url: str, home: Path, process: subprocess.Popen[bytes]) -> None:
        self.url, self.home, self.process = url, home, process

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def project(self) -> Project:
        return Project(self.home / "numbers")

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60, **options)  # type: ignore[arg-type]

    def classify(self, *files: tuple[str, bytes], query: str = "", **headers: str) -> httpx.Response:
        parts = [("image", (name, data, "image/png")) for name, data in files]
        return httpx.post(f"{self.url}/api/projects/numbers/classify{query}", files=parts, headers=headers, timeout=60)

    def upload(self, path: str, data: object, batch: str = "", headers: object = None) -> httpx.Response:
        query = f"?batch={batch or uuid.uuid4().hex}&path={quote(path, safe='')}"
        return httpx.put(
            f"{self.url}/api/projects/numbers/upload{query}",
            content=data,  # type: ignore[arg-type]
            headers=OWN_HEADER if headers is None else headers,  # type: ignore[arg-type]
            timeout=60,
        )


@contextlib.contextmanager
def served_app(**settings: str) -> Iterator[Server]:
    """`python app.py` on a free port, with the trained project “numbers”; it ends with the block.

    settings: environment variables such as IMGTAG_MAX_CLASSIFY_MB.
    """
    with tempfile.TemporaryDirectory(prefix="imgtag-server-") as folder:
        home = Path(folder) / "home"
        prepared.link_backbones(home)
        prepared.copy_trained(home)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = open(Path(folder) / "log", "wb")  # noqa: SIM115 (closed below, after the server)
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)],
            cwd=ROOT, env={**os.environ, "IMGTAG_HOME": str(home), **settings}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        found = Server(f"http://127.0.0.1:{port}", home, process)
        try:
            for _ in range(300):
                assert process.poll() is None, (Path(folder) / "log").read_text()
                try:
                    if found.get("/api/health").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield found
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            log.close()
