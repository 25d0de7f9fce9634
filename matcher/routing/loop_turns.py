"""Turns of the event loop: one heavy step at a time, with time for arriving calls between two steps.

grpc.aio needs five passes of the event loop to accept one call, however long a pass takes (measured with grpcio 1.85).
When the encoder answers a batch, thirty calls would continue at once, a millisecond each; in one pass they would keep
every new call out for 150 ms, including calls that would be refused. So only a few calls continue in one loop turn: at
most MOST_TOGETHER of `search_batcher.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

PASSES: Final = 5
"""Passes of the event loop between two heavy steps: as many as grpc.aio needs to accept one call."""
PASSES_IN_A_CROWD: Final = 25
"""More passes while calls wait for admission, so that gRPC's own threads can hand over more of them."""
MOST_ARRIVALS: Final = 128
"""Arrivals that one heavy step waits for: with more, the calls in progress would never end. With 32, calls stood in
gRPC's own queue for a second at three times the peak load, and nothing refuses calls there."""


class LoopTurns:
    """Grants loop turns in the order of the requests, and waits a little longer while calls arrive."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passing = False
        self._passes_left = 0
        self._arrivals = 0
        self._arrivals_left = MOST_ARRIVALS
        self._crowded = False

    def arrived(self, *, crowded: bool) -> None:
        """Note that a call arrived: more calls are probably behind it.

        crowded: calls wait for admission, so more calls are certainly behind it.
        """
        self._arrivals += 1
        self._crowded = crowded

    async def take(self) -> None:
        """Wait for a loop turn; it ends by itself."""
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
            if not turn.done():  # a cancelled caller left a turn that is done
                turn.set_result(None)
                self._begin()
                return
        self._passing = False
