"""Numbers, shares and times for people."""

from __future__ import annotations

import time

from imgtag.core import words


def test_a_moment_of_another_year_names_the_year() -> None:
    assert time.strftime("%Y", time.localtime(86_400 * 200)) in words.moment(86_400 * 200)
    assert time.strftime("%Y") not in words.moment(time.time())


def test_percentages_never_round_to_a_false_certainty() -> None:
    assert words.percent(0.999) == "99.9 %"
    assert words.percent(1.0) == "100 %"
    assert words.percent(0.004) == "0.4 %"
