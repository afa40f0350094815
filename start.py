"""One command for newcomers: makes .venv, installs what the app needs, starts the app and opens the browser.

Standard library only. It must parse on Python 3.6, so that an old Python can say that it is too old: hence List[str].
"""

import argparse
import contextlib
import glob
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import webbrowser
from http.client import HTTPConnection, HTTPException
from typing import Dict, Iterator, List, Optional, Tuple

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")))
LOG = os.path.join(VENV, "install.log")
FIRST_INSTALL_GB = 10 if sys.platform == "linux" else 3  # while it runs; on Linux PyTorch brings the CUDA libraries
# Without a desktop a text browser would take over this terminal.
HAS_DESKTOP = sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
USAGE = "start.py [--port N] [--no-browser]\n       start.py test [arguments of pytest]"


class Problem(Exception):
    """What happened and what to do, in one sentence."""


def too_old(version: Tuple[int, ...]) -> Optional[str]:
    """The sentence for a Python that is too old, or None. (In ASCII: old ones may not print anything else.)"""
    if version >= (3, 11):
        return None
    happened = "imgtag needs Python 3.11 or newer, but this is Python " + ".".join(map(str, version))
    return happened + ": install a newer one from https://www.python.org/downloads/ and start again with it."


# What pip, venv and the operating system say, and what it means; the first that is found counts.
SENTENCES = {
    r"Errno 28|Errno 122|WinError 112|No space left on device|Disk quota exceeded": (
        "The disk is full: make room, or move this folder to a larger disk, then start again."
    ),
    r"(?im)^\w*error:.*\[(Errno (1|13|30)|WinError (5|32))\]": (
        f"The system does not allow writing to {ROOT}: "
        "end any imgtag that still runs there, or move the folder to a place of your own, then start again."
    ),
    r"ensurepip is not\s+available|No module named '?(venv|ensurepip)": (
        "This Python has no venv module: install it (on Debian and Ubuntu: "
        f"sudo apt install python3.{sys.version_info[1]}-venv), then start again."
    ),
    r"connection broken by|NewConnectionError|Connect\w*Error|ReadTimeout|ProxyError|SSLError|Max retries exceeded"
    r"|name resolution|getaddrinfo failed|IncompleteRead|HTTP error [45]\d\d": (
        "The packages could not be downloaded: check the connection to the internet (and the proxy, if you need one), "
        f"then start again (details: {LOG})."
    ),
    r"from versions: ": (
        f"A package does not exist for this computer with Python {sys.version_info[0]}.{sys.version_info[1]}: "
        f"start again with another Python from https://www.python.org/downloads/ (details: {LOG})."
    ),
}


def diagnose(output: str) -> str:
    """One sentence for the output of an installation that failed."""
    for pattern, sentence in SENTENCES.items():
        if re.search(pattern, output):
            return sentence
    errors = [line for line in output.splitlines() if "error" in line.lower()] or output.splitlines()[-1:] or ["?"]
    return f"The installation failed (“{errors[-1].strip()}”): mend that, then start again (details, if any: {LOG})."


