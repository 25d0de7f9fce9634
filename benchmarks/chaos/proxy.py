"""TCP proxy that hurts the connections it carries: cuts, freezes, delays, and loses the answers of what was done."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

CHUNK: Final = 1 << 16


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes bytes on to `target`.

    refusing: new connections are ended at once. delay: seconds by which each chunk is late. deaf: bytes of the target
    are thrown away, so that what was asked is done and nobody hears of it; the connections end when it is over.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.refusing = False
        self.delay = 0.0
        self.deaf = False
        self.address = ""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening, and end all connections."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """End all connections that are open now."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Pass nothing on, on old and new connections; neither end is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again what was kept."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        host, _, port = self.target.rpartition(":")
        try:
            from_server, to_server = await asyncio.open_connection(host, int(port))
        except (OSError, asyncio.CancelledError):  # asyncio would log the end of a task that it started
            writer.transport.abort()
            return
        both = [
            asyncio.create_task(self._pass(reader, to_server, back=False)),
            asyncio.create_task(self._pass(from_server, writer, back=True)),
        ]
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in both:
                direction.cancel()
            for end in (writer, to_server):
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flowing.wait()
                if back and self.deaf:
                    continue
                writer.write(chunk)
                await writer.drain()
