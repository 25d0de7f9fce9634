"""The open loop: sends every request when it is due, whether or not earlier requests were answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from matcher.loadtest.arrivals import Seconds
from matcher.loadtest.tally import Outcome, Tally

Complete = Callable[[], Awaitable[str]]
"""Completes a reservation; returns "", or the reason why it could not be completed."""


class Caller(Protocol):
    """A sender of requests."""

    async def send(self, number: int) -> tuple[Outcome, Complete | None]:
        """Send request `number`; return its outcome, and the function that completes its reservation, if it has one."""
        ...


class OpenLoop:
    """Sends requests by a schedule and counts their outcomes.

    The latency of a request starts at the moment it was due. So a stall of the server, or a delay of the generator,
    adds to the latency of each request that had to wait (G. Tene's "coordinated omission").
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
        """Send every request at `start` plus its time, by the event loop's clock; return when all have ended."""
        loop = asyncio.get_running_loop()
        try:
            for number, offset in enumerate(self._due.tolist()):
                due = start + offset
                # Sleeps even when late, because the event loop must read answers between the sends.
                await asyncio.sleep(max(0.0, due - loop.time()))
                self._tally.offered += 1
                if self.in_flight >= self._most_in_flight:
                    self._tally.not_sent += 1
                    continue
                self.in_flight += 1
                task = loop.create_task(self._send(number, due))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _send(self, number: int, due: float) -> None:
        loop = asyncio.get_running_loop()
        self._tally.lag.record(loop.time() - due)
        try:
            outcome, complete = await self._caller.send(number)
        finally:
            self.in_flight -= 1
        self._tally.record(outcome, loop.time() - due)
        if complete is None:
            return
        await asyncio.sleep(self._hold_seconds)
        if reason := await complete():
            self._tally.not_completed[reason] += 1
        else:
            self._tally.completed += 1
