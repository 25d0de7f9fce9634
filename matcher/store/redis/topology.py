"""The servers of a store: which one has a key, and the wire to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from weakref import WeakSet

from redis import exceptions
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff

from matcher.store.clock import StoreClock
from matcher.store.redis.address import Host, StoreAddress, shown_host
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, packed

ANY_SLOT: Final = -1
"""What a command without a key falls into: any server runs it. (As an index it is a slot like any other.)"""
SENTINEL_SECONDS: Final = 0.5
"""How long a Sentinel may take to answer before the next one is asked."""


@dataclass(frozen=True, slots=True)
class WireLimits:
    """How many calls may be under way to a server, and how long it may be silent or take to be connected."""

    calls: int
    timeout_seconds: float


class Server:
    """One server: a wire that is opened when it is needed, and the server's clock."""

    def __init__(self, shown: str, login: dict[str, Any], limits: WireLimits, *, must_be_primary: bool = False) -> None:
        self.shown = shown
        self.clock = StoreClock()
        self._login = login
        self._limits = limits
        self._must_be_primary = must_be_primary
        self._wire: MultiplexedConnection | None = None
        self._readers: WeakSet[MultiplexedConnection] = WeakSet()
        self._opening: asyncio.Task[MultiplexedConnection] | None = None

    @property
    def wire(self) -> MultiplexedConnection | None:
        """Return the wire, where it is open."""
        wire = self._wire
        return wire if wire is not None and wire.usable else None

    async def open(self) -> MultiplexedConnection:
        """Return the wire, opened once for all who wait for it. Raises what Wire.open raises."""
        if (wire := self.wire) is not None:
            return wire
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"connect {self.shown}")
            self._opening.add_done_callback(self._opened)
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if opening.cancelled() and task is not None and not task.cancelling():
                raise exceptions.ConnectionError("another server has taken its place") from None
            raise

    async def reader(self, longest_block_seconds: float) -> MultiplexedConnection:
        """Return a wire of its own, for commands that block.

        It is closed with the server's wire, where silence is noticed earlier: who waits for news of a server that has
        gone would hear none of the one that took its place.
        """
        limits = self._limits
        wire = await MultiplexedConnection.open(
            self._login,
            most=1,
            silence_seconds=longest_block_seconds + limits.timeout_seconds,
            connect_seconds=limits.timeout_seconds,
        )
        self._readers.add(wire)
        return wire

    async def read_clock(self) -> None:
        """Read the server's clock."""
        await self._read_clock(await self.open())

    def close(self) -> None:
        """Close the wire."""
        if self._opening is not None:
            self._opening.cancel()
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._close_readers()

    def _close_readers(self) -> None:
        for reader in tuple(self._readers):
            reader.close()
        self._readers.clear()

    async def _open(self) -> MultiplexedConnection:
        limits = self._limits
        wire = await MultiplexedConnection.open(
            self._login,
            most=limits.calls,
            silence_seconds=limits.timeout_seconds,
            connect_seconds=limits.timeout_seconds,
            lost=self._close_readers,
        )
        try:
            await self._read_clock(wire)
            if self._must_be_primary:
                (said,) = await wire.ask(packed(("INFO", "replication")), 1)
                if b"role:master" not in said:
                    raise exceptions.ConnectionError("it is a replica")
        except BaseException:
            wire.close()
            raise
        self._wire = wire
        return wire

    def _opened(self, _: asyncio.Task[MultiplexedConnection]) -> None:
        self._opening = None

    async def _read_clock(self, wire: MultiplexedConnection) -> None:
        asked = time.monotonic()
        (answer,) = await wire.ask(packed(("TIME",)), 1)
        if not isinstance(answer, Exception):
            seconds, micros = answer
            self.clock.set(int(seconds) * 1000 + int(micros) / 1000, asked, time.monotonic())


