"""Quotas of a principal in this process: calls in a second, and open streams; none unless the settings name them."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from matcher.auth.principal import NOBODY, Principal, current_principal
from matcher.errors import QuotaExceeded
from matcher.model.quotas import QuotaUse

MOST_KNOWN: Final = 10_000
"""Principals whose calls are remembered: an issuer of tokens may name any number of them. One that is forgotten begins
with a whole second's calls again."""

NEVER_REFUSED: Final = frozenset(
    {
        "AcceptReservation",
        "DeclineReservation",
        "TouchReservation",
        "RenewReservation",
        "CompleteReservation",
        "EndWrapUp",
        "CancelReservation",
        "CancelContact",
        "BeatAgent",
    }
)
"""The methods that answer an offer, end a conversation or say that a desk is there: refused, they would keep agents
busy. They count all the same."""


class PrincipalQuotas:
    """Counts the calls and the streams of every principal, and refuses what is beyond the quotas."""

    def __init__(
        self, calls_per_second: float = 0, streams: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the quotas of each principal in this process; 0: none."""
        self._rate = calls_per_second
        self._streams = streams
        self._clock = clock
        self._left: OrderedDict[Principal, tuple[float, float]] = OrderedDict()
        self._open: dict[Principal, int] = {}

    def take_call(self, method: str) -> None:
        """Count a call of the principal that this task works for. Raises QuotaExceeded.

        A principal that was silent may make a second's calls at once.
        """
        principal = current_principal()
        if not self._rate or principal is NOBODY:
            return
        now = self._clock()
        left, since = self._left.pop(principal, (max(1.0, self._rate), now))
        left = min(max(1.0, self._rate), left + (now - since) * self._rate)
        refused = left < 1.0 and method.rpartition("/")[2] not in NEVER_REFUSED
        self._left[principal] = (left if refused else max(0.0, left - 1.0), now)
        if len(self._left) > MOST_KNOWN:
            self._left.popitem(last=False)
        if refused:
            raise QuotaExceeded("calls_per_second", f"{self._rate:g}")

    def used(self) -> list[QuotaUse]:
        """Return how much of each quota the principal of this task uses; nothing where nobody is asked who calls."""
        principal = current_principal()
        if principal is NOBODY:
            return []
        most = max(1.0, self._rate)
        left, since = self._left.get(principal, (most, 0.0))
        left = min(most, left + (self._clock() - since) * self._rate)
        calls = math.ceil(most - left) if self._rate else 0
        return [
            QuotaUse("calls_per_second", calls, self._rate),
            QuotaUse("streams", self._open.get(principal, 0), self._streams),
        ]

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Take a place for a stream of the principal during the block. Raises QuotaExceeded."""
        principal = current_principal()
        if not self._streams or principal is NOBODY:
            yield
            return
        opened = self._open.get(principal, 0)
        if opened >= self._streams:
            raise QuotaExceeded("streams", str(self._streams))
        self._open[principal] = opened + 1
        try:
            yield
        finally:
            self._open[principal] -= 1
            if not self._open[principal]:
                del self._open[principal]
