"""A reader for blocking commands, on a connection of its own to the server that has its key."""

from __future__ import annotations

from typing import Any

from redis import exceptions

from matcher.store.redis.failover import NOT_RUN, FailoverClient
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, pack


class BlockingReader:
    """Run commands that block, on the server of a hash slot."""

    def __init__(self, failover: FailoverClient, hash_slot: int | None) -> None:
        self._failover = failover
        self._hash_slot = hash_slot
        self._connection: MultiplexedConnection | None = None

    async def run(self, command: tuple[Any, ...], longest_block_seconds: float) -> Any:
        """Run a command that may block for the given time. Raises StoreUnavailable: nothing is sent again."""
        servers = self._failover.servers
        try:
            if self._connection is None:
                # The shared connection is the first to notice that another server has taken over.
                await servers.connect(self._hash_slot)
                server = await servers.find(self._hash_slot)
                self._connection = await server.open_reader(longest_block_seconds)
            (answer,) = await self._connection.execute(pack(command), 1)
        except (exceptions.RedisError, OSError) as fault:
            self.close()
            self._failover.raise_store_error(fault)
        if isinstance(answer, NOT_RUN):
            servers.apply_refusal(self._hash_slot, answer)
            self.close()
        if isinstance(answer, Exception):
            self._failover.raise_store_error(answer)
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
