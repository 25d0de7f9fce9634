"""The connection to the store: one round trip a verb, whichever server has its site; checks at the start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis import exceptions
from redis.asyncio import Redis

from matcher.errors import StoreUnavailable, StoreUnfit
from matcher.store.clock import Clock
from matcher.store.keys import SCHEMA, SCHEMA_VERSION, SECRET, Keys
from matcher.store.redis import functions
from matcher.store.redis.address import StoreKind, parse_address
from matcher.store.redis.blocking_reader import BlockingReader
from matcher.store.redis.failover import AWAY, FailoverClient, short
from matcher.store.redis.topology import ANY_SLOT, Server, Servers, WireLimits

LEAST_REDIS: Final = (7, 0)
START_PATIENCE_SECONDS: Final = 10.0
MOST_CALLS: Final = 1024
SHAPES: Final = Redis(protocol=2).response_callbacks
"""How redis-py shapes the answer to a command."""
HEARD_SECONDS: Final = 0.25
"""A server that answered anything so recently need not be asked whether it answers."""
CLOCK_SECONDS: Final = 2.0
"""How old a reading of a server's clock may be: two clocks part by less than 1 ms in that time."""


class StoreClient:
    """Speak to one store; count the calls; turn its faults into MatcherErrors."""

    def __init__(
        self,
        url: str,
        *,
        most_calls: int = MOST_CALLS,
        timeout_seconds: float = 5.0,
        observe: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the store's URL. Raises ValueError where it is none.

        most_calls: how many may be under way to one server; more wait.
        timeout_seconds: how long a server may leave all of them unanswered.
        observe: is told the verb or command of every round trip.
        """
        address = parse_address(url)
        self.address = address.shown
        self.round_trips = 0
        self.persistent = False
        """Whether every primary keeps an append-only file; known after the start."""
        self._kind = address.kind
        self._calls = FailoverClient(address, WireLimits(most_calls, timeout_seconds))
        self._servers = self._calls.servers
        self._observe = observe

    def reader(self, key: str) -> BlockingReader:
        """Return a connection of its own to whichever server has a key, for commands that block."""
        return BlockingReader(self._calls, self._servers.slot_of(("", key)))

    def of(self, site: str) -> Clock:
        """Return the clock that a site's deadlines are written by: its server's."""
        return _SiteClock(self._servers, self._servers.slot_of(("", Keys(site).due)))

    async def close(self) -> None:
        """Close every connection."""
        self._servers.close()
        await asyncio.sleep(0)

    async def run(self, *command: Any, name: str = "") -> Any:
        """Run one command: one round trip. The answer has the shape redis-py gives it."""
        return shaped(command, await self._run(command, name or command[0]))

    async def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands without a transaction, in one round trip to each server that has a key; answers in order.

        A command without a key goes where the first one with a key goes.
        """
        slots = [self._servers.slot_of(command) for command in commands]
        keyed = next((slot for slot in slots if slot != ANY_SLOT), ANY_SLOT)
        parts: dict[int, list[int]] = {}
        for number, slot in enumerate(slots):
            parts.setdefault(slot if slot != ANY_SLOT else keyed, []).append(number)
        answers: list[Any] = [None] * len(commands)

        async def ask(slot: int, numbers: list[int]) -> None:
            self._count("pipeline")
            asked = [commands[number] for number in numbers]
            for number, answer in zip(numbers, await self._calls.ask(slot, asked), strict=True):
                answers[number] = answer

        await asyncio.gather(*(ask(slot, numbers) for slot, numbers in parts.items()))
        for answer in answers:
            if isinstance(answer, Exception):
                self._calls.tell(answer)
        return [shaped(command, answer) for command, answer in zip(commands, answers, strict=True)]

    async def verb(self, verb: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> list[Any]:
        """Run one verb of the library: one round trip; a store that lost the library gets it again."""
        call = ("FCALL", functions.function(verb), len(keys), *keys, *args)
        try:
            answer: list[Any] = await self._run(call, verb)
        except exceptions.ResponseError as fault:
            if "Function not found" not in str(fault):
                raise
            await self.load_library()
            answer = await self._run(call, verb)
        return answer

    async def load_library(self) -> None:
        """Load the verbs on every primary there is; one that has them keeps them."""
        for answer in (await self._everywhere("FUNCTION LOAD", functions.code())).values():
            if isinstance(answer, exceptions.ResponseError) and "already exists" not in str(answer):
                self._calls.tell(answer)

    async def start(self) -> None:
        """Wait up to 10 s for the store, check that every primary can be trusted, and load the verbs.

        Raises StoreUnavailable, or StoreUnfit with the reason.
        """
        deadline = asyncio.get_running_loop().time() + START_PATIENCE_SECONDS
        while True:
            try:
                said = await self._everywhere("INFO", whole=True)
                break
            except StoreUnavailable as fault:
                if isinstance(fault.__cause__, exceptions.AuthenticationError):
                    raise StoreUnfit(self.address, fault.why) from fault
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.2)
            except exceptions.ResponseError as fault:
                raise StoreUnfit(self.address, short(fault)) from fault
        self.persistent = True
        for server, answer in said.items():
            if isinstance(answer, Exception):
                raise StoreUnfit(server.shown, short(answer)) from answer
            info = shaped(("INFO",), answer)
            check_fit(server.shown, info, self._kind)
            self.persistent &= bool(info.get("aof_enabled"))
        schema = await self._found_or_put(SCHEMA, SCHEMA_VERSION.encode())
        if schema is not None and schema != SCHEMA_VERSION.encode():
            raise StoreUnfit(self.address, f"its data has schema {schema!r}; this version knows {SCHEMA_VERSION}")
        await self.load_library()

    async def shared_secret(self, fresh: bytes) -> bytes:
        """Return the secret that every replica of this store shares; the first one's `fresh` becomes it."""
        kept = await self._found_or_put(SECRET, fresh)
        return fresh if kept is None else kept

    async def _found_or_put(self, key: str, value: bytes) -> bytes | None:
        """Return what a key holds; where there is nothing, put a value there and return None."""
        found = await self._run(("SET", key, value, "NX", "GET"), "SET")
        return found if isinstance(found, bytes) else None

    async def time_ms(self, site: str = "") -> int:
        """Return the clock of a site's server in milliseconds since 1970."""
        slot = self._servers.slot_of(("", Keys(site).due)) if site else ANY_SLOT
        self._count("TIME")
        (answer,) = await self._calls.ask(slot, [("TIME",)])
        if isinstance(answer, Exception):
            self._calls.tell(answer)
        seconds, micros = answer
        return int(seconds) * 1000 + int(micros) // 1000

    async def look(self, silence_seconds: float) -> list[str]:
        """Ask every primary that has said nothing lately whether it answers, and read their clocks now and then.

        Returns those that do not answer while others do. Raises StoreUnavailable where none does, TimeoutError where
        they all stay silent.
        """
        try:
            async with asyncio.timeout(silence_seconds):
                primaries = await self._servers.primaries()
        except exceptions.RedisError as fault:
            raise StoreUnavailable(self.address, short(fault)) from fault
        faults = dict(await asyncio.gather(*(self._look_at(server, silence_seconds) for server in primaries)))
        away = {shown: fault for shown, fault in faults.items() if fault is not None}
        if len(away) < len(primaries):
            return sorted(away)
        if refused := [fault for fault in away.values() if not isinstance(fault, TimeoutError)]:
            self._calls.tell(refused[0])
        raise TimeoutError

    async def _look_at(self, server: Server, silence_seconds: float) -> tuple[str, Exception | None]:
        wire = server.wire
        heard = wire is not None and asyncio.get_running_loop().time() - wire.heard_at < HEARD_SECONDS
        if not heard or time.monotonic() - server.clock.read_at > CLOCK_SECONDS:
            self._count("TIME")
            try:
                async with asyncio.timeout(silence_seconds):
                    await server.read_clock()
            except AWAY as fault:
                return server.shown, fault
        return server.shown, None

    async def delete_matching(self, pattern: str) -> None:
        """Delete every key of one site that matches a glob, in steps that block nobody."""
        cursor = b"0"
        while True:
            cursor, keys = await self._run(("SCAN", cursor, "MATCH", pattern, "COUNT", 1000), "SCAN")
            if keys:
                await self._run(("UNLINK", *keys), "UNLINK")
            if cursor == b"0":
                return

    async def _run(self, command: tuple[Any, ...], name: str) -> Any:
        self._count(name)
        (answer,) = await self._calls.ask(self._servers.slot_of(command), (command,))
        if isinstance(answer, Exception):
            self._calls.tell(answer)
        return answer

    async def _everywhere(self, *command: Any, whole: bool = False) -> dict[Server, Any]:
        answers = await self._calls.everywhere(command, whole=whole)
        for _ in answers:
            self._count(command[0])
        return answers

    def _count(self, name: str) -> None:
        self.round_trips += 1
        self._observe(name)


def shaped(command: tuple[Any, ...], answer: Any) -> Any:
    """Return an answer in the shape that redis-py gives it."""
    shape = SHAPES.get(command[0])
    return answer if shape is None else shape(answer)


def check_fit(shown: str, info: dict[str, Any], kind: StoreKind) -> None:
    """Raise StoreUnfit where a server cannot be trusted with data, or is none of the kind that the address names."""
    mode = info.get("redis_mode", info.get("server_mode", "standalone"))
    if mode == "sentinel":
        raise StoreUnfit(shown, "it is a Sentinel: redis+sentinel://host,host/service reaches what it watches")
    if info.get("cluster_enabled") and kind is not StoreKind.CLUSTER:
        raise StoreUnfit(shown, "it is one of a cluster: redis+cluster://host,host reaches all of it")
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_REDIS:
        raise StoreUnfit(shown, f"it is version {version}; 7.0 is the least")
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        raise StoreUnfit(shown, f"maxmemory-policy is {info['maxmemory_policy']}; it must be noeviction")


class _SiteClock:
    """Is the clock of whichever server a site lies on."""

    def __init__(self, servers: Servers, slot: int) -> None:
        self._servers = servers
        self._slot = slot

    def now_ms(self) -> int:
        """Return milliseconds since 1970; by this machine's clock while the server is not known."""
        server = self._servers.server(self._slot)
        return int(time.time() * 1000) if server is None else server.clock.now_ms()
