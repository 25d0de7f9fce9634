"""The client of the store: commands and verbs in one round trip each, checks of the servers, and their clocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from redis import exceptions
from redis.asyncio import Redis

from matcher.errors import SiteNotFound, StoreUnavailable, StoreUnfit
from matcher.model.resource_names import site_name
from matcher.store.clock import Clock
from matcher.store.keys import SCHEMA, SECRET, Keys, site_of
from matcher.store.redis import functions
from matcher.store.redis.address import StoreKind, parse_address
from matcher.store.redis.blocking_reader import BlockingReader
from matcher.store.redis.failover import NOT_RUN, UNAVAILABLE, FailoverClient, summary
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, pack
from matcher.store.redis.tls_files import TlsFiles
from matcher.store.redis.topology import ConnectionLimits, Server, Servers
from matcher.store.redis.verb_call import VerbCall
from matcher.store.schema import NEWEST, SchemaGate

LEAST_REDIS: Final = (7, 0)
START_SECONDS: Final = 10.0
"""How long a start waits for the store."""
MAX_CALLS: Final = 1024
PARSERS: Final = Redis(protocol=2).response_callbacks
"""redis-py's parser of the answer to each command."""
PROBE_SECONDS: Final = 0.25
"""A server that answered any call so recently needs no probe."""
NO_SITE: Final = b"no_site"
"""What the library answers in place of a verb, see lua/prelude.lua."""
CLOCK_SECONDS: Final = 2.0
"""How old a reading of a server's clock may be: two clocks drift apart by less than 1 ms in that time."""


