"""Places of the kept text in the caller's own text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from matcher.model import Stretch


class Places:
    """Turn offsets of the kept text into offsets of the caller's own text."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = stretches
        self._begins = list(accumulate((stretch.length for stretch in stretches), initial=0))

    def own(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of the kept text begins and ends in the caller's own text.

        Both are inside stretches; what was set aside between them lies in the range, too.
        """
        first, begins = self._stretch(start)
        last, last_begins = self._stretch(end - 1)
        exact = last.end - last.start == last.length
        return (
            first.start + start - begins if first.end - first.start == first.length else first.start,
            last.start + end - last_begins if exact else last.end,
        )

    def _stretch(self, at: int) -> tuple[Stretch, int]:
        number = bisect_right(self._begins, at) - 1
        return self._stretches[number], self._begins[number]
