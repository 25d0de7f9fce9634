"""A multiplexed connection: many commands in flight on one socket, answered in the order they were sent.

redis-py's pool gives each command a connection of its own while it is in flight: most of the cost of a command went
into taking the connection, reading from it and giving it back. redis-py still opens the socket, speaks TLS, logs in and
selects the database. Then its socket is taken over, by parts of redis-py that are private: where a version has them no
more, a PlainConnection serves by its public methods, one call after another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import hiredis
from redis import exceptions
from redis.asyncio.connection import AbstractConnection, Connection, DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

PROTOCOL: Final = 2
"""RESP2: the server sends nothing but answers, and RESP3 adds nothing to the answers of the commands used here."""
_NOTHING: Final = object()
ANSWERED: Final = (exceptions.BusyLoadingError, exceptions.AuthenticationError, exceptions.MaxConnectionsError)
"""What redis-py derives from ConnectionError though the server has answered."""


def pack(command: tuple[Any, ...]) -> bytes:
    """Return a command in the Redis protocol; a name of two words becomes two arguments."""
    name = command[0]
    words: bytes = hiredis.pack_command((*name.split(), *command[1:]) if " " in name else command)
    return words


class MultiplexedConnection(asyncio.Protocol):
    """Send commands on one connection without waiting for the answers to earlier commands.

    The answer to a call that was cancelled is read and dropped.
    """

    def __init__(self, max_calls: int, silence_seconds: float, on_lost: Callable[[], None]) -> None:
        """Create the protocol of a connection that is logged in; `open` is the way to get one.

        max_calls: how many calls may be in flight; further calls wait.
        silence_seconds: how long the server may leave the calls in flight unanswered.
        on_lost: called once, when the connection is lost or closed.
        """
        self.answered_at = 0.0
        """When the server last sent something, by the event loop's clock."""
        self._busy_since = 0.0
        """When a call was sent while no other was in flight."""
        self._loop = asyncio.get_running_loop()
        self._silence = silence_seconds
        self._reader = hiredis.Reader(
            protocolError=exceptions.InvalidResponse, replyError=_parse_error, notEnoughData=_NOTHING
        )
        self._permits = asyncio.Semaphore(max_calls)
        self._writable = asyncio.Event()
        self._writable.set()
        self._in_flight: deque[tuple[asyncio.Future[list[Any]], int]] = deque()
        self._answers: list[Any] = []
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._transport_owner: object = None
        self._silence_timer: asyncio.TimerHandle | None = None
        self._fault: Exception | None = None
        self._on_lost = on_lost

    @classmethod
    async def open(
        cls,
        login: Mapping[str, Any],
        *,
        max_calls: int,
        silence_seconds: float,
        connect_seconds: float,
        on_lost: Callable[[], None] = lambda: None,
    ) -> MultiplexedConnection:
        """Connect and log in. Raises redis-py's ConnectionError, TimeoutError or AuthenticationError."""
        arguments = {
            "socket_timeout": connect_seconds,
            "socket_connect_timeout": connect_seconds,
            **login,
            "protocol": PROTOCOL,
            "retry": Retry(NoBackoff(), 0),
        }
        connection = _with_hand_over(arguments.pop("connection_class"))(**arguments)
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
        except RuntimeError as fault:  # uvloop's, where the server ends the connection while the login is written
            await connection.disconnect(nowait=True)
            raise exceptions.ConnectionError(str(fault)) from fault
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        if not hand_over_fits(connection):
            return PlainConnection(connection, silence_seconds, on_lost)
        multiplexed = cls(max_calls, silence_seconds, on_lost)
        multiplexed._transport, multiplexed._transport_owner = connection.hand_over(multiplexed)
        return multiplexed

    @property
    def usable(self) -> bool:
        """Return whether commands can be sent."""
        return self._fault is None

    async def execute(self, commands: bytes, answers: int) -> list[Any]:
        """Send packed commands together; return their answers in order, with errors of the server among them.

        answers: how many commands there are.
        Raises redis-py's ConnectionError or TimeoutError where the connection was lost before the last answer came.
        """
        if not self._writable.is_set():
            await self._writable.wait()
        await self._permits.acquire()
        if self._fault is not None:
            self._permits.release()
            raise exceptions.ConnectionError(str(self._fault))
        if not self._in_flight:
            self._busy_since = self._loop.time()
            if self._silence_timer is None:
                self._silence_timer = self._loop.call_later(self._silence, self._check_silence)
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._in_flight.append((future, answers))
        if not self._unsent:
            # The calls of one loop turn are sent in one write.
            self._loop.call_soon(self._send)
        self._unsent.append(commands)
        return await future

    def close(self) -> None:
        """Close the connection; the calls in flight fail."""
        self._fail(exceptions.ConnectionError("the connection was closed"))

    def _send(self) -> None:
        if self._transport is not None and self._unsent:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        """Give each answer to its call."""
        self.answered_at = self._loop.time()
        reader = self._reader
        reader.feed(data)
        try:
            while (answer := reader.gets()) is not _NOTHING:
                self._take_answer(answer)
        except (exceptions.InvalidResponse, IndexError) as fault:
            self._fail(exceptions.ConnectionError(f"the server sent no valid answer: {type(fault).__name__}"))

    def _take_answer(self, answer: Any) -> None:
        answers = self._answers
        answers.append(answer)
        future, expected = self._in_flight[0]
        if len(answers) == expected:
            self._in_flight.popleft()
            self._answers = []
            self._permits.release()
            if not future.done():
                future.set_result(answers)

    def pause_writing(self) -> None:
        """Make callers wait while the server reads nothing."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let the waiting callers go on."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the calls in flight."""
        self._fail(exceptions.ConnectionError(f"the connection was lost: {exc or 'closed by the server'}"))

    def _check_silence(self) -> None:
        self._silence_timer = None
        if not self._in_flight:
            return
        remaining = max(self.answered_at, self._busy_since) + self._silence - self._loop.time()
        if remaining > 0:
            self._silence_timer = self._loop.call_later(remaining, self._check_silence)
        else:
            self._fail(exceptions.TimeoutError(f"it has been silent for {self._silence:g} s"))

    def _fail(self, fault: Exception) -> None:
        if self._fault is not None:
            return
        self._fault = fault
        if self._silence_timer is not None:
            self._silence_timer.cancel()
        in_flight, self._in_flight = self._in_flight, deque()
        self._unsent.clear()
        for future, _ in in_flight:
            self._permits.release()
            if not future.done():
                future.set_exception(type(fault)(str(fault)))
        self._writable.set()
        if self._transport is not None:
            self._transport.abort()
        self._transport = self._transport_owner = None
        self._on_lost()


