"""A wire to one server: many commands under way on one socket, answered in the order they were sent.

redis-py's pool gives each command a connection of its own while it is under way: most of what a command cost went into
taking, reading and giving back. redis-py still opens the socket, speaks TLS, logs in and selects the database.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import hiredis
from redis import exceptions
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

PROTOCOL: Final = 2
"""RESP2 sends nothing that was not asked for, and what it answers to the commands used here is as plain."""
_NOTHING: Final = object()


def packed(command: tuple[Any, ...]) -> bytes:
    """Return a command as it goes over the wire; a name of two words is two."""
    name = command[0]
    words: bytes = hiredis.pack_command((*name.split(), *command[1:]) if " " in name else command)
    return words


class MultiplexedConnection(asyncio.Protocol):
    """Send commands on one connection without waiting for the answers to those before.

    A caller who goes away leaves its place: its answer is read and dropped.
    """

    def __init__(self, most: int, silence_seconds: float, lost: Callable[[], None]) -> None:
        """Take how many calls may be under way (more wait), and for how long the server may leave them unanswered.

        lost: is called once, when the connection is.
        """
        self.heard_at = 0.0
        """When the server last sent something, by the event loop's clock."""
        self._asked_at = 0.0
        """When something was asked while nothing was under way."""
        self._loop = asyncio.get_running_loop()
        self._silence = silence_seconds
        self._reader = hiredis.Reader(
            protocolError=exceptions.InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_NOTHING
        )
        self._room = asyncio.Semaphore(most)
        self._writable = asyncio.Event()
        self._writable.set()
        self._under_way: deque[tuple[asyncio.Future[list[Any]], int]] = deque()
        self._answers: list[Any] = []
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._kept: object = None
        self._watching: asyncio.TimerHandle | None = None
        self._lost: Exception | None = None
        self._tell_lost = lost

    @classmethod
    async def open(
        cls,
        login: Mapping[str, Any],
        *,
        most: int,
        silence_seconds: float,
        connect_seconds: float,
        lost: Callable[[], None] = lambda: None,
    ) -> MultiplexedConnection:
        """Connect and log in. Raises redis-py's ConnectionError, TimeoutError or AuthenticationError."""
        arguments = {
            "socket_timeout": connect_seconds,
            "socket_connect_timeout": connect_seconds,
            **login,
            "protocol": PROTOCOL,
            "retry": Retry(NoBackoff(), 0),
        }
        connection = _handing_over(arguments.pop("connection_class"))(**arguments)
        try:
            async with asyncio.timeout(connect_seconds):
                await connection.connect()
        except TimeoutError as fault:
            await connection.disconnect(nowait=True)
            raise exceptions.TimeoutError("it does not answer") from fault
        except exceptions.ConnectionError as fault:
            if isinstance(fault.__cause__, exceptions.AuthenticationError):
                raise fault.__cause__ from None
            raise
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        wire = cls(most, silence_seconds, lost)
        wire._transport, wire._kept = connection.hand_over(wire)
        return wire

    @property
    def usable(self) -> bool:
        """Tell whether commands can be sent."""
        return self._lost is None

    async def ask(self, commands: bytes, answers: int) -> list[Any]:
        """Send packed commands, together; return their answers in order, errors of the server among them.

        Raises redis-py's ConnectionError or TimeoutError where the connection was lost before they all came.
        """
        if not self._writable.is_set():
            await self._writable.wait()
        await self._room.acquire()
        if self._lost is not None:
            self._room.release()
            raise exceptions.ConnectionError(str(self._lost))
        if not self._under_way:
            self._asked_at = self._loop.time()
            if self._watching is None:
                self._watching = self._loop.call_later(self._silence, self._watch)
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._under_way.append((future, answers))
        if not self._unsent:
            # What is asked in one turn of the event loop goes out in one write.
            self._loop.call_soon(self._send)
        self._unsent.append(commands)
        return await future

    def close(self) -> None:
        """Close the connection; what is under way fails."""
        self._fail(exceptions.ConnectionError("the connection was closed"))

    def _send(self) -> None:
        if self._transport is not None and self._unsent:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        """Give each answer to whom it belongs."""
        self.heard_at = self._loop.time()
        reader = self._reader
        reader.feed(data)
        try:
            while (answer := reader.gets()) is not _NOTHING:
                self._answered(answer)
        except (exceptions.InvalidResponse, IndexError) as fault:
            self._fail(exceptions.ConnectionError(f"the server sent what is no answer: {type(fault).__name__}"))

    def _answered(self, answer: Any) -> None:
        answers = self._answers
        answers.append(answer)
        future, wanted = self._under_way[0]
        if len(answers) == wanted:
            self._under_way.popleft()
            self._answers = []
            self._room.release()
            if not future.done():
                future.set_result(answers)

    def pause_writing(self) -> None:
        """Let callers wait while the server takes nothing."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let callers go on."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        self._fail(exceptions.ConnectionError(f"the connection was lost: {exc or 'closed by the server'}"))

    def _watch(self) -> None:
        self._watching = None
        if not self._under_way:
            return
        left = max(self.heard_at, self._asked_at) + self._silence - self._loop.time()
        if left > 0:
            self._watching = self._loop.call_later(left, self._watch)
        else:
            self._fail(exceptions.TimeoutError(f"it has been silent for {self._silence:g} s"))

    def _fail(self, fault: Exception) -> None:
        if self._lost is not None:
            return
        self._lost = fault
        if self._watching is not None:
            self._watching.cancel()
        under_way, self._under_way = self._under_way, deque()
        self._unsent.clear()
        for future, _ in under_way:
            self._room.release()
            if not future.done():
                future.set_exception(type(fault)(str(fault)))
        self._writable.set()
        if self._transport is not None:
            self._transport.abort()
        self._transport = self._kept = None
        self._tell_lost()


def _handing_over(kind: type[AbstractConnection]) -> Any:
    """Return a kind of redis-py's connections that gives its socket away once it is logged in."""

    class HandingOver(kind):  # type: ignore[misc, valid-type]  # mypy does not follow a class that is a value
        _writer: asyncio.StreamWriter | None

        def hand_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, object]:
            """Return the transport, which tells `protocol` what comes, and what must live as long as it does."""
            writer = self._writer
            assert writer is not None
            self._reader = self._writer = None
            writer.transport.set_protocol(protocol)
            return cast("asyncio.Transport", writer.transport), writer

    return HandingOver
