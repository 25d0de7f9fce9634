"""TCP proxy between a client and a server: cuts, freezes and delays connections, and refuses new ones, on demand."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

CHUNK: Final = 1 << 16


class TcpProxy:
    """Listens on a free port of 127.0.0.1 and passes bytes on in both directions.

    target: where new connections lead. refusing: new connections are ended at once. delay: seconds by which each chunk
    of bytes is late.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], asyncio.Event] = {}
        self.refusing = False
        self.delay = 0.0
        self.address = ""

    async def __aenter__(self) -> TcpProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    @property
    def open(self) -> int:
        """Return how many connections are open, frozen ones among them."""
        return len(self._tasks)

    async def cut(self) -> None:
        """End all connections that are open now."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Pass nothing on any more in the connections that are open now; neither end is told. New ones are served."""
        for flowing in self._tasks.values():
            flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        flowing = self._tasks[task] = asyncio.Event()
        flowing.set()
        task.add_done_callback(self._tasks.pop)
        host, _, port = self.target.rpartition(":")
        try:
            from_server, to_server = await asyncio.open_connection(host, int(port))
        except (OSError, asyncio.CancelledError):  # asyncio would log the end of a task that it started
            writer.transport.abort()
            return
        both = [
            asyncio.create_task(self._pass(reader, to_server, flowing)),
            asyncio.create_task(self._pass(from_server, writer, flowing)),
        ]
        try:
            with contextlib.suppress(asyncio.CancelledError):  # asyncio would log the end of a task that it started
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in both:
                direction.cancel()
            for end in (writer, to_server):
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await asyncio.sleep(self.delay)
                await flowing.wait()
                writer.write(chunk)
                await writer.drain()