class PlainConnection(MultiplexedConnection):
    """The same by redis-py's public methods alone: one call after another, several times the CPU of a call."""

    def __init__(self, connection: AbstractConnection, silence_seconds: float, on_lost: Callable[[], None]) -> None:
        """Take a connection that is logged in; silence_seconds: how long the server may leave a call unanswered."""
        super().__init__(1, silence_seconds, on_lost)
        self._connection = connection
        self._turn = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None

    async def execute(self, commands: bytes, answers: int) -> list[Any]:
        """Send packed commands and read their answers; a caller who is cancelled leaves no answer unread."""
        return await asyncio.shield(asyncio.create_task(self._exchange(commands, answers)))

    async def _exchange(self, commands: bytes, answers: int) -> list[Any]:
        async with self._turn:
            if self._fault is not None:
                raise exceptions.ConnectionError(str(self._fault))
            try:
                async with asyncio.timeout(self._silence):
                    await self._connection.send_packed_command([commands], check_health=False)
                    found = [await self._answer() for _ in range(answers)]
            except TimeoutError:
                self._fail(exceptions.TimeoutError(f"it has been silent for {self._silence:g} s"))
                raise exceptions.TimeoutError(str(self._fault)) from None
            except (exceptions.ConnectionError, OSError) as fault:
                self._fail(exceptions.ConnectionError(f"the connection was lost: {fault}"))
                raise exceptions.ConnectionError(str(self._fault)) from fault
        self.answered_at = self._loop.time()
        return found

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response(disconnect_on_error=False)
        except exceptions.ConnectionError as fault:
            if isinstance(fault, ANSWERED):
                return fault
            raise
        except exceptions.ResponseError as fault:
            return fault

    def _fail(self, fault: Exception) -> None:
        if self._fault is None:
            self._ending = asyncio.ensure_future(self._connection.disconnect(nowait=True))
        super()._fail(fault)


def hand_over_fits(connection: AbstractConnection) -> bool:
    """Return whether this version of redis-py has the private parts by which a connection's socket is taken over."""
    return hasattr(connection, "_reader") and hasattr(connection, "_writer") and hasattr(DefaultParser, "parse_error")


def redis_fits() -> bool:
    """Return whether the installed redis-py has these parts."""
    return hand_over_fits(Connection())


def _parse_error(text: str) -> Exception:
    """Return an error of the server as redis-py's exception; by a private part of redis-py."""
    parse: Callable[[str], Exception] = DefaultParser.parse_error
    return parse(text)


def _with_hand_over(connection_class: type[AbstractConnection]) -> Any:
    """Return a subclass of a redis-py connection that gives its socket away after the login."""

    class WithHandOver(connection_class):  # type: ignore[misc, valid-type]  # mypy cannot follow a class as a value
        _writer: asyncio.StreamWriter | None

        def hand_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, object]:
            """Return the transport, which feeds `protocol` now, and the writer, which must live as long as it."""
            writer = self._writer
            assert writer is not None
            self._reader = self._writer = None
            writer.transport.set_protocol(protocol)
            return cast("asyncio.Transport", writer.transport), writer

    return WithHandOver
