"""The registry of the live processes in the store: what each is, which schemas it reads, which library it calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import msgspec

from matcher.store import verbs
from matcher.store.keys import PROCESSES, SCHEMA
from matcher.store.redis import functions
from matcher.store.redis.client import StoreClient
from matcher.store.schema import NEWEST, OLDEST, check_schema

RENEW_SECONDS: Final = 2.0
"""How often a process writes that it lives."""
LIFETIME_MS: Final = 10_000
"""How long a process counts as live without that: four renewals may fail, or last through a failover."""


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which process it is, and which version of the program."""

    id: str
    version: str
    host: str
    pid: int
    started_ms: int
    """When it started, by its machine's clock."""


class LiveProcess(ProcessIdentity, frozen=True, kw_only=True):
    """A live process on the store, as it described itself last."""

    oldest: int
    newest: int
    """The oldest and the newest schema that it reads; 0: this version cannot read how it described itself."""
    writes: int
    library: str
    """The library whose verbs it calls."""
    connections: int
    """How many connections it has to the primaries."""


@dataclass(frozen=True, slots=True)
class LiveProcesses:
    """The live processes, by id, and the schema of the data; 0: it has none, because the store lost its data."""

    schema: int
    processes: tuple[LiveProcess, ...]

    @property
    def too_old(self) -> tuple[LiveProcess, ...]:
        """Return the processes that do not read the newest schema that this version reads."""
        return tuple(process for process in self.processes if process.newest < NEWEST)

    @property
    def all_write_newest(self) -> bool:
        """Return whether every process that can write the newest schema does so: a migration misses no record then."""
        return all(process.writes == NEWEST for process in self.processes if process.newest >= NEWEST)

    @property
    def libraries(self) -> frozenset[str]:
        """Return the libraries that live processes call."""
        return frozenset(process.library for process in self.processes)

    @property
    def connections(self) -> int:
        """Return how many connections to the store the live processes have together."""
        return sum(process.connections for process in self.processes)


class ProcessRegistry:
    """Register one process, and read which others live."""

    def __init__(self, connection: StoreClient) -> None:
        self._connection = connection

    async def renew(self, process: ProcessIdentity) -> LiveProcesses:
        """Write that this process lives, and write the schema of the data from now on.

        Raises StoreUnfit where an upgrade has left the process behind.
        """
        connection = self._connection
        described = LiveProcess(
            **msgspec.structs.asdict(process),
            oldest=OLDEST,
            newest=NEWEST,
            writes=connection.schema.writes,
            library=functions.library(),
            connections=connection.open_connections,
        )
        _, schema, flat = await connection.verb(
            verbs.Register(
                schema=SCHEMA,
                processes=PROCESSES,
                process_id=process.id,
                newest=NEWEST,
                record=msgspec.json.encode(described),
                lifetime_ms=LIFETIME_MS,
            )
        )
        if schema:
            connection.schema.set(schema)
        return LiveProcesses(int(schema or 0), _decoded(dict(zip(flat[::2], flat[1::2], strict=True))))

    async def live(self) -> LiveProcesses:
        """Read which processes live. Raises StoreUnfit where this version does not read the data."""
        schema, stored, (seconds, _) = await self._connection.pipeline(
            [("GET", SCHEMA), ("HGETALL", PROCESSES), ("TIME",)]
        )
        entries = {process: entry.split(b"|", 2) for process, entry in stored.items()}
        live = {process: record for process, (ends, _, record) in entries.items() if int(ends) > int(seconds) * 1000}
        return LiveProcesses(check_schema(self._connection.address, schema) if schema else 0, _decoded(live))

    async def leave(self, process: str) -> None:
        """Forget a process that ends."""
        await self._connection.run("HDEL", PROCESSES, process)

    async def raise_schema(self, *, force: bool = False) -> tuple[str, ...]:
        """Raise the schema of the data to the newest; return the ids of the live processes that stand against it.

        force: raise it also where a live process does not read it.
        """
        answer = await self._connection.verb(
            verbs.RaiseSchema(schema=SCHEMA, processes=PROCESSES, to=NEWEST, force=int(force))
        )
        if answer[0] == b"held":
            return tuple(answer[1].decode().split())
        self._connection.schema.set(answer[1])
        return ()


def program_version() -> str:
    """Return the version of this program, as it is installed."""
    try:
        return version("affinity-matcher")
    except PackageNotFoundError:
        return "unknown"


def _decoded(records: Mapping[bytes, bytes]) -> tuple[LiveProcess, ...]:
    return tuple(_process(process.decode(), record) for process, record in sorted(records.items()))


def _process(process: str, record: bytes) -> LiveProcess:
    try:
        return msgspec.json.decode(record, type=LiveProcess)
    except msgspec.MsgspecError:
        return LiveProcess(
            id=process,
            version="unknown",
            host="",
            pid=0,
            started_ms=0,
            oldest=0,
            newest=0,
            writes=0,
            library="",
            connections=0,
        )
