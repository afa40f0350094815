"""A login provider (OpenID Connect) for tests: it knows one client, and asks one person whether she agrees."""

from __future__ import annotations

import contextlib
import html
import json
import threading
import time
import uuid
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "imgtag-demo", "a secret of the client"


class Provider(ThreadingHTTPServer):
    """nonces: of the codes that were given away, each good for one token. tokens: how many were fetched."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.nonces: dict[str, str] = {}
        self.tokens = 0

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def secrets(self, redirect_uri: str) -> str:
        """What stands in .streamlit/secrets.toml."""
        return (
            f'[auth]\nredirect_uri = "{redirect_uri}"\ncookie_secret = "{uuid.uuid4().hex}"\nclient_id = "{CLIENT}"\n'
            f'client_secret = "{SECRET}"\nserver_metadata_url = "{self.issuer}/.well-known/openid-configuration"\n'
        )


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        issuer = self.server.issuer
        if address.path == "/.well-known/openid-configuration":
            self._json(
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/jwks",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        elif address.path == "/jwks":
            self._json({"keys": [self.server.key.as_dict(private=False)]})
        elif address.path == "/authorize" and asked.get("client_id") == CLIENT:
            code = uuid.uuid4().hex
            self.server.nonces[code] = asked.get("nonce", "")
            back = asked["redirect_uri"] + "?"
            yes = back + urlencode({"code": code, "state": asked["state"]})
            no = back + urlencode({"error": "access_denied", "state": asked["state"]})
            page = f'<a href="{html.escape(yes)}">I am Ann</a> <a href="{html.escape(no)}">Not now</a>'
            self._send(page.encode(), "text/html")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        nonce = self.server.nonces.pop(sent.get("code", [""])[0], None)
        client = b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if nonce is None or unquote_plus(client) != f"{CLIENT}:{SECRET}":  # RFC 6749, 2.3.1
            self.send_error(400)
            return
        self.server.tokens += 1
        now = int(time.time())
        claims = {"iss": self.server.issuer, "sub": "ann", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, "name": "Ann"}, self.server.key)
        self._json({"access_token": uuid.uuid4().hex, "token_type": "Bearer", "expires_in": 300, "id_token": token})

    def log_message(self, *_: object) -> None:
        """Nothing: the output belongs to the tests."""

    def _json(self, what: dict[str, Any]) -> None:
        self._send(json.dumps(what).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def provider() -> Iterator[Provider]:
    """A provider that answers meanwhile."""
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