class StoreClient:
    """Run commands and verbs on one store, count the round trips, and raise its faults as MatcherErrors."""

    def __init__(
        self,
        url: str,
        *,
        max_calls: int = MAX_CALLS,
        timeout_seconds: float = 5.0,
        on_round_trip: Callable[[str], None] = lambda _: None,
        on_answer: Callable[[str, float], None] = lambda _verb, _seconds: None,
    ) -> None:
        """Create the client of the store at a URL. Raises ValueError for a wrong URL.

        max_calls: how many calls may be in flight to one server; further calls wait.
        timeout_seconds: how long a server may leave all calls in flight unanswered.
        on_round_trip: called with the verb or command of every round trip.
        on_answer: called with the verb or command of a call, and the seconds until its answer or its failure.
        """
        address = parse_address(url)
        self.address = address.redacted
        self.schema = SchemaGate(address.redacted)
        self.round_trips = 0
        self.persistent = False
        """Whether every primary keeps an append-only file; set by `start`."""
        self._kind = address.kind
        self._tls_files = TlsFiles.of(address.login)
        self._failover = FailoverClient(address, ConnectionLimits(max_calls, timeout_seconds))
        self._servers = self._failover.servers
        self._on_round_trip = on_round_trip
        self._on_answer = on_answer
        self._fit: WeakSet[MultiplexedConnection] = WeakSet()
        """The connections to servers that are known to be fit for the data."""

    def blocking_reader(self, key: str) -> BlockingReader:
        """Return a reader with a connection of its own to the server that has a key, for commands that block."""
        return BlockingReader(self._failover, self._servers.hash_slot(("", key)))

    def of(self, site: str) -> Clock:
        """Return the clock that a site's deadlines are written by: the clock of its server."""
        return _SiteClock(self._servers, self._servers.hash_slot(("", Keys(site).due)))

    def server_of(self, site: str) -> str:
        """Return the name of the server that a site lies on, by the last reading of the topology; "": none is known."""
        server = self._servers.server(self._servers.hash_slot(("", Keys(site).due)))
        return "" if server is None else server.name

    async def close(self) -> None:
        """Close every connection."""
        self._servers.close()
        await asyncio.sleep(0)

    async def run(self, *command: Any, name: str = "") -> Any:
        """Run one command in one round trip; return its answer as redis-py parses it.

        name: what the round trip counts as; the command's own name by default.
        """
        return parse_answer(command, await self._run(command, name or command[0]))

    async def pipeline(self, commands: Sequence[tuple[Any, ...]], *, any_type: bool = False) -> list[Any]:
        """Run commands without a transaction, in one round trip to each server that has a key; answers in order.

        A command without a key goes to the server of the first command with a key.
        any_type: where a key has another type than a command reads, the answer is redis-py's ResponseError.
        """
        hash_slots = [self._servers.hash_slot(command) for command in commands]
        first = next((hash_slot for hash_slot in hash_slots if hash_slot is not None), None)
        parts: dict[int | None, list[int]] = {}
        for number, hash_slot in enumerate(hash_slots):
            parts.setdefault(first if hash_slot is None else hash_slot, []).append(number)
        answers: list[Any] = [None] * len(commands)

        async def execute(hash_slot: int | None, numbers: list[int]) -> None:
            part = [commands[number] for number in numbers]
            for number, answer in zip(numbers, await self._execute("pipeline", hash_slot, part), strict=True):
                answers[number] = answer

        await asyncio.gather(*(execute(hash_slot, numbers) for hash_slot, numbers in parts.items()))
        for answer in answers:
            if isinstance(answer, Exception) and not (any_type and str(answer).startswith("WRONGTYPE")):
                self._failover.raise_store_error(answer)
        return [
            answer if isinstance(answer, Exception) else parse_answer(command, answer)
            for command, answer in zip(commands, answers, strict=True)
        ]

    async def read_by_server(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands that only read, in one round trip to each server; answers in order, None for what failed.

        A pipeline makes a round trip for each hash slot, that is for each site of a cluster. What another server has to
        answer, because a hash slot has moved, is asked again alone.
        """
        parts: dict[str, tuple[int | None, list[int]]] = {}
        for number, command in enumerate(commands):
            hash_slot = self._servers.hash_slot(command)
            server = self._servers.server(hash_slot)
            parts.setdefault(server.name if server else "", (hash_slot, []))[1].append(number)
        answers: list[Any] = [None] * len(commands)

        async def execute(hash_slot: int | None, numbers: list[int]) -> None:
            self._count("pipeline")
            with suppress(StoreUnavailable):
                part = [commands[number] for number in numbers]
                found = await self._failover.execute_once(hash_slot, part)
                for number, command, answer in zip(numbers, part, found, strict=True):
                    if isinstance(answer, NOT_RUN):
                        answer = await self._run(command, command[0])  # noqa: PLW2901
                    answers[number] = None if isinstance(answer, Exception) else answer

        await asyncio.gather(*(execute(hash_slot, numbers) for hash_slot, numbers in parts.values()))
        return answers

    async def verb(self, call: VerbCall) -> list[Any]:
        """Run one verb of the library in one round trip; a store that lost the library gets it again.

        Raises SiteNotFound where the site does not exist or is being deleted; nothing is written then.
        """
        keys, args = call.packed()
        command = ("FCALL", functions.function(call.verb), len(keys), *keys, *args)
        try:
            answer: list[Any] = await self._run(command, call.verb)
        except exceptions.ResponseError as fault:
            if "Function not found" not in str(fault):
                raise
            await self.load_library()
            answer = await self._run(command, call.verb)
        if answer and answer[0] == NO_SITE:
            raise SiteNotFound(site_name(site_of(keys[0])))
        return answer

    async def load_library(self) -> None:
        """Load the verbs on every reachable primary that does not have them."""
        await self._run_everywhere("already exists", "FUNCTION LOAD", functions.code())

    async def unload_library(self, library: str) -> None:
        """Remove a library from every reachable primary that has it."""
        await self._run_everywhere("not found", "FUNCTION DELETE", library)

    async def libraries(self) -> set[str] | None:
        """Name the libraries of all versions on the reachable primaries; None where the user may not list them."""
        names = set[str]()
        for answer in (await self._run_on_primaries("FUNCTION LIST", "LIBRARYNAME", f"{functions.PREFIX}*")).values():
            if isinstance(answer, exceptions.NoPermissionError):
                return None
            if isinstance(answer, Exception):
                self._failover.raise_store_error(answer)
            names |= {dict(zip(entry[::2], entry[1::2], strict=True))[b"library_name"].decode() for entry in answer}
        return set(filter(functions.is_library, names))

    async def connected_clients(self) -> int:
        """Count the connections of all programs to the primaries. Raises StoreUnavailable where one is away."""
        clients = 0
        for answer in (await self._run_on_primaries("INFO", "clients", require_all=True)).values():
            if isinstance(answer, Exception):
                self._failover.raise_store_error(answer)
            clients += int(parse_answer(("INFO",), answer)["connected_clients"])
        return clients

    async def infos(self) -> dict[str, dict[str, Any]]:
        """Return what every primary says of itself. Raises StoreUnavailable where one is away."""
        infos = {}
        for server, answer in (await self._run_on_primaries("INFO", require_all=True)).items():
            if isinstance(answer, Exception):
                self._failover.raise_store_error(answer)
            infos[server.name] = parse_answer(("INFO",), answer)
        return infos

    @property
    def kind(self) -> StoreKind:
        """Return which kind of store the address names."""
        return self._kind

    @property
    def open_connections(self) -> int:
        """Return how many of these connections are this client's."""
        return self._servers.open_connections()

    async def start(self) -> None:
        """Wait up to 10 s for the store, check that every primary is fit for the data, and load the verbs.

        Raises StoreUnavailable, or StoreUnfit with the reason.
        """
        if wrong := await asyncio.to_thread(self._tls_files.fault):
            raise StoreUnfit(self.address, wrong)
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            try:
                answers = await self._run_on_primaries("INFO", require_all=True)
                break
            except StoreUnavailable as fault:
                if isinstance(fault.__cause__, exceptions.AuthenticationError):
                    raise StoreUnfit(self.address, fault.why) from fault
                if refusal := self._tls_files.refusal(fault.why):
                    raise StoreUnfit(self.address, refusal) from fault
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.2)
            except exceptions.ResponseError as fault:
                raise StoreUnfit(self.address, summary(fault)) from fault
        self.persistent = True
        for server, answer in answers.items():
            if isinstance(answer, Exception):
                raise StoreUnfit(server.name, summary(answer)) from answer
            info = parse_answer(("INFO",), answer)
            check_fit(server.name, info, self._kind)
            self.persistent &= bool(info.get("aof_enabled"))
        self.schema.set(await self._get_or_put(SCHEMA, str(NEWEST).encode()))
        await self.load_library()

    async def shared_secret(self, fresh: bytes) -> bytes:
        """Return the secret that every process on this store shares: the `fresh` of the first process that asked."""
        stored = await self._get_or_put(SECRET, fresh)
        return fresh if stored is None else stored

    async def _get_or_put(self, key: str, value: bytes) -> bytes | None:
        """Return the value of a key; where the key is missing, set it to `value` and return None."""
        stored = await self._run(("SET", key, value, "NX", "GET"), "SET")
        return stored if isinstance(stored, bytes) else None

    async def probe_primaries(self, silence_seconds: float) -> list[str]:
        """Check that every primary answers, and read the clocks that were not read for 2 s.

        A primary that answered a call within the last 0.25 s is not probed; one that was connected since, as after a
        failover, is checked for its fitness as at the start. Returns the primaries that do not answer while others do.
        Raises StoreUnfit, StoreUnavailable where no primary answers, or TimeoutError where all are silent.
        """
        try:
            async with asyncio.timeout(silence_seconds):
                primaries = await self._servers.primaries()
        except exceptions.RedisError as fault:
            raise StoreUnavailable(self.address, summary(fault)) from fault
        faults = dict(await asyncio.gather(*(self._probe(server, silence_seconds) for server in primaries)))
        away = {name: fault for name, fault in faults.items() if fault is not None}
        if len(away) < len(primaries):
            return sorted(away)
        if refused := [fault for fault in away.values() if not isinstance(fault, TimeoutError)]:
            self._failover.raise_store_error(refused[0])
        raise TimeoutError

    async def _probe(self, server: Server, silence_seconds: float) -> tuple[str, Exception | None]:
        connection, now = server.connection, asyncio.get_running_loop().time()
        answered = connection is not None and now - connection.answered_at < PROBE_SECONDS
        if not answered or time.monotonic() - server.clock.read_at > CLOCK_SECONDS:
            self._count("TIME")
            try:
                async with asyncio.timeout(silence_seconds):
                    await server.read_clock()
            except UNAVAILABLE as fault:
                return server.name, fault
        if (connection := server.connection) is not None and connection not in self._fit:
            self._count("INFO")
            try:
                async with asyncio.timeout(silence_seconds):
                    (answer,) = await connection.execute(pack(("INFO",)), 1)
            except UNAVAILABLE as fault:
                return server.name, fault
            if not isinstance(answer, Exception):
                check_fit(server.name, parse_answer(("INFO",), answer), self._kind)
                self._fit.add(connection)
        return server.name, None

    async def delete_matching(self, pattern: str) -> None:
        """Delete every key of one site that matches a glob, in steps of 1,000 keys so that other calls go on."""
        async for keys in self.scan(pattern):
            await self._run(("UNLINK", *keys), "UNLINK")

    async def keys_matching(self, pattern: str) -> AsyncIterator[str]:
        """Yield every key of one site that matches a glob; one that is there all the while is yielded at least once."""
        async for keys in self.scan(pattern):
            for key in keys:
                yield key.decode()

    async def scan(self, pattern: str) -> AsyncGenerator[list[bytes], None]:
        """Yield every key of one site that matches a glob, in lists: the keys among the next 1,000 of the server."""
        cursor = b"0"
        while True:
            cursor, keys = await self._run(("SCAN", cursor, "MATCH", pattern, "COUNT", 1000), "SCAN")
            if keys:
                yield keys
            if cursor == b"0":
                return

    async def _run(self, command: tuple[Any, ...], name: str) -> Any:
        (answer,) = await self._execute(name, self._servers.hash_slot(command), (command,))
        if isinstance(answer, Exception):
            self._failover.raise_store_error(answer)
        return answer

    async def _execute(self, name: str, hash_slot: int | None, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands of one hash slot in one round trip, which is counted and timed."""
        self._count(name)
        since = time.perf_counter()
        try:
            return await self._failover.execute(hash_slot, commands)
        finally:
            self._on_answer(name, time.perf_counter() - since)

    async def _run_on_primaries(self, *command: Any, require_all: bool = False) -> dict[Server, Any]:
        answers = await self._failover.execute_on_primaries(command, require_all=require_all)
        for _ in answers:
            self._count(command[0])
        return answers

    async def _run_everywhere(self, harmless: str, *command: Any) -> None:
        """Run a command on every reachable primary; an error whose text has `harmless` is none."""
        for answer in (await self._run_on_primaries(*command)).values():
            if isinstance(answer, exceptions.ResponseError) and harmless not in str(answer):
                self._failover.raise_store_error(answer)

    def _count(self, name: str) -> None:
        self.round_trips += 1
        self._on_round_trip(name)


def parse_answer(command: tuple[Any, ...], answer: Any) -> Any:
    """Return an answer as redis-py parses it."""
    parser = PARSERS.get(command[0])
    return answer if parser is None else parser(answer)


def check_fit(name: str, info: dict[str, Any], kind: StoreKind) -> None:
    """Raise StoreUnfit where a server is not fit for the data or is not of the kind that the address names."""
    mode = info.get("redis_mode", info.get("server_mode", "standalone"))
    if mode == "sentinel":
        raise StoreUnfit(name, "it is a Sentinel: use redis+sentinel://host,host/service to reach its primary")
    if info.get("cluster_enabled") and kind is not StoreKind.CLUSTER:
        raise StoreUnfit(name, "it is a server of a cluster: use redis+cluster://host,host to reach all of it")
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_REDIS:
        raise StoreUnfit(name, f"it is version {version}; 7.0 or later is needed")
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        raise StoreUnfit(name, f"maxmemory-policy is {info['maxmemory_policy']}; it must be noeviction")


class _SiteClock:
    """The clock of the server that has a site."""

    def __init__(self, servers: Servers, hash_slot: int | None) -> None:
        self._servers = servers
        self._hash_slot = hash_slot

    def now_ms(self) -> int:
        """Return milliseconds since 1970, by this machine's clock while the server is not known."""
        server = self._servers.server(self._hash_slot)
        return int(time.time() * 1000) if server is None else server.clock.now_ms()
