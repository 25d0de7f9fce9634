"""Ending background tasks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.2


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended, and wait for it.

    Once is not enough: a cancellation that arrives together with an answer is lost in redis-py's connection (seen with
    8.1: the follower went on reading), and in asyncio.wait_for before Python 3.12.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
