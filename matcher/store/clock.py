"""The store's clocks, as a replica estimates them between two readings."""

from __future__ import annotations

import math
import time
from typing import Final, Protocol

DRIFT: Final = 0.0005
"""The most by which two clocks move apart that are kept right: 500 parts in a million (RFC 5905, section 11.3)."""


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
        self._off_ms = math.inf
        """How far off the reading may be that is carried on, when it was taken."""
        self._taken_at = 0.0
        self.read_at = 0.0
        """When the server was last asked, by time.monotonic()."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by the server's clock; off by at most half the round trip of a reading."""
        return int(time.monotonic() * 1000 + self._offset_ms)

    def of(self, site: str) -> StoreClock:  # noqa: ARG002  # the one server's, whatever the site
        """Return this clock: where there is one server, it is every site's."""
        return self

    def set(self, store_ms: float, asked: float, answered: float) -> None:
        """Take a reading; `asked` and `answered` are time.monotonic() before and after it.

        A reading that took long on a busy machine says less than an earlier one that was quick, and is passed over
        unless the two contradict each other: then the server's clock was set, or another server answers.
        """
        offset_ms, off_ms = store_ms - (asked + answered) / 2 * 1000, (answered - asked) / 2 * 1000
        by_now_ms = self._off_ms + DRIFT * (answered - self._taken_at) * 1000
        if off_ms <= by_now_ms or abs(offset_ms - self._offset_ms) > off_ms + by_now_ms:
            self._offset_ms, self._off_ms, self._taken_at = offset_ms, off_ms, answered
        self.read_at = answered
