"""Many REST clients at once against a real server: no error, flat memory, how long an answer takes.

    python -m bench.clients PROJECT [--presets quick balanced] [--clients 32] [--seconds 60]

PROJECT is one of IMGTAG_HOME with a finished training of each preset. The server is `python app.py` on a free port of
127.0.0.1. Every client sends one picture after the other; one request in five holds three files, of which the middle
one is no picture: it must be named, and the other two answered as they are alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.serving import newest
from imgtag.data.dataset import look
from imgtag.data.projects import find_project

_BAD = ("bad.jpg", b"<!DOCTYPE html><p>no picture")
_SAMPLE_S = 1.0


@dataclass
class Seen:
    """What the clients saw. seconds: of each answered request; wrong: what was not as it must be."""

    seconds: list[float] = field(default_factory=list)
    pictures: int = 0
    bad_files: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("project")
    parser.add_argument("--presets", nargs="+", default=["quick", "balanced"])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    wanted = parser.parse_args()
    print("| model | requests | errors | 503 | bad files named | pictures a second | p50 ms | p95 ms | alone, p50 ms |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for preset in wanted.presets:
        run = newest(wanted.project, preset)
        with server() as (url, process):
            address = f"{url}/api/projects/{wanted.project}/classify?run={run.id}"
            files = pictures_of(wanted.project)
            expected = {name: best_of(ask(address, [(name, data)])[0]) for name, data in files}
            alone = [timed(address, files[n % len(files)]) for n in range(20)]
            seen, memory = crowd(address, files, expected, process.pid, wanted.clients, wanted.seconds)
        print(row(preset, seen, alone, wanted.seconds))
        quarters = [memory[n * len(memory) // 4 : (n + 1) * len(memory) // 4] for n in range(4)]
        through = ", ".join(f"{statistics.median(quarter):.0f}" for quarter in quarters if quarter)
        print(f"\n{preset}: server memory {memory[0]:.0f} MB at first, in the quarters of the time {through} MB;")
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n", flush=True)
        for text in seen.wrong[:5]:
            print("WRONG:", text, file=sys.stderr)


@contextlib.contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The app on a free port of this machine alone; it ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/api/health", timeout=2).status_code == 200:
                    break
            time.sleep(0.1)
        yield url, process
    finally:
        process.terminate()
        process.wait(30)


def pictures_of(project: str, count: int = 24) -> list[tuple[str, bytes]]:
    """Some pictures of the project, the same ones every time."""
    chosen = random.Random(0).sample(look(find_project(project)).labelled, count)
    return [(p.name, p.path.read_bytes()) for p in chosen]


def ask(address: str, files: list[tuple[str, bytes]], client: httpx.Client | None = None) -> list[dict[str, object]]:
    post = client.post if client else httpx.post
    answer = post(address, files=[("image", file) for file in files], timeout=120)
    answer.raise_for_status()
    return answer.json()


def best_of(answer: dict[str, object]) -> str:
    return str(answer["tags"][0]["class"])  # type: ignore[index]


def timed(address: str, file: tuple[str, bytes]) -> float:
    began = time.perf_counter()
    ask(address, [file])
    return time.perf_counter() - began


def crowd(
    address: str, files: list[tuple[str, bytes]], expected: dict[str, str], pid: int, clients: int, seconds: float
) -> tuple[Seen, list[float]]:
    """Let many clients ask for so long; what they saw, and the server's memory in MB, once a second."""
    seen, counting, end = Seen(), threading.Lock(), time.monotonic() + seconds

    def go(number: int) -> None:
        dice = random.Random(number)
        with httpx.Client() as client:
            while time.monotonic() < end:
                good = dice.sample(files, 2 if dice.random() < 0.2 else 1)
                sent = [good[0], _BAD, good[1]] if len(good) == 2 else good
                began = time.perf_counter()
                try:
                    found = check(ask(address, sent, client), sent, expected)
                except httpx.HTTPStatusError as error:
                    if error.response.status_code == 503:
                        with counting:
                            seen.refused += 1
                        time.sleep(float(error.response.headers["retry-after"]))
                        continue
                    found = f"{error.response.status_code} {error.response.text[:200]}"
                except (httpx.HTTPError, LookupError, ValueError) as error:
                    found = repr(error)
                with counting:
                    seen.seconds.append(time.perf_counter() - began)
                    seen.pictures += len(good)
                    seen.bad_files += len(good) == 2 and not found
                    seen.wrong += [found] if found else []

    threads = [threading.Thread(target=go, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    memory = []
    while any(thread.is_alive() for thread in threads):
        memory.append(resident_mb(pid))
        time.sleep(_SAMPLE_S)
    return seen, memory


def check(answers: list[dict[str, object]], sent: list[tuple[str, bytes]], expected: dict[str, str]) -> str:
    """What is wrong with the answers; empty where they are as they must be."""
    if [a["file"] for a in answers] != [name for name, _ in sent]:
        return f"other files than were sent: {[a['file'] for a in answers]}"
    for answer in answers:
        name = str(answer["file"])
        if name == _BAD[0]:
            if not answer["error"] or answer["tags"]:
                return f"the bad file was not named: {answer}"
        elif answer["error"] or best_of(answer) != expected[name]:
            return f"{name}: {answer}, alone it was {expected[name]}"
    return ""


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def row(preset: str, seen: Seen, alone: list[float], seconds: float) -> str:
    ordered = sorted(seen.seconds)
    p50, p95 = (1000 * ordered[int(q * (len(ordered) - 1))] for q in (0.5, 0.95))
    cells = (preset, len(ordered), len(seen.wrong), seen.refused, seen.bad_files, f"{seen.pictures / seconds:.1f}",
             f"{p50:.0f}", f"{p95:.0f}", f"{1000 * statistics.median(alone):.0f}")  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
