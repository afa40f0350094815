"""Numbers, shares and times as people read them."""

from __future__ import annotations

import time


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> count(1, "picture"), count(1200, "class", "classes")
    ('1 picture', '1,200 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    """A share (0 to 1) as percents with one decimal where there is one; a dash when unknown.

    >>> percent(0.5), percent(0.9962), percent(0.99999), percent(None)
    ('50 %', '99.6 %', '99.9 %', '–')
    """
    if share is None:
        return "–"
    tenths = round(share * 1000)
    if 0 < share < 1:  # only what is certain is shown as certain
        tenths = min(max(tenths, 1), 999)
    shown = f"{tenths / 10:.1f}"
    return f"{shown.removesuffix('.0')} %"


def duration(seconds: float | None) -> str:
    """A time span in words.

    >>> duration(0.52), duration(18.3), duration(75), duration(4000)
    ('0.5 s', '18 s', '1 min 15 s', '1 h 6 min')
    """
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(timestamp: float) -> str:
    """A point in time as people write it: “22 Nov, 14:05”, with the year when it is another one."""
    when = time.localtime(timestamp)
    year = "" if when.tm_year == time.localtime().tm_year else " %Y"
    return time.strftime(f"{when.tm_mday} %b{year}, %H:%M", when)


def right_of(right: int, total: int) -> str:
    """The accuracy as a count that everybody understands."""
    return f"{right:,} of {total:,} right"
