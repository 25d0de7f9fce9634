"""Asyncio pieces that the whole service shares: tasks that are restarted or end with a block, and a throttle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Final, Protocol

CANCEL_AGAIN_SECONDS: Final = 0.2
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
HEALTHY_SECONDS: Final = 10.0
"""A background task that ran without a fault for this time starts again after the first pause, and is not failing."""
FAILING_FAULTS: Final = 3
"""This number of faults in a row makes a task a failing one: fewer could be a store that was away for a moment."""


class Closing(Protocol):
    """A task that is closed with what it belongs to."""

    async def close(self) -> None:
        """Stop the task."""


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
async def background(
    tasks: BackgroundTasks, name: str, run: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """Run a background task beside the block, and cancel it when the block is left."""
    task = tasks.start(name, run)
    try:
        yield
    finally:
        await cancel_and_wait(task)


class BackgroundTasks:
    """The background tasks of the process: each is started again after a fault, and each fault is reported.

    A task that ends silently would leave its part of the service standing still while everything else looks well.
    """

    def __init__(self, on_fault: Callable[[str, Exception], None] = lambda _name, _fault: None) -> None:
        """on_fault: called with the task's name and the exception, for the log and the metric."""
        self._on_fault = on_fault
        self._failing: set[str] = set()

    @property
    def failing(self) -> list[str]:
        """Return the names of the tasks that failed again and again and have not run healthily since."""
        return sorted(self._failing)

    def start(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run `run` until it returns; after an exception run it again, with pauses that grow up to 5 s."""
        # Not in the context of the call that may have opened the site: the task serves others, and outlives the call.
        return asyncio.create_task(self._keep_running(name, run), name=name, context=Context())

    async def _keep_running(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop, pause, faults = asyncio.get_running_loop(), FIRST_PAUSE_SECONDS, 0
        try:
            while True:
                began, healthy = loop.time(), loop.call_later(HEALTHY_SECONDS, self._failing.discard, name)
                try:
                    return await run()
                except Exception as fault:  # noqa: BLE001 - any fault: the task is started again
                    if loop.time() - began >= HEALTHY_SECONDS:
                        pause, faults = FIRST_PAUSE_SECONDS, 0
                    faults += 1
                    if faults >= FAILING_FAULTS:
                        self._failing.add(name)
                    self._on_fault(name, fault)
                finally:
                    healthy.cancel()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            self._failing.discard(name)


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
