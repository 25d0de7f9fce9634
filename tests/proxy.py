"""A proxy before a store that loses the replies to reserves."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final

RESERVE: Final = b"matcher_reserve_"
CHUNK: Final = 1 << 16


class LossyProxy:
    """Listens on a unix socket, hands everything on to a store, and loses replies to reserves while told to.

    A reply is lost when the store has sent it, so the reserve has been executed. `lose` is how many replies are lost
    by cutting the connection; with `hold` the connection stays open and silent instead, until the proxy is closed.
    """

    def __init__(self, store: Path, socket: Path) -> None:
        self.socket = socket
        self.lose = 0
        self.hold = False
        self.executed = 0
        self.lost = asyncio.Event()
        self._store = store
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Return its address for MATCHER_STORE_URL."""
        return f"unix://{self.socket}"

    async def __aenter__(self) -> LossyProxy:
        self._server = await asyncio.start_unix_server(self._serve, str(self.socket))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        from_store, to_store = await asyncio.open_unix_connection(str(self._store))
        asked = asyncio.Event()
        there = asyncio.create_task(self._requests(reader, to_store, asked))
        back = asyncio.create_task(self._replies(from_store, writer, asked))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in (there, back):
                way.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            for end in (writer, to_store):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _requests(
        self, reader: asyncio.StreamReader, to_store: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                # A call stands at the start of what is read: on a connection one call is under way at a time.
                if RESERVE in chunk[:200]:
                    asked.set()
                to_store.write(chunk)
                await to_store.drain()

    async def _replies(
        self, from_store: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await from_store.read(CHUNK):
                if asked.is_set():
                    asked.clear()
                    self.executed += 1
                    if self.lose:
                        self.lose -= 1
                        self.lost.set()
                        if self.hold:
                            await asyncio.Event().wait()
                        return
                writer.write(chunk)
                await writer.drain()
