"""Where a demo can be reached."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from imgtag.serving.network import HERE, Login, configured_login, free_port, is_address, own_addresses


def test_a_port_that_is_in_use_is_passed_over() -> None:
    first = free_port(HERE)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server may have ended there a moment ago
        taken.bind((HERE, first))
        taken.listen()
        assert free_port(HERE) > first


def test_the_login_says_which_port() -> None:
    assert free_port(HERE, Login("http://localhost:8765", "localhost", 8765)) == 8765


def test_own_addresses_can_be_called_from_elsewhere() -> None:
    found = own_addresses()
    assert all(is_address(address) and not address.startswith("127.") for address in found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(("host", "plain"), [("192.168.1.7", True), ("fe80::1", True), ("evil.example", False),
                                              ("127.0.0.1.evil.example", False), ("", False)])  # fmt: skip
def test_names_are_no_addresses(host: str, plain: bool) -> None:
    assert is_address(host) is plain


def secrets(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "secrets.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("", None),
        ("[database]\npassword = 'x'", None),
        ("auth = 'yes'", None),
        ("[auth", None),
        ("[auth]\nclient_id = 'x'", None),
        ("[auth]\nredirect_uri = 'http://localhost:port/oauth2callback'", None),
        ("[auth]\nredirect_uri = 'http://localhost:86/oauth2callback'", Login("http://localhost:86", "localhost", 86)),
        ("[auth]\nredirect_uri = 'https://demo.org/oauth2callback'", Login("https://demo.org", "demo.org", None)),
    ],
)  # fmt: skip
def test_the_login_is_read_as_streamlit_does(tmp_path: Path, text: str, login: Login | None) -> None:
    assert configured_login([secrets(tmp_path / "app", text)]) == login


def test_the_secrets_of_the_app_count_more_than_the_users(tmp_path: Path) -> None:
    user = secrets(tmp_path / "user", "[auth]\nredirect_uri = 'http://localhost:1/oauth2callback'")
    app = secrets(tmp_path / "app", "[auth]\nredirect_uri = 'http://localhost:2/oauth2callback'")
    found = configured_login([user, tmp_path / "nowhere", app])
    assert found
    assert found.port == 2
