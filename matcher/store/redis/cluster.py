"""The primaries of a Redis Cluster by hash slot: a map that is read again when it is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from redis import exceptions
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from matcher.store.redis.address import Host, StoreAddress, host_port
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, pack
from matcher.store.redis.topology import ConnectionLimits, Refusal, Server

KEY_PREFIX: Final = "m:"
"""How every key of the store begins; no argument before a command's first key begins like this."""
KEYLESS_HASH_SLOT: Final = REDIS_CLUSTER_HASH_SLOTS - 1
"""The hash slot whose server runs commands without a key. Any server can run them; here it is always the same one."""


class ClusterServers:
    """Send each command to the primary that has its key."""

    def __init__(self, address: StoreAddress, limits: ConnectionLimits) -> None:
        self._address = address
        self._limits = limits
        self._servers: dict[Host, Server] = {host: self._new_server(host) for host in address.hosts}
        self._map: list[Server | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._in_doubt = True
        self._reading: asyncio.Task[None] | None = None

    def hash_slot(self, command: Sequence[Any]) -> int | None:
        """Return the hash slot of a command's first key; None for a command without a key."""
        for word in command[1:]:
            if isinstance(word, str) and word.startswith(KEY_PREFIX):
                return key_slot(word.encode())
            if isinstance(word, bytes) and word.startswith(KEY_PREFIX.encode()):
                return key_slot(word)
        return None

    def server(self, hash_slot: int | None) -> Server | None:
        """Return the server that has a hash slot by the map."""
        return self._map[KEYLESS_HASH_SLOT if hash_slot is None else hash_slot]

    async def find(self, hash_slot: int | None) -> Server:
        """Return the server of a hash slot. Raises ClusterDownError where no server has it."""
        if self._in_doubt or self.server(hash_slot) is None:
            await self._read_map_once()
        server = self.server(hash_slot)
        if server is None:
            raise exceptions.ClusterDownError("the cluster has hash slots that no server serves")
        return server

    async def connect(self, hash_slot: int | None) -> MultiplexedConnection:
        """Return an open connection to the server of a hash slot; a failure to connect puts the map in doubt."""
        server = await self.find(hash_slot)
        try:
            return await server.connect()
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            self._in_doubt = True
            raise

    async def primaries(self, *, require_all: bool = False) -> Sequence[Server]:
        """Return every primary.

        Raises ClusterDownError where no hash slot has a primary; `require_all`: where any hash slot has none.
        """
        if self._in_doubt:
            await self._read_map_once()
        if None in self._map and (require_all or not any(self._map)):
            raise exceptions.ClusterDownError("the cluster has hash slots that no server serves")
        return tuple(dict.fromkeys(server for server in self._map if server is not None))

    def apply_refusal(self, hash_slot: int | None, refusal: Refusal) -> None:
        """Follow a hash slot that has moved, and put the rest of the map in doubt."""
        self._in_doubt = True
        if hash_slot is not None and isinstance(refusal, exceptions.MovedError) and refusal.host:
            self._map[hash_slot] = self._server_at((refusal.host, refusal.port))

    async def connect_to_importer(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Return a connection to the server that is importing a hash slot."""
        return await self._server_at((redirection.host, redirection.port)).connect()

    def open_connections(self) -> int:
        """Return how many connections to the primaries are open."""
        return sum(server.open_connections for server in self._servers.values())

    def close(self) -> None:
        """Close every connection."""
        if self._reading is not None:
            self._reading.cancel()
        for server in self._servers.values():
            server.close()

    def _new_server(self, host: Host) -> Server:
        return Server(host_port(host), {**self._address.login, "host": host[0], "port": host[1]}, self._limits)

    def _server_at(self, host: Host) -> Server:
        server = self._servers.get(host)
        if server is None:
            server = self._servers[host] = self._new_server(host)
        return server

    async def _read_map_once(self) -> None:
        """Read the map again, once for all callers that wait.

        Raises ConnectionError or TimeoutError where no server answers.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_map(), name="map the cluster")
            self._reading.add_done_callback(self._map_read)
        await asyncio.shield(self._reading)

    def _map_read(self, _: asyncio.Task[None]) -> None:
        self._reading = None

    async def _read_map(self) -> None:
        hosts = {id(server): host for host, server in self._servers.items()}
        connected = [server for server in self._servers.values() if server.connection is not None]
        others = [server for server in self._servers.values() if server.connection is None]
        first_fault: Exception | None = None
        for server in chain(connected, others):
            try:
                connection = await server.connect()
                (answer,) = await connection.execute(pack(("CLUSTER SLOTS",)), 1)
            except (exceptions.ConnectionError, exceptions.TimeoutError) as fault:
                first_fault = first_fault or fault
                continue
            if isinstance(answer, Exception):
                raise answer
            self._apply_map(answer, hosts[id(server)][0])
            return
        raise first_fault or exceptions.ConnectionError("no server of the cluster is known")

    def _apply_map(self, ranges: Sequence[Any], answering_host: str) -> None:
        new_map: list[Server | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        used = set(self._address.hosts)
        for first, last, primary, *_ in ranges:
            # A server that does not know its own name has the name by which it was reached.
            host = ((primary[0] or b"").decode().replace("?", "") or answering_host, int(primary[1]))
            used.add(host)
            new_map[first : last + 1] = [self._server_at(host)] * (last + 1 - first)
        self._map = new_map
        self._in_doubt = False
        for host in [host for host in self._servers if host not in used]:
            self._servers.pop(host).close()
