"""Work that goes on beside other work; what fails is told at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Work:
    """Starts tasks, keeps them, and knows which failed."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: list[BaseException] = []

    def start(self, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.failures.append(failure)

    async def end(self) -> None:
        """Cancel what still goes on."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until nothing goes on."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
