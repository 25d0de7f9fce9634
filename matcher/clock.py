"""The store's clocks, as a replica estimates them between two readings."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time of one server of the store."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by that server's clock."""


class Clocks(Protocol):
    """Tells each site's time: that of the server the site lies on. In a cluster they may differ."""

    def of(self, site: str) -> Clock:
        """Return the clock of a site, wherever the site moves."""


class StoreClock:
    """Carry a server's time on by the local monotonic clock."""

    def __init__(self) -> None:
        self._offset_ms = time.time() * 1000 - time.monotonic() * 1000
        self.read_at = 0.0
        """When the server was last asked, by time.monotonic()."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by the server's clock; off by at most half a round trip."""
        return int(time.monotonic() * 1000 + self._offset_ms)

    def of(self, site: str) -> StoreClock:  # noqa: ARG002  # the one server's, whatever the site
        """Return this clock: where there is one server, it is every site's."""
        return self

    def set(self, store_ms: float, asked: float, answered: float) -> None:
        """Take a reading; `asked` and `answered` are time.monotonic() before and after it."""
        self._offset_ms = store_ms - (asked + answered) / 2 * 1000
        self.read_at = answered
