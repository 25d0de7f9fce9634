"""Steps back of a site's clock, as by NTP, a resumed machine or a failover: what had lapsed before may hold again."""

from __future__ import annotations

from typing import Final

import structlog

from matcher.store.change_stream import FellBehind
from matcher.store.clock import Clock

log = structlog.get_logger(__name__)

LEAST_STEP_MS: Final = 1_000
"""A smaller step is within what the estimate of the clock may be off on a busy machine."""


class ClockSteps:
    """Remember the latest time of a site's clock that was seen."""

    def __init__(self, site: str, clock: Clock) -> None:
        self._site = site
        self._clock = clock
        self._latest_ms = 0

    def check(self) -> None:
        """Raise FellBehind, for the site to be read again, where the clock has gone back since the last check.

        Holds that lapsed here by the former time hold again by the new one, at the later deadline that they have now.
        """
        now = self._clock.now_ms()
        before, self._latest_ms = self._latest_ms, max(now, self._latest_ms)
        if now < before - LEAST_STEP_MS:
            self._latest_ms = now
            log.warning("the store's clock went back", site=self._site, seconds=round((before - now) / 1000, 3))
            raise FellBehind(self._site)
