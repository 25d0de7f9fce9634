"""Turns of the watchers: how many of them are told something at once, so that routes go on in between.

To send a watcher one event takes 30 µs of the event loop, nearly all of it in gRPC (measured with grpcio 1.85). A site
with 500 watchers would keep the loop for 15 ms at each event, and a route, which needs some twenty passes of the loop,
would wait for that again and again. So only a few watchers have their turn in one pass.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

AT_ONCE: Final = 16
"""Watchers that have their turn at once: half a millisecond of the loop."""
PAUSE_SECONDS: Final = 0.002
"""The time from one turn to the next: the watchers get a quarter of a core at most, and of a loop that is busy less,
since turns come only as often as the loop comes round. 500 watchers are told of an event within 0.1 s, 5,000 within a
second. Without a pause, while no route was worked on, a route's median was 48 ms with 500 watchers, in place of 10."""


class Deliveries:
    """Gives watchers their turns in the order in which they ask. One for all sites of the process.

    Watchers of one contact or one agent come first: few of them hear of the same event, and an agent waits at each.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._left = at_once
        self._few: deque[asyncio.Future[bool]] = deque()
        self._many: deque[asyncio.Future[bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, *, few: bool = False) -> None:
        """Wait until the caller may send one message."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.wake((turn,), few=few)
        await turn

    def wake(self, waiting: Iterable[asyncio.Future[bool]], *, few: bool = False) -> None:
        """Set each future to true when its watcher has a turn; few: they watch one contact or one agent."""
        (self._few if few else self._many).extend(waiting)
        self._give()

    def _give(self) -> None:
        while self._left and (waiting := self._few or self._many):
            turn = waiting.popleft()
            if not turn.done():  # a watcher that has ended left a future that is done
                turn.set_result(True)
                self._left -= 1
        if self._timer is None and self._left < self._at_once:
            self._timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._again)

    def _again(self) -> None:
        self._timer, self._left = None, self._at_once
        self._give()
