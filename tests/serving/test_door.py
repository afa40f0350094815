"""The door of a demo: only the right PIN opens it, trying out is slow for everybody together, passes cannot be made."""

from __future__ import annotations

import threading

import pytest

from imgtag.core.errors import BadPin, TooManyTries
from imgtag.serving.door import Door, hash_pin, new_pin

PIN = "246810"
HASHED = hash_pin(PIN)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> Door:
    return Door(clock)


def wrong(door: Door, address: str = "a", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(BadPin):
            door.enter("000000", HASHED, address)


def test_the_pin_is_kept_as_a_salted_hash_only() -> None:
    again = hash_pin(PIN)
    assert PIN not in f"{HASHED}{again}"
    assert (again.salt, again.hash) != (HASHED.salt, HASHED.hash)
    assert HASHED.fits(PIN)
    assert HASHED.fits(f" {PIN} ")  # as pasted
    assert not HASHED.fits("246811")


@pytest.mark.parametrize("pin", ["", "12345", "     1", "1" * 65])
def test_a_pin_that_is_too_short_or_too_long_is_refused(pin: str) -> None:
    with pytest.raises(BadPin):
        hash_pin(pin)


def test_new_pins_are_six_digits_and_differ() -> None:
    pins = {new_pin() for _ in range(50)}
    assert len(pins) > 40
    assert all(len(pin) == 6 and pin.isdecimal() for pin in pins)


def test_the_right_pin_gives_a_pass_that_runs_out(door: Door, clock: Clock) -> None:
    given = door.enter(PIN, HASHED, "a")
    assert door.admits(given)
    clock.now += 12 * 3600 + 1
    assert not door.admits(given)


def test_passes_cannot_be_made_prolonged_or_taken_to_another_server(door: Door, clock: Clock) -> None:
    until, _, signature = door.enter(PIN, HASHED, "a").partition(".")
    forged = [None, "", ".", f"{int(until) + 1}.{signature}", f"{until}.{'0' * 64}", until, f"{until}.", f"²{until}.ä"]
    assert [proof for proof in forged if door.admits(proof)] == []
    assert not Door(clock).admits(f"{until}.{signature}")


def test_a_ticket_is_no_pass(door: Door) -> None:
    ticket = door.make_pass(60, "ticket")
    assert door.admits(ticket, "ticket")
    assert not door.admits(ticket)


def test_an_address_waits_longer_after_each_wrong_try(door: Door, clock: Clock) -> None:
    wrong(door, times=3)
    waits = []
    for _ in range(4):
        with pytest.raises(TooManyTries) as refused:
            door.enter(PIN, HASHED, "a")  # not even the right one
        waits.append(refused.value.wait_s)
        clock.now += refused.value.wait_s
        wrong(door)
    assert waits == [5, 10, 20, 40]
    door.enter(PIN, HASHED, "b")  # others are not held up


def test_the_right_pin_makes_up_for_the_wrong_ones(door: Door) -> None:
    wrong(door, times=2)
    door.enter(PIN, HASHED, "a")
    wrong(door, times=2)
    door.enter(PIN, HASHED, "a")


def test_all_addresses_together_have_sixty_wrong_tries_an_hour(door: Door, clock: Clock) -> None:
    for n in range(30):
        wrong(door, f"address {n}", times=2)
    with pytest.raises(TooManyTries) as refused:
        door.enter(PIN, HASHED, "a new one")
    assert 0 < refused.value.wait_s <= 3600
    clock.now += 3600
    door.enter(PIN, HASHED, "a new one")


def test_many_tries_at_the_same_time_gain_nothing(door: Door) -> None:
    outcomes: list[str] = []

    def attempt(n: int) -> None:
        try:
            door.enter(f"{n:06}", HASHED, "a")
        except (BadPin, TooManyTries) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("BadPin") == 3
    assert outcomes.count("TooManyTries") == 17
