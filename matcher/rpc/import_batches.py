"""Takes a stream in batches: what has come while the batch before was worked on, and never waits for more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def in_batches(stream: AsyncIterator[T], most: int) -> AsyncGenerator[list[T], None]:
    """Yield what has come of `stream`, at least one and at most `most` items at a time, in order.

    Reads at most `most` items ahead, so a slow consumer slows the sender down. What ends the stream with an
    exception is raised after the items before it were yielded.
    """
    room = asyncio.Semaphore(most)
    arrived: asyncio.Queue[T | None] = asyncio.Queue()

    async def read() -> None:
        await room.acquire()
        async for item in stream:
            arrived.put_nowait(item)
            await room.acquire()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: arrived.put_nowait(None))
    try:
        while (item := await arrived.get()) is not None:
            batch = [item]
            ended = False
            while len(batch) < most and not arrived.empty() and not ended:
                item = arrived.get_nowait()
                ended = item is None
                if item is not None:
                    batch.append(item)
            for _ in batch:
                room.release()
            yield batch
            if ended:
                break
        await reader
    finally:
        reader.cancel()
