"""The store's clock, as a replica estimates it between two readings."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the store's time."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by the store's clock."""


class StoreClock:
    """Carry the store's time on by the local monotonic clock."""

    def __init__(self) -> None:
        self._offset_ms = time.time() * 1000 - time.monotonic() * 1000

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by the store's clock; off by at most half a round trip."""
        return int(time.monotonic() * 1000 + self._offset_ms)

    def set(self, store_ms: int, asked: float, answered: float) -> None:
        """Take a reading; `asked` and `answered` are time.monotonic() before and after it."""
        self._offset_ms = store_ms - (asked + answered) / 2 * 1000
