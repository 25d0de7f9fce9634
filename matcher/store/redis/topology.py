"""The servers of a store: which primary has a key, and the connection to it."""

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
from matcher.store.redis.address import Host, StoreAddress, host_port
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, pack

SENTINEL_SECONDS: Final = 0.5
"""How long a Sentinel may take to answer before the next Sentinel is asked."""

Refusal = exceptions.ResponseError | exceptions.ConnectionError
"""The answer of a server that did not run a command. (redis-py derives some of these from ConnectionError.)"""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of a connection: how many calls run on it at once, how long it may be silent or take to connect."""

    calls: int
    timeout_seconds: float


class Server:
    """A server with its clock, and a connection that is opened when it is needed."""

    def __init__(
        self, name: str, login: dict[str, Any], limits: ConnectionLimits, *, must_be_primary: bool = False
    ) -> None:
        self.name = name
        self.clock = StoreClock()
        self._login = login
        self._limits = limits
        self._must_be_primary = must_be_primary
        self._connection: MultiplexedConnection | None = None
        self._readers: WeakSet[MultiplexedConnection] = WeakSet()
        self._connecting: asyncio.Task[MultiplexedConnection] | None = None

    @property
    def connection(self) -> MultiplexedConnection | None:
        """Return the connection if it is open."""
        connection = self._connection
        return connection if connection is not None and connection.usable else None

    @property
    def open_connections(self) -> int:
        """Return how many connections to the server are open, readers included."""
        return (self.connection is not None) + sum(reader.usable for reader in self._readers)

    async def connect(self) -> MultiplexedConnection:
        """Return the connection; open it once for all callers that wait for it.

        Raises what MultiplexedConnection.open raises.
        """
        if (connection := self.connection) is not None:
            return connection
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name=f"connect {self.name}")
            self._connecting.add_done_callback(self._connected)
        connecting = self._connecting
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if connecting.cancelled() and task is not None and not task.cancelling():
                raise exceptions.ConnectionError("another server replaced this one") from None
            raise

    async def open_reader(self, longest_block_seconds: float) -> MultiplexedConnection:
        """Open a separate connection for commands that block.

        It is closed when the server's shared connection is lost. The shared connection notices silence earlier: a
        reader that stayed on a dead server would get no event of the server that replaced it.
        """
        limits = self._limits
        connection = await MultiplexedConnection.open(
            self._login,
            max_calls=1,
            silence_seconds=longest_block_seconds + limits.timeout_seconds,
            connect_seconds=limits.timeout_seconds,
        )
        self._readers.add(connection)
        return connection

    async def read_clock(self) -> None:
        """Read the server's time and set its clock by it."""
        await self._read_clock(await self.connect())

    def close(self) -> None:
        """Close the connection and the readers."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._close_readers()

    def _close_readers(self) -> None:
        for reader in tuple(self._readers):
            reader.close()
        self._readers.clear()

    async def _connect(self) -> MultiplexedConnection:
        limits = self._limits
        connection = await MultiplexedConnection.open(
            self._login,
            max_calls=limits.calls,
            silence_seconds=limits.timeout_seconds,
            connect_seconds=limits.timeout_seconds,
            on_lost=self._close_readers,
        )
        try:
            await self._read_clock(connection)
            if self._must_be_primary:
                (info,) = await connection.execute(pack(("INFO", "replication")), 1)
                if b"role:master" not in info:
                    raise exceptions.ConnectionError("it is a replica")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _connected(self, _: asyncio.Task[MultiplexedConnection]) -> None:
        self._connecting = None

    async def _read_clock(self, connection: MultiplexedConnection) -> None:
        asked = time.monotonic()
        (answer,) = await connection.execute(pack(("TIME",)), 1)
        if not isinstance(answer, Exception):
            seconds, micros = answer
            self.clock.set(int(seconds) * 1000 + int(micros) / 1000, asked, time.monotonic())


class Servers(Protocol):
    """The primaries of a store, by hash slot.

    The hash slot is None for a command without a key, which any server runs, and for every command where the store is
    not a cluster.
    """

    def hash_slot(self, command: Sequence[Any]) -> int | None:
        """Return the hash slot of a command's first key; None for a command without a key."""

    def server(self, hash_slot: int | None) -> Server | None:
        """Return the server of a hash slot by the last reading of the topology."""

    async def find(self, hash_slot: int | None) -> Server:
        """Return the server of a hash slot; read the topology again where it is in doubt."""

    async def connect(self, hash_slot: int | None) -> MultiplexedConnection:
        """Return an open connection to the server of a hash slot."""

    async def primaries(self, *, require_all: bool = False) -> Sequence[Server]:
        """Return every known primary; `require_all`: raise where part of the store has none."""

    def apply_refusal(self, hash_slot: int | None, refusal: Refusal) -> None:
        """Change the topology after a server refused to run a command."""

    async def connect_to_importer(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Return a connection to the server that is importing the hash slot of a command."""

    def open_connections(self) -> int:
        """Return how many connections to the primaries are open."""

    def close(self) -> None:
        """Close every connection."""


class SingleServer:
    """A store of one server, or of a primary whose address never changes."""

    def __init__(self, address: StoreAddress, limits: ConnectionLimits) -> None:
        self._server = Server(address.redacted, dict(address.login), limits)

    def hash_slot(self, command: Sequence[Any]) -> None:
        """Return None: there are no hash slots."""

    def server(self, hash_slot: int | None) -> Server:  # noqa: ARG002
        """Return the server."""
        return self._server

    async def find(self, hash_slot: int | None) -> Server:
        """Return the server."""
        return self.server(hash_slot)

    async def connect(self, hash_slot: int | None) -> MultiplexedConnection:  # noqa: ARG002
        """Return an open connection to the server."""
        return await self._server.connect()

    async def primaries(self, *, require_all: bool = False) -> Sequence[Server]:  # noqa: ARG002
        """Return the server."""
        return (self._server,)

    def apply_refusal(self, hash_slot: int | None, refusal: Refusal) -> None:
        """Do nothing: there is no other server."""

    async def connect_to_importer(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Raise the redirection: a single server has no other server to name."""
        raise redirection

    def open_connections(self) -> int:
        """Return how many connections to the server are open."""
        return self._server.open_connections

    def close(self) -> None:
        """Close the connection."""
        self._server.close()


class SentinelServers:
    """A primary that Sentinels name. The Sentinels are asked again whenever the primary has to be connected."""

    def __init__(self, address: StoreAddress, limits: ConnectionLimits) -> None:
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
        self._primary: Server | None = None
        self._discovering: asyncio.Task[Server] | None = None

    def hash_slot(self, command: Sequence[Any]) -> None:
        """Return None: there are no hash slots."""

    def server(self, hash_slot: int | None) -> Server | None:  # noqa: ARG002
        """Return the primary that the Sentinels named last."""
        return self._primary

    async def find(self, hash_slot: int | None) -> Server:
        """Return the primary; ask the Sentinels where it is not connected."""
        primary = self.server(hash_slot)
        if primary is not None and primary.connection is not None:
            return primary
        if self._discovering is None:
            self._discovering = asyncio.create_task(self._discover(), name="ask the Sentinels")
            self._discovering.add_done_callback(self._discovered)
        return await asyncio.shield(self._discovering)

    async def connect(self, hash_slot: int | None) -> MultiplexedConnection:
        """Return an open connection to the primary."""
        return await (await self.find(hash_slot)).connect()

    async def primaries(self, *, require_all: bool = False) -> Sequence[Server]:  # noqa: ARG002
        """Return the primary."""
        return (await self.find(None),)

    def apply_refusal(self, hash_slot: int | None, refusal: Refusal) -> None:
        """Disconnect a server that has become a replica."""
        primary = self.server(hash_slot)
        if primary is not None and isinstance(refusal, exceptions.ReadOnlyError):
            primary.close()

    async def connect_to_importer(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Raise the redirection: a primary outside a cluster has no other server to name."""
        raise redirection

    def open_connections(self) -> int:
        """Return how many connections to the primary are open."""
        return 0 if self._primary is None else self._primary.open_connections

    def close(self) -> None:
        """Close the connection."""
        if self._discovering is not None:
            self._discovering.cancel()
        if self._primary is not None:
            self._primary.close()

    async def _discover(self) -> Server:
        try:
            name, port = await self._sentinels.discover_master(self._address.service)
        except MasterNotFoundError as fault:
            raise exceptions.ConnectionError(f"no Sentinel knows a primary of {self._address.service} now") from fault
        finally:
            # Sentinels are asked seldom: no connection to them stays open.
            await self._sentinels.aclose()
        host = (str(name), int(port))
        if host != self._host or self._primary is None:
            if self._primary is not None:
                self._primary.close()
            self._host = host
            login = {**self._address.login, "host": host[0], "port": host[1]}
            self._primary = Server(host_port(host), login, self._limits, must_be_primary=True)
        return self._primary

    def _discovered(self, _: asyncio.Task[Server]) -> None:
        self._discovering = None
