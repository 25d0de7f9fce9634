"""The connection to the store: retries in so many words, faults as our errors, checks at the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from matcher.errors import StoreFull, StoreUnavailable, StoreUnfit
from matcher.store import library
from matcher.store.keys import SCHEMA, SCHEMA_VERSION, SECRET
from matcher.store.packing import packing_in_c

LEAST_REDIS: Final = (7, 0)
START_PATIENCE_SECONDS: Final = 10.0
RETRIES: Final = 2
"""Every verb may run again: it finds what the first run wrote."""


def address_of(url: str) -> str:
    """Return a store's URL without its user and password."""
    parts = urlsplit(url)
    where = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{where}{port}{parts.path}"


class Connection:
    """Speak to one store; count the calls; turn its faults into MatcherErrors."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 32,
        timeout_seconds: float = 5.0,
        observe: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the store's URL; `observe` is told the verb or command of every round trip."""
        self.address = address_of(url)
        self._url = url
        self._timeout = timeout_seconds
        self._client = self._open(connections, timeout_seconds)
        self._observe = observe
        self.round_trips = 0

    def _open(self, connections: int, socket_timeout: float | None) -> Redis:
        pool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=connections,
            timeout=self._timeout,
            socket_timeout=socket_timeout,
            socket_connect_timeout=self._timeout,
            # A store that is slow is not asked again: it would get more work the slower it is.
            retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES, (exceptions.ConnectionError,)),
        )
        pool.connection_class = packing_in_c(pool.connection_class)
        return Redis(connection_pool=pool)

    def reader(self) -> Redis:
        """Return a client of its own, without a socket timeout, for a reader that blocks."""
        return self._open(1, None)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    @asynccontextmanager
    async def faults(self) -> AsyncIterator[None]:
        """Turn what redis-py raises into StoreUnavailable or StoreFull."""
        try:
            yield
        except exceptions.OutOfMemoryError as fault:
            raise StoreFull from fault
        except (
            exceptions.ConnectionError,
            exceptions.TimeoutError,
            exceptions.ReadOnlyError,
            OSError,
        ) as fault:
            raise StoreUnavailable(self.address, _short(fault)) from fault
        except exceptions.ResponseError as fault:
            if str(fault).startswith("OOM"):
                raise StoreFull from fault
            if str(fault).startswith(("MISCONF", "LOADING", "CLUSTERDOWN", "NOREPLICAS", "MASTERDOWN")):
                raise StoreUnavailable(self.address, _short(fault)) from fault
            raise

    async def run(self, *command: Any, name: str = "") -> Any:
        """Run one command: one round trip. The answer has the shape redis-py gives it."""
        self._count(name or command[0])
        async with self.faults():
            return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands in one round trip, without a transaction; answers in order."""
        if not commands:
            return []
        self._count("pipeline")
        async with self.faults():
            pipe = self._client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute()

    async def verb(self, verb: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> list[Any]:
        """Run one verb of the library: one round trip; a store that lost the library gets it again."""
        call = ("FCALL", library.function(verb), len(keys), *keys, *args)
        try:
            answer: list[Any] = await self.run(*call, name=verb)
        except exceptions.ResponseError as fault:
            if "Function not found" not in str(fault):
                raise
            await self.load_library()
            answer = await self.run(*call, name=verb)
        return answer

    def _count(self, name: str) -> None:
        self.round_trips += 1
        self._observe(name)

    async def load_library(self) -> None:
        """Load the verbs; a store that has them keeps them."""
        try:
            await self.run("FUNCTION LOAD", library.code())
        except exceptions.ResponseError as fault:
            if "already exists" not in str(fault):
                raise

    async def start(self) -> None:
        """Wait up to 10 s for the store, check that it can be trusted, and load the verbs.

        Raises StoreUnavailable, or StoreUnfit with the reason.
        """
        deadline = asyncio.get_running_loop().time() + START_PATIENCE_SECONDS
        while True:
            try:
                info = await self.run("INFO")
                break
            except StoreUnavailable:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.2)
            except exceptions.AuthenticationError as fault:
                raise StoreUnfit(self.address, _short(fault)) from fault
        version = str(info["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < LEAST_REDIS:
            raise StoreUnfit(self.address, f"it is version {version}; 7.0 is the least")
        if info.get("maxmemory_policy", "noeviction") != "noeviction":
            raise StoreUnfit(self.address, f"maxmemory-policy is {info['maxmemory_policy']}; it must be noeviction")
        schema = await self._found_or_put(SCHEMA, SCHEMA_VERSION.encode())
        if schema is not None and schema != SCHEMA_VERSION.encode():
            raise StoreUnfit(self.address, f"its data has schema {schema!r}; this version knows {SCHEMA_VERSION}")
        self.persistent = bool(info.get("aof_enabled"))
        await self.load_library()

    async def shared_secret(self, fresh: bytes) -> bytes:
        """Return the secret that every replica of this store shares; the first one's `fresh` becomes it."""
        kept = await self._found_or_put(SECRET, fresh)
        return fresh if kept is None else kept

    async def _found_or_put(self, key: str, value: bytes) -> bytes | None:
        """Return what a key holds; where there is nothing, put a value there and return None."""
        self.round_trips += 1
        async with self.faults():
            # Not by `run`: redis-py reads the answer of SET as a yes or no, unless its own `set` was asked for `get`.
            found = await self._client.set(key, value, nx=True, get=True)
        return found if isinstance(found, bytes) else None

    async def time_ms(self) -> int:
        """Return the store's clock in milliseconds since 1970."""
        seconds, micros = await self.run("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def delete_matching(self, pattern: str) -> None:
        """Delete every key that matches a glob, in steps that block nobody."""
        async with self.faults():
            batch: list[bytes] = []
            async for key in self._client.scan_iter(pattern, count=1000):
                batch.append(key)
                if len(batch) == 1000:
                    await self._client.unlink(*batch)
                    batch.clear()
            if batch:
                await self._client.unlink(*batch)

    async def answers(self) -> bool:
        """Tell whether the store answers now."""
        try:
            await self.run("PING")
        except StoreUnavailable:
            return False
        return True


def _short(fault: Exception) -> str:
    return str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__
