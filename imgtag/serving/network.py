"""Where a demo can be reached: this machine's addresses, a free port, and the address that a login provider knows."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imgtag.core.errors import Conflict

HERE, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 (only by an explicit choice, and never without a PIN or login)
ROOT = Path(__file__).resolve().parents[2]
_FIRST_PORT, _PORTS = 8600, 100


@dataclass(frozen=True)
class Login:
    """Where an OIDC provider sends people back to, as `[auth]` of .streamlit/secrets.toml says."""

    origin: str
    host: str
    port: int | None


def configured_login(folders: Sequence[Path] = ()) -> Login | None:
    """The login that is configured; None where there is none, and a PIN is asked.

    folders: by default those of Streamlit: the user's, then the app's, which counts more.
    """
    found: dict[str, Any] = {}
    for folder in folders or (Path.home() / ".streamlit", ROOT / ".streamlit"):
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError):
            found |= tomllib.loads((folder / "secrets.toml").read_text("utf-8"))
    auth = found.get("auth")
    if not isinstance(auth, dict):
        return None
    try:
        address = urlsplit(str(auth.get("redirect_uri", "")))
        # https ends at a proxy in front of the demo: the port of the address is the proxy's then.
        port = address.port if address.scheme == "http" else None
    except ValueError:
        return None
    return Login(f"{address.scheme}://{address.netloc}", address.hostname or "", port) if address.netloc else None


def free_port(host: str, login: Login | None = None) -> int:
    """The port to which the login leads back, else the first from 8600 on that nobody uses. Raises Conflict."""
    if login and login.port:
        return login.port
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with socket.socket() as probe:
            if os.name != "nt":  # there it would let two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return port
    raise Conflict("There is no free port for the demo.", f"All from {_FIRST_PORT} on are in use.", "Stop other demos.")


def own_addresses() -> list[str]:
    """The IPv4 addresses of this machine in its networks, the one that leads out first; no packet is sent for that."""
    found = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737): only the route is looked up
        found.append(str(probe.getsockname()[0]))
    with contextlib.suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")]


def own_names() -> set[str]:
    """The names under which others in the network may call this machine, in small letters."""
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"}


def is_address(host: str) -> bool:
    """Whether it is a plain IP address: one that no foreign name can be made to lead to (DNS rebinding)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
