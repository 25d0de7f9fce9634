"""A reader that blocks, on a connection of its own, wherever its key goes."""

from __future__ import annotations

from typing import Any

from redis import exceptions

from matcher.store.redis.failover import NOT_RUN, FailoverClient
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, packed


class BlockingReader:
    """Run commands that block."""

    def __init__(self, calls: FailoverClient, slot: int) -> None:
        self._calls = calls
        self._slot = slot
        self._wire: MultiplexedConnection | None = None

    async def run(self, command: tuple[Any, ...], longest_block_seconds: float) -> Any:
        """Run a command that may block for so long. Raises StoreUnavailable: nothing is sent again."""
        servers = self._calls.servers
        try:
            if self._wire is None:
                # The shared connection knows first when another server has taken over.
                await servers.open(self._slot)
                self._wire = await (await servers.find(self._slot)).reader(longest_block_seconds)
            (answer,) = await self._wire.ask(packed(command), 1)
        except (exceptions.RedisError, OSError) as fault:
            self.close()
            self._calls.tell(fault)
        if isinstance(answer, NOT_RUN):
            servers.refused(self._slot, answer)
            self.close()
        if isinstance(answer, Exception):
            self._calls.tell(answer)
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
