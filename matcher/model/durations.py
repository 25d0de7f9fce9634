"""Durations in words: as exact as a reader can use, and never a rounder number than was measured."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_UNITS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))


def in_words(seconds: float) -> str:
    """Return a duration in its two largest units: "0.04 s", "2.4 s", "19 s", "1 min 38 s", "2 h 5 min"."""
    if seconds < 0:
        return f"-{in_words(-seconds)}"
    for (size, name), (smaller, smaller_name) in pairwise(_UNITS):
        # Rounded first: 59 min 59.7 s are an hour.
        whole = round(seconds / smaller) * smaller
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
