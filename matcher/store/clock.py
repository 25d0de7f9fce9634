"""The clocks of the store's servers, estimated between two readings."""

from __future__ import annotations

import math
import time
from typing import Final, Protocol

DRIFT: Final = 0.0005
"""The largest drift between two synchronized clocks: 500 parts per million (RFC 5905, section 11.3)."""
GRACE_MS: Final = 5
"""The local estimate of the store's clock may be ahead by this much: a time counts as passed only this much later."""
CALLERS_AHEAD_MS: Final = 60_000
"""How far ahead of the store's clock a time that a caller gives may be: the clocks of machines differ."""
CALLERS_BEHIND_MS: Final = 60_000
"""How long before its contact began a caller may say that an outcome was seen: some callers tell whole seconds."""


class Clock(Protocol):
    """The clock of one server of the store."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by that server's clock."""


class Clocks(Protocol):
    """The clock of each site: the clock of the server that has the site. In a cluster these may differ."""

    def of(self, site: str) -> Clock:
        """Return the clock of a site; it follows the site to another server."""


class StoreClock:
    """Estimate a server's time from its last good reading and the local monotonic clock."""

    def __init__(self) -> None:
        self._offset_ms = time.time() * 1000 - time.monotonic() * 1000
        self._error_ms = math.inf
        """The largest error of the reading in use, when it was taken."""
        self._taken_at = 0.0
        self.read_at = 0.0
        """When the server's clock was last read, by time.monotonic()."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by the server's clock, off by at most half the round trip of a reading."""
        return int(time.monotonic() * 1000 + self._offset_ms)

    def of(self, site: str) -> StoreClock:  # noqa: ARG002
        """Return this clock: a single server has every site."""
        return self

    def set(self, store_ms: float, asked: float, answered: float) -> None:
        """Set the clock by a reading; `asked` and `answered` are time.monotonic() before and after it.

        A reading that took long, on a busy machine, is less exact than an earlier quick reading. It is ignored unless
        the two contradict each other: then the server's clock was set, or another server answers.
        """
        offset_ms, error_ms = store_ms - (asked + answered) / 2 * 1000, (answered - asked) / 2 * 1000
        drifted_error_ms = self._error_ms + DRIFT * (answered - self._taken_at) * 1000
        if error_ms <= drifted_error_ms or abs(offset_ms - self._offset_ms) > error_ms + drifted_error_ms:
            self._offset_ms, self._error_ms, self._taken_at = offset_ms, error_ms, answered
        self.read_at = answered