class Servers(Protocol):
    """Knows the primaries of a store. A slot is what a command's key falls into."""

    def slot_of(self, command: Sequence[Any]) -> int:
        """Return the slot of a command's first key; ANY_SLOT for a command without one."""

    def server(self, slot: int) -> Server | None:
        """Return the server that has a slot, as far as is known."""

    async def find(self, slot: int) -> Server:
        """Return the server that has a slot, having asked where that is in doubt."""

    async def open(self, slot: int) -> MultiplexedConnection:
        """Return an open wire to the server that has a slot."""

    async def primaries(self, *, whole: bool = False) -> Sequence[Server]:
        """Return every primary known; `whole`: raise where part of the store has none."""

    def refused(self, slot: int, refusal: exceptions.ResponseError | exceptions.ConnectionError) -> None:
        """Take in that a server did not run a command because it is not its to run."""

    async def taker(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Return a wire to the server that is taking over the keys of a command."""

    def close(self) -> None:
        """Close every wire."""


class SingleServer:
    """A store of one server, or of one whose address never changes."""

    def __init__(self, address: StoreAddress, limits: WireLimits) -> None:
        self._server = Server(address.shown, dict(address.login), limits)

    def slot_of(self, command: Sequence[Any]) -> int:  # noqa: ARG002
        """Return ANY_SLOT."""
        return ANY_SLOT

    def server(self, slot: int) -> Server:  # noqa: ARG002
        """Return the server."""
        return self._server

    async def find(self, slot: int) -> Server:
        """Return the server."""
        return self.server(slot)

    async def open(self, slot: int) -> MultiplexedConnection:  # noqa: ARG002
        """Return an open wire to the server."""
        return await self._server.open()

    async def primaries(self, *, whole: bool = False) -> Sequence[Server]:  # noqa: ARG002
        """Return the server."""
        return (self._server,)

    def refused(self, slot: int, refusal: exceptions.ResponseError | exceptions.ConnectionError) -> None:
        """Do nothing: there is no other server."""

    async def taker(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Raise: a lone server has nobody to name."""
        raise redirection

    def close(self) -> None:
        """Close the wire."""
        self._server.close()


class SentinelServers:
    """A primary that Sentinels name. Whenever it has to be connected they are asked anew."""

    def __init__(self, address: StoreAddress, limits: WireLimits) -> None:
        self._address = address
        self._limits = limits
        self._sentinels = Sentinel(  # type: ignore[no-untyped-call]
            list(address.hosts),
            sentinel_kwargs={
                "socket_timeout": SENTINEL_SECONDS,
                "socket_connect_timeout": SENTINEL_SECONDS,
                "retry": Retry(NoBackoff(), 0),
                **address.sentinel_login,
            },
        )
        self._host: Host | None = None
        self._server: Server | None = None
        self._asking: asyncio.Task[Server] | None = None

    def slot_of(self, command: Sequence[Any]) -> int:  # noqa: ARG002
        """Return ANY_SLOT."""
        return ANY_SLOT

    def server(self, slot: int) -> Server | None:  # noqa: ARG002
        """Return the primary as last heard."""
        return self._server

    async def find(self, slot: int) -> Server:
        """Return the primary; where it is not connected the Sentinels are asked."""
        server = self.server(slot)
        if server is not None and server.wire is not None:
            return server
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="ask the Sentinels")
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    async def open(self, slot: int) -> MultiplexedConnection:
        """Return an open wire to the primary."""
        return await (await self.find(slot)).open()

    async def primaries(self, *, whole: bool = False) -> Sequence[Server]:  # noqa: ARG002
        """Return the primary."""
        return (await self.find(ANY_SLOT),)

    def refused(self, slot: int, refusal: exceptions.ResponseError | exceptions.ConnectionError) -> None:
        """Leave a server that has become a replica."""
        server = self.server(slot)
        if server is not None and isinstance(refusal, exceptions.ReadOnlyError):
            server.close()

    async def taker(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Raise: a replicated server has nobody to name."""
        raise redirection

    def close(self) -> None:
        """Close the wire."""
        if self._asking is not None:
            self._asking.cancel()
        if self._server is not None:
            self._server.close()

    async def _ask(self) -> Server:
        try:
            name, port = await self._sentinels.discover_master(self._address.service)
        except MasterNotFoundError as fault:
            raise exceptions.ConnectionError(f"no Sentinel knows a primary of {self._address.service} now") from fault
        finally:
            # Sentinels are asked once in a while: nothing is kept open to them.
            await self._sentinels.aclose()
        host = (str(name), int(port))
        if host != self._host or self._server is None:
            if self._server is not None:
                self._server.close()
            self._host = host
            login = {**self._address.login, "host": host[0], "port": host[1]}
            self._server = Server(shown_host(host), login, self._limits, must_be_primary=True)
        return self._server

    def _asked(self, _: asyncio.Task[Server]) -> None:
        self._asking = None
