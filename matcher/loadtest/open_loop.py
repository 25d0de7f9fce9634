"""The open loop: every request is sent when it is due, whatever became of those before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from matcher.loadtest.arrivals import Seconds
from matcher.loadtest.tally import Outcome, Tally


class Caller(Protocol):
    """Makes the requests."""

    async def send(self, number: int) -> tuple[Outcome, Callable[[], Awaitable[str]] | None]:
        """Make request `number`; return how it ended, and how to give back what it holds.

        Giving back returns "" when it is done, else the reason why it is not.
        """
        ...


class OpenLoop:
    """Sends requests by a schedule and counts what becomes of them.

    Latency runs from the moment a request was due, so a server that stalls, or a generator that is late, counts for
    each request that had to wait (G. Tene's "coordinated omission").
    """

    def __init__(
        self, caller: Caller, due: Seconds, tally: Tally, *, most_in_flight: int, hold_seconds: float = 0.0
    ) -> None:
        self.in_flight = 0
        self._caller = caller
        self._due = due
        self._tally = tally
        self._most_in_flight = most_in_flight
        self._hold_seconds = hold_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, start: float) -> None:
        """Send every request at `start` plus its time, on the loop's clock; return when all have ended."""
        loop = asyncio.get_running_loop()
        try:
            for number, offset in enumerate(self._due.tolist()):
                due = start + offset
                # Also when late: answers must be read between the sends.
                await asyncio.sleep(max(0.0, due - loop.time()))
                self._tally.offered += 1
                if self.in_flight >= self._most_in_flight:
                    self._tally.not_sent += 1
                    continue
                self.in_flight += 1
                task = loop.create_task(self._one(number, due))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _one(self, number: int, due: float) -> None:
        loop = asyncio.get_running_loop()
        self._tally.lag.record(loop.time() - due)
        try:
            outcome, give_back = await self._caller.send(number)
        finally:
            self.in_flight -= 1
        self._tally.record(outcome, loop.time() - due)
        if give_back is None:
            return
        await asyncio.sleep(self._hold_seconds)
        if reason := await give_back():
            self._tally.not_completed[reason] += 1
        else:
            self._tally.completed += 1
