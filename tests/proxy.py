"""Proxy of a store that loses replies to one of its verbs."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import hiredis

RESERVE: Final = b"matcher_reserve_"
DECLINE: Final = b"matcher_decline_"
CHUNK: Final = 1 << 16


class LossyProxy:
    """Listens on a unix socket, passes everything on to a store, and loses replies to a verb on demand.

    A reply is lost when the store has sent it, so the call has been executed. `lose` is how many replies are lost
    by cutting the connection; with `hold` the connection stays open and silent instead, until the proxy is closed.
    On each connection calls are passed on one by one, so that the call of each reply is known.
    """

    def __init__(self, store: Path, socket: Path, verb: bytes = RESERVE) -> None:
        self.socket = socket
        self._verb = verb
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
        try:
            with contextlib.suppress(OSError):
                await self._forward(reader, writer, from_store, to_store)
        finally:
            for end in (writer, to_store):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_store: asyncio.StreamReader,
        to_store: asyncio.StreamWriter,
    ) -> None:
        calls = hiredis.Reader()
        while chunk := await reader.read(CHUNK):
            calls.feed(chunk)
            while (call := calls.gets()) is not False:
                to_store.write(hiredis.pack_command(tuple(call)))
                reply = await self._reply(from_store)
                if not reply or await self._loses(call):
                    return
                writer.write(reply)
                await writer.drain()

    async def _reply(self, from_store: asyncio.StreamReader) -> bytes:
        """Return the bytes of the next whole reply; none if the store has gone."""
        replies, said = hiredis.Reader(), b""
        while chunk := await from_store.read(CHUNK):
            said += chunk
            replies.feed(chunk)
            if replies.gets() is not False:
                return said
        return b""

    async def _loses(self, call: list[Any]) -> bool:
        """Count a call of the verb; return whether its reply is lost."""
        if len(call) < 2 or not call[1].startswith(self._verb):
            return False
        self.executed += 1
        if not self.lose:
            return False
        self.lose -= 1
        self.lost.set()
        if self.hold:
            await asyncio.Event().wait()
        return True
