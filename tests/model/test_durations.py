"""Durations in words are as long as they are, to the second of their two largest units."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.model.durations import in_words

SECONDS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.04, "0.04 s"),
        (2.44, "2.4 s"),
        (9.6, "9.6 s"),
        (19.4, "19 s"),
        (59.7, "1 min"),
        (98.0, "1 min 38 s"),
        (600.0, "10 min"),
        (3_599.7, "1 h"),
        (7_500.0, "2 h 5 min"),
        (100_000.0, "1 d 4 h"),
    ],
)
def test_a_duration_is_told_as_people_tell_it(seconds: float, words: str) -> None:
    """98 seconds are no half minute."""
    assert in_words(seconds) == words


@given(st.floats(0, 400 * 86_400))
def test_the_words_are_never_off_by_more_than_their_smaller_unit(seconds: float) -> None:
    """Read back, the words give the duration to half of the unit after the largest one."""
    parts = re.findall(r"([\d.e-]+) (d|h|min|s)", in_words(seconds))
    told = sum(float(count) * SECONDS[unit] for count, unit in parts)
    off = 0.051 if seconds < 10 else {"d": 1_800, "h": 30, "min": 0.5, "s": 0.5}[parts[0][1]]
    assert abs(told - seconds) <= off + 1e-6
