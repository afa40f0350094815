"""Starting and stopping the demo, and looking whether it is there. No torch here: pages import this module.

The demo is a server of its own (`python app.py --demo PROJECT`) in a session of its own: nothing in it leads to the
data, and a reload or a restart of the app does not touch it. The pattern is that of `training.jobs`.

<project>/demo/  state.json     starting, ready or failed; port, network, since
                 lock           held by the living demo
                 stop           created to ask it to end
                 log.txt        what it said
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from imgtag.core import locks, storage
from imgtag.core.errors import Conflict, ImgtagError
from imgtag.data.projects import Project
from imgtag.serving.demo import DemoSettings, demo_folder, save_settings
from imgtag.serving.network import EVERYWHERE, HERE, ROOT, configured_login, free_port, own_addresses
from imgtag.training.runs import find_run

_GRACE_S = 60.0  # how long a new process may take to hold its lock
_children: dict[Path, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Demo:
    """The demo of a project as it is at this look."""

    project: Project

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return demo_folder(self.project)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """state.json; empty when missing or damaged."""
        found = storage.read_json(self.folder / "state.json", {})
        return found if isinstance(found, dict) else {}

    @cached_property
    def state(self) -> str:
        """One of off, starting, ready, stopping, failed."""
        said = str(self.facts.get("state", "off"))
        if locks.is_held(self.folder / "lock"):
            return "stopping" if (self.folder / "stop").exists() else said
        if said == "starting":
            return "starting" if time.time() - self.since < _GRACE_S and not _died(self.project) else "failed"
        return "failed" if said == "failed" else "off"

    @property
    def active(self) -> bool:
        """Whether its process lives or is about to."""
        return self.state not in ("off", "failed") or locks.is_held(self.folder / "lock")

    @property
    def since(self) -> float:
        """Seconds since 1970 when its state was last written."""
        return float(self.facts.get("since") or 0.0)

    @property
    def port(self) -> int:
        """The port it listens to; 0 when it does not."""
        return int(self.facts.get("port") or 0)

    @property
    def network(self) -> bool:
        """Whether others in the network can reach it."""
        return bool(self.facts.get("network"))

    @property
    def addresses(self) -> list[str]:
        """Links to it, the likeliest first."""
        if login := configured_login():  # the provider sends people back to the one address that it knows
            return [login.origin]
        hosts = (own_addresses() or [HERE]) if self.network else [HERE]
        return [f"http://{host}:{self.port}" for host in hosts]

    @property
    def trouble(self) -> str:
        """Why it failed, in words."""
        error = self.facts.get("error")
        if isinstance(error, dict):
            return " ".join(str(error[key]) for key in ("title", "explanation", "next_step") if error.get(key))
        return "Its process ended before it was ready. What it said is in demo/log.txt in the project's folder."

    def tell(self, state: str, **more: Any) -> None:
        """Write its state down; done by its process, and when it is started."""
        storage.write_json(self.folder / "state.json", {"state": state, "since": time.time(), **more})


def start_demo(project: Project, settings: DemoSettings) -> Demo:
    """Keep the settings and start the process. Raises Conflict when it runs already, BadPin, NotFound."""
    find_run(project, settings.run)
    demo = Demo(project)
    with locks.locked(demo.folder / ".start.lock"):
        if demo.active:
            raise Conflict("The demo is shown already.", "", "Stop it first to show another one.")
        save_settings(project, settings)
        host = EVERYWHERE if settings.network else HERE
        port = free_port(host, configured_login())
        storage.remove_file(demo.folder / "stop")
        demo.tell("starting", port=port, network=settings.network)
        with storage.open_log(demo.folder / "log.txt") as output:
            _children[project.path] = _launch(project, host, port, output.fileno())
    return Demo(project)


def stop_demo(project: Project) -> None:
    """Ask the demo to end; it does so within some seconds."""
    if Demo(project).active:
        storage.atomic_write(demo_folder(project) / "stop", b"")


@contextlib.contextmanager
def shown(project: Project, port: int, *, network: bool) -> Iterator[Demo]:
    """In the process of the demo: hold its lock, and leave word of how it ended. Raises Conflict when there is one."""
    demo = Demo(project)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.locked(demo.folder / "lock", wait_s=1.0))
        except Conflict as error:
            raise Conflict("The demo is shown already.", "", "Stop it first.") from error
        demo.tell("starting", port=port, network=network)
        try:
            yield demo
        except (KeyboardInterrupt, SystemExit) as ended:
            _last_word(demo, failed=bool(getattr(ended, "code", 0)))
        except Exception as error:
            known = error.as_dict() if isinstance(error, ImgtagError) else {"title": f"{type(error).__name__}."}
            demo.tell("failed", error=known)
            raise
        else:
            _last_word(demo)


def _last_word(demo: Demo, *, failed: bool = False) -> None:
    """That it has ended, unless the reason why stands there already."""
    if Demo(demo.project).facts.get("state") != "failed":
        demo.tell("failed" if failed else "off")


def should_end(demo: Demo) -> bool:
    """Whether somebody asked for it, or the project has gone from its place."""
    return (demo.folder / "stop").exists() or not (demo.folder / "lock").exists()


def _died(project: Project) -> bool:
    """Whether the process that was started here is dead already. A look also buries it (no zombies)."""
    child = _children.get(project.path)
    return child is not None and child.poll() is not None


def _launch(project: Project, host: str, port: int, output: int) -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)
    return subprocess.Popen(  # noqa: S603 (our own interpreter and launcher)
        [sys.executable, str(ROOT / "app.py"), "--demo", str(project.path), "--host", host, "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={"PYTHONWARNINGS": "ignore", **os.environ},
        cwd=ROOT,
        start_new_session=True,
        creationflags=flags,
    )
