"""The servers of a cluster: 16384 slots, each with one primary, and a map of them that is drawn anew when in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from redis import exceptions
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from matcher.store.redis.address import Host, StoreAddress, shown_host
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, packed
from matcher.store.redis.topology import ANY_SLOT, Server, WireLimits

OURS: Final = "m:"
"""How every key of the store begins; no word before a command's first key does."""


class ClusterServers:
    """Send each command to the primary that has its key."""

    def __init__(self, address: StoreAddress, limits: WireLimits) -> None:
        self._address = address
        self._limits = limits
        self._servers: dict[Host, Server] = {host: self._server_at(host) for host in address.hosts}
        self._slots: list[Server | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._doubted = True
        self._drawing: asyncio.Task[None] | None = None

    def slot_of(self, command: Sequence[Any]) -> int:
        """Return the slot of a command's first key; ANY_SLOT for a command without one."""
        for word in command[1:]:
            if isinstance(word, str) and word.startswith(OURS):
                return key_slot(word.encode())
            if isinstance(word, bytes) and word.startswith(OURS.encode()):
                return key_slot(word)
        return ANY_SLOT

    def server(self, slot: int) -> Server | None:
        """Return the server that has a slot by the map."""
        return self._slots[slot]

    async def find(self, slot: int) -> Server:
        """Return the server that has a slot. Raises ClusterDownError where nobody does."""
        if self._doubted or self._slots[slot] is None:
            await self._draw()
        server = self._slots[slot]
        if server is None:
            raise exceptions.ClusterDownError("the cluster has slots that no server serves")
        return server

    async def open(self, slot: int) -> MultiplexedConnection:
        """Return an open wire to the server that has a slot; one that cannot be reached puts the map in doubt."""
        server = await self.find(slot)
        try:
            return await server.open()
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            self._doubted = True
            raise

    async def primaries(self, *, whole: bool = False) -> Sequence[Server]:
        """Return every primary. Raises ClusterDownError where no slot has one, `whole`: where a slot has none."""
        if self._doubted:
            await self._draw()
        if None in self._slots and (whole or not any(self._slots)):
            raise exceptions.ClusterDownError("the cluster has slots that no server serves")
        return tuple(dict.fromkeys(server for server in self._slots if server is not None))

    def refused(self, slot: int, refusal: exceptions.ResponseError | exceptions.ConnectionError) -> None:
        """Follow a slot that has moved; the rest of the map is in doubt then."""
        self._doubted = True
        if isinstance(refusal, exceptions.MovedError) and refusal.host:
            self._slots[slot] = self._server((refusal.host, refusal.port))

    async def taker(self, redirection: exceptions.AskError) -> MultiplexedConnection:
        """Return a wire to the server that takes a slot over."""
        return await self._server((redirection.host, redirection.port)).open()

    def close(self) -> None:
        """Close every wire."""
        if self._drawing is not None:
            self._drawing.cancel()
        for server in self._servers.values():
            server.close()

    def _server_at(self, host: Host) -> Server:
        return Server(shown_host(host), {**self._address.login, "host": host[0], "port": host[1]}, self._limits)

    def _server(self, host: Host) -> Server:
        server = self._servers.get(host)
        if server is None:
            server = self._servers[host] = self._server_at(host)
        return server

    async def _draw(self) -> None:
        """Draw the map anew, once for all who wait. Raises ConnectionError or TimeoutError where nobody tells."""
        if self._drawing is None:
            self._drawing = asyncio.create_task(self._drawn(), name="map the cluster")
            self._drawing.add_done_callback(self._drawn_once)
        await asyncio.shield(self._drawing)

    def _drawn_once(self, _: asyncio.Task[None]) -> None:
        self._drawing = None

    async def _drawn(self) -> None:
        known = {id(server): host for host, server in self._servers.items()}
        connected = [server for server in self._servers.values() if server.wire is not None]
        others = [server for server in self._servers.values() if server.wire is None]
        fault: Exception | None = None
        for server in chain(connected, others):
            try:
                wire = await server.open()
                (answer,) = await wire.ask(packed(("CLUSTER SLOTS",)), 1)
            except (exceptions.ConnectionError, exceptions.TimeoutError) as failed:
                fault = fault or failed
                continue
            if isinstance(answer, Exception):
                raise answer
            self._take(answer, known[id(server)][0])
            return
        raise fault or exceptions.ConnectionError("no server of the cluster is known")

    def _take(self, ranges: Sequence[Any], asked: str) -> None:
        slots: list[Server | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        used = set(self._address.hosts)
        for first, last, primary, *_ in ranges:
            # A server that does not know its own name is where it was asked.
            host = ((primary[0] or b"").decode().replace("?", "") or asked, int(primary[1]))
            used.add(host)
            slots[first : last + 1] = [self._server(host)] * (last + 1 - first)
        self._slots = slots
        self._doubted = False
        for host in [host for host in self._servers if host not in used]:
            self._servers.pop(host).close()
