"""Asyncio pieces that the whole service shares: tasks that end with a block, and a throttle between two reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

CANCEL_AGAIN_SECONDS: Final = 0.2


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended, and wait for it.

    One cancellation is not enough: redis-py's connection loses a cancellation that arrives together with a reply
    (measured with redis-py 8.1: the follower went on reading), and so does asyncio.wait_for before Python 3.12.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)


@asynccontextmanager
async def ending(end: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call `end` when the block is left."""
    try:
        yield
    finally:
        await end()


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine beside the block, and cancel it when the block is left."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await cancel_and_wait(task)


class Throttle:
    """A delay between two reads, which `hurry()` ends early."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._delay: asyncio.Future[None] | None = None

    async def pause(self) -> None:
        """Wait until the delay is over, or until `hurry` is called."""
        loop = asyncio.get_running_loop()
        self._delay = loop.create_future()
        timer = loop.call_later(self._seconds, self.hurry)
        try:
            await self._delay
        finally:
            timer.cancel()
            self._delay = None

    def hurry(self) -> None:
        """End the current delay, if there is one."""
        if self._delay is not None and not self._delay.done():
            self._delay.set_result(None)
