"""Who may come in to a demo: a PIN that is kept only as a hash, wrong tries that are slowed down, signed passes.

Against trying out all PINs: a try is counted before it is checked (so that many at once gain nothing), every
address waits longer after each wrong one, and all addresses together have only so many wrong ones an hour.
Source: OWASP, "Authentication Cheat Sheet" and "Password Storage Cheat Sheet" (scrypt).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from imgtag.core.errors import BadPin, TooManyTries

LEAST_PIN, LONGEST_PIN = 6, 64
PASS_S, TICKET_S = 12 * 3600.0, 120.0
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}  # 16 MB and some 50 ms for each try
_FREE_TRIES, _FIRST_WAIT_S, _LONGEST_WAIT_S = 3, 5.0, 600.0
_WRONG_IN_ALL, _HOUR_S = 60, 3600.0
_MOST_ADDRESSES = 10_000


@dataclass(frozen=True)
class HashedPin:
    """What is kept of a PIN: a random salt and its scrypt hash, both in hex."""

    salt: str
    hash: str

    def fits(self, pin: str) -> bool:
        """Whether it is this PIN; takes some 50 ms."""
        return hmac.compare_digest(_scrypt(pin, bytes.fromhex(self.salt)), self.hash)


def new_pin() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**6):06}"


def hash_pin(pin: str) -> HashedPin:
    """What to keep of a PIN. Raises BadPin when it is too short or too long."""
    pin = pin.strip()
    if not LEAST_PIN <= len(pin) <= LONGEST_PIN:
        raise BadPin(
            "This PIN cannot be used.",
            f"It needs {LEAST_PIN} to {LONGEST_PIN} digits or letters.",
            "Choose a longer one, or let one be made.",
        )
    salt = secrets.token_bytes(16)
    return HashedPin(salt.hex(), _scrypt(pin, salt))


def _scrypt(pin: str, salt: bytes) -> str:
    return hashlib.scrypt(pin.strip().encode(), salt=salt, dklen=32, **_SCRYPT).hex()


@dataclass
class _Tries:
    wrong: int = 0
    again_at: float = 0.0


@dataclass
class Door:
    """Counts the tries of all visitors of one server, and gives passes that end with that server."""

    clock: Callable[[], float] = time.time
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _by_address: dict[str, _Tries] = field(default_factory=dict)
    _wrong: list[float] = field(default_factory=list)
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _hashing: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, pin: str, right: HashedPin, address: str) -> str:
        """A pass for the right PIN. Raises BadPin for a wrong one, TooManyTries when the address has to wait."""
        tries = self._count(address)
        with self._hashing:  # one after the other: many at once would take the memory of the machine
            fits = len(pin) <= LONGEST_PIN and right.fits(pin)
        if not fits:
            raise BadPin("That is not the PIN.", "", "Ask the person who shows the demo.")
        with self._counting:
            self._by_address.pop(address, None)
            self._wrong.remove(tries)
        return self.make_pass(PASS_S)

    def make_pass(self, seconds: float, kind: str = "pass") -> str:
        """A signed proof of being let in; a "ticket" can only be changed for a pass."""
        until = str(int(self.clock() + seconds))
        return f"{until}.{self._sign(kind, until)}"

    def admits(self, proof: str | None, kind: str = "pass") -> bool:
        """Whether this server gave that pass (or ticket) and it has not run out."""
        until, _, signature = (proof or "").partition(".")
        if not until.isascii() or not until.isdecimal() or not signature.isascii():
            return False
        return hmac.compare_digest(signature, self._sign(kind, until)) and self.clock() < int(until)

    def _sign(self, kind: str, until: str) -> str:
        return hmac.new(self._key, f"{kind} {until}".encode(), "sha256").hexdigest()

    def _count(self, address: str) -> float:
        """Count a try as wrong before it is looked at; returns the moment under which it was noted."""
        with self._counting:
            now = self.clock()
            self._wrong = [moment for moment in self._wrong if now - moment < _HOUR_S]
            wait = self._by_address.get(address, _Tries()).again_at - now
            if len(self._wrong) >= _WRONG_IN_ALL:
                wait = max(wait, self._wrong[0] + _HOUR_S - now)
            if wait > 0:
                raise TooManyTries(wait)
            if len(self._by_address) >= _MOST_ADDRESSES:
                self._by_address.clear()  # the count of all goes on
            tries = self._by_address.setdefault(address, _Tries())
            tries.wrong += 1
            if tries.wrong >= _FREE_TRIES:
                tries.again_at = now + min(_FIRST_WAIT_S * 2 ** (tries.wrong - _FREE_TRIES), _LONGEST_WAIT_S)
            self._wrong.append(now)
            return now
