"""Turns: one heavy step of the event loop at a time, and between two of them room for whoever arrives.

grpc.aio takes in one call of a method in five passes of the event loop (seen with 1.85, whatever a pass takes). When a
batch is answered, thirty calls would go on at once, a millisecond each; done in one pass they keep every new call out
for 150 ms, also those that would be refused. So a few go on in a turn: `finding.py` says how many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

PASSES: Final = 5
"""Passes of the loop between two heavy steps: what grpc.aio takes to let one call in."""
PASSES_IN_A_CROWD: Final = 25
"""The same where calls stand in line: gRPC's own threads bring more while the loop passes, once they have a core."""
MOST_ARRIVALS: Final = 128
"""Arrivals that one heavy step waits for: with more, what is under way would never be done. With 32, calls stood in
gRPC's own queue for a second at three times the peak, where nobody refuses them."""


class LoopTurns:
    """Hands out turns in the order asked for, and waits a little longer while calls are coming in."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passing = False
        self._passes_left = 0
        self._arrivals = 0
        self._arrivals_left = MOST_ARRIVALS
        self._crowded = False

    def arrived(self, *, crowded: bool) -> None:
        """Note that a call came in: others are probably behind it, and surely where calls stand in line."""
        self._arrivals += 1
        self._crowded = crowded

    async def take(self) -> None:
        """Wait for a turn; it ends by itself."""
        if not self._passing:
            self._begin()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _begin(self) -> None:
        self._passing = True
        self._passes_left, self._arrivals, self._arrivals_left = PASSES, 0, MOST_ARRIVALS
        asyncio.get_running_loop().call_soon(self._pass)

    def _pass(self) -> None:
        self._passes_left -= 1
        if self._arrivals and self._arrivals_left > 0:
            self._arrivals_left -= self._arrivals
            self._arrivals, self._passes_left = 0, PASSES_IN_A_CROWD if self._crowded else PASSES
        if self._passes_left > 0:
            asyncio.get_running_loop().call_soon(self._pass)
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else its caller is gone
                turn.set_result(None)
                self._begin()
                return
        self._passing = False