def check_room(gigabytes: float) -> None:
    """Refuse an installation that cannot fit before it starts rather than after minutes of downloading."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < gigabytes:
        happened = f"The installation needs about {gigabytes:.0f} GB, but only {free:.1f} GB are free on this disk"
        raise Problem(f"{happened}: make room, or move this folder to a larger disk, then start again.")


def surroundings(**more: str) -> Dict[str, str]:
    """The environment of our children: the packages of .venv and no others, output at once and in UTF-8."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PYTHONPATH", "PIP_USER")}
    return dict(kept, PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8", PIP_DISABLE_PIP_VERSION_CHECK="1", **more)


@contextlib.contextmanager
def child(command: List[str], piped: bool = True, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that does not outlive us. The terminal sends Ctrl-C to it too, so it may first end by itself."""
    out, err = (subprocess.PIPE, subprocess.STDOUT) if piped else (None, None)
    process = subprocess.Popen(
        command, cwd=ROOT, env=surroundings(**more), stdout=out, stderr=err, encoding="utf-8", errors="replace"
    )
    try:
        yield process
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        raise
    finally:
        process.terminate()  # nothing happens to one that has ended
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def lines_of(process: "subprocess.Popen[str]", pause: float) -> Iterator[Optional[str]]:
    """The lines a process prints until it ends, and a None whenever it has been silent for so many seconds."""
    lines = queue.Queue()  # type: queue.Queue[str]
    threading.Thread(target=lambda: list(map(lines.put, process.stdout or ())), daemon=True).start()
    while True:
        try:
            yield lines.get(timeout=pause).rstrip()
        except queue.Empty:
            if process.poll() is not None:
                return
            yield None


def venv_fits() -> bool:
    """Whether the Python of .venv runs, has our version and a whole pip (one with a list of its files)."""
    question = "import sys, importlib.metadata as m; print(bool(m.files('pip')), list(sys.version_info[:2]))"
    with contextlib.suppress(OSError), child([VENV_PYTHON, "-c", question]) as process:
        return process.communicate()[0].strip() == f"True {list(sys.version_info[:2])}"
    return False


def make_venv() -> None:
    """Make .venv anew with this Python."""
    check_room(FIRST_INSTALL_GB)
    print("Making a Python environment for imgtag in the folder .venv …", flush=True)
    python = getattr(sys, "_base_executable", sys.executable)  # we may run in the very .venv that has to go
    # In two steps, because venv by itself swallows what pip's installation says.
    for command in ([python, "-m", "venv", "--clear", "--without-pip", VENV], [VENV_PYTHON, "-m", "ensurepip"]):
        with child(command) as process:
            output = process.communicate()[0]
        if process.returncode:
            raise Problem(diagnose(output))


def stamp(requirements: str) -> str:
    """The empty file in .venv that says: exactly these requirements were installed to the end with this Python."""
    with open(requirements, "rb") as file:
        digest = hashlib.sha256(repr(sys.version_info[:2]).encode() + file.read()).hexdigest()
    return os.path.join(VENV, f"{os.path.basename(requirements)}.{digest}.installed")


PIP_FILE = re.compile(r"\s*(Downloading|Using cached|Processing) (?:\S*[/\\])?([\w.]+?)-(\d[^-\s]*)\S* ?(\(\d.*\))?")


def in_plain_words(line: str) -> Optional[str]:
    """A line of pip's output for people, or None where it says nothing to them."""
    words = line.split()
    if words[:1] == ["Collecting"]:
        return "Looking for " + re.split(r"[^\w.-]", words[1])[0]
    if words[:2] == ["Installing", "collected"]:
        return f"Unpacking {len(words) - 3} packages"
    found = PIP_FILE.match(line)
    if not found or ".metadata" in line:
        return None
    verb, name, version, size = found.groups(default="")
    return f"{verb.replace('Processing', 'Found')} {name} {version} {size}".rstrip()


def install(requirements: str) -> None:
    """Install a file of requirements: all that pip says goes to the log, and the gist of it to the terminal."""
    print(f"Installing {os.path.basename(requirements)}: this takes some minutes the first time …", flush=True)
    begun = since = time.monotonic()
    packages = sysconfig.get_path("purelib", "venv", {"base": VENV})
    for half in glob.glob(os.path.join(glob.escape(packages), "*.dist-info")):
        if not os.path.exists(os.path.join(half, "RECORD")):
            shutil.rmtree(half)  # pip was interrupted while it unpacked this one, and would take it for whole
    for old in glob.glob(os.path.join(glob.escape(VENV), os.path.basename(requirements) + ".*.installed")):
        os.remove(old)
    pip = [VENV_PYTHON, "-m", "pip", "install", "-r", requirements, "--no-input", "--progress-bar", "off"]
    if shutil.disk_usage(ROOT).free < 1.5e9 * FIRST_INSTALL_GB:
        pip.append("--no-cache-dir")  # pip would keep a second copy of the gigabytes that it downloads
    output, status = [], "Preparing"  # type: Tuple[List[str], str]
    width = shutil.get_terminal_size().columns - 1
    # The system's folder for such files is often a small disk in memory, and PyTorch's wheels are gigabytes.
    scratch = tempfile.TemporaryDirectory(dir=VENV, ignore_cleanup_errors=True)
    with scratch as tmp, open(LOG, "a", encoding="utf-8") as log, child(pip, TMPDIR=tmp, TEMP=tmp, TMP=tmp) as process:
        for line in lines_of(process, 1):
            if line is not None:
                output.append(line)
                print(line, file=log, flush=True)
            news = in_plain_words(line or "")
            status, since = (news, time.monotonic()) if news else (status, since)
            if sys.stdout.isatty():  # one line, rewritten, with the seconds it takes
                text = f"  {status} … {time.monotonic() - since:.0f} s"
                print("\r" + text[:width].ljust(width), end="\r", flush=True)
            elif news:
                print(f"  {news}", flush=True)
    if process.returncode:
        raise Problem(diagnose("\n".join(output)))
    open(stamp(requirements), "w", encoding="utf-8").close()
    print(f"Installed in {time.monotonic() - begun:.0f} seconds.".ljust(width * sys.stdout.isatty()), flush=True)


def prepare(*names: str) -> None:
    """Install these requirement files in .venv where that has not been done yet."""
    if not venv_fits():
        make_venv()
    for requirements in (os.path.join(ROOT, name) for name in names):
        if not os.path.exists(stamp(requirements)):
            install(requirements)


def free_port(wanted: int) -> int:
    """The wanted port of 127.0.0.1, or the next one on which a server may listen."""
    # On Windows REUSEADDR would share a taken port. Elsewhere, without it, an app just ended blocks its port a minute.
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    for port in range(wanted, 65536):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, option, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise Problem(f"Port {wanted} and all above it are taken: choose a lower one with --port, for example 9000.")


def answers(port: int) -> bool:
    """Whether the app says that it is well."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)  # urllib would ask a proxy
    with contextlib.closing(connection), contextlib.suppress(OSError, ValueError, AttributeError, HTTPException):
        connection.request("GET", "/api/health")
        return bool(json.loads(connection.getresponse().read().decode()).get("status") == "ok")
    return False


def run_app(port: int, browser: bool) -> int:
    """Start the app and stay with it until it ends; its exit status."""
    chosen = free_port(port)
    if chosen != port:
        print(f"Port {port} is taken (perhaps by an imgtag that still runs), so this one uses port {chosen}.")
    print("Starting imgtag …", flush=True)
    ready = False
    with child([VENV_PYTHON, "app.py", "--host", "127.0.0.1", "--port", str(chosen)]) as app:
        for line in lines_of(app, 0.2):
            if line is not None:
                print(line, flush=True)
            if not ready and answers(chosen):
                ready = True
                print(f"imgtag is ready: http://127.0.0.1:{chosen}   (Ctrl-C ends it)", flush=True)
                if browser and HAS_DESKTOP:  # in a thread: some browsers only return when they are closed
                    threading.Thread(target=webbrowser.open, args=(f"http://127.0.0.1:{chosen}",), daemon=True).start()
    if not ready:
        remedy = "its last lines, above, tell why; if they do not help, delete the folder .venv and start again."
        raise Problem(f"The app ended before it was ready (exit status {app.returncode}): {remedy}")
    return int(app.returncode)


def run(arguments: List[str]) -> int:
    """Do what the command line asks for; the exit status."""
    if arguments[:1] == ["test"]:
        prepare("requirements.txt", "requirements-dev.txt")
        # All of them on several cores, each file on one; chosen ones as they are.
        chosen = arguments[1:] or ["-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadfile"]
        with child([VENV_PYTHON, "-m", "pytest", *chosen], piped=False) as tests:
            return tests.wait()
    parser = argparse.ArgumentParser(usage=USAGE, description="Installs imgtag once, then starts or tests it.")
    parser.add_argument("--port", type=int, default=8501, help="default 8501; where it is taken, the next free one")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    options = parser.parse_args(arguments)
    if not 1024 <= options.port <= 65535:
        parser.error("a port is a number from 1024 to 65535")
    prepare("requirements.txt")
    return run_app(options.port, not options.no_browser)


def main() -> int:
    """Run; every failure that can be foreseen becomes one sentence and the exit status 1."""
    sentence = too_old(tuple(sys.version_info[:3]))
    if sentence is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a terminal without some letter is no reason to stop
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # in order: children end too
        try:
            return run(sys.argv[1:])
        except KeyboardInterrupt:
            print()
            return 130
        except Problem as problem:
            sentence = str(problem)
        except OSError as error:
            sentence = diagnose(f"Error: {error}")
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
