"""Examination of a store: reads what it is and what it holds, and writes nothing into it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from matcher.store.keyring.key_record import KeyRecord, KeyRegistry
from matcher.store.keys import SITES
from matcher.store.processes import LiveProcess, ProcessRegistry
from matcher.store.redis.client import StoreClient, check_fit

TRIES: Final = 5
INFO_FIELDS: Final = (
    "redis_version",
    "valkey_version",
    "server_name",
    "redis_mode",
    "server_mode",
    "os",
    "uptime_in_seconds",
    "connected_clients",
    "blocked_clients",
    "used_memory",
    "maxmemory",
    "maxmemory_policy",
    "mem_fragmentation_ratio",
    "aof_enabled",
    "aof_last_write_status",
    "aof_last_bgrewrite_status",
    "aof_current_size",
    "rdb_last_bgsave_status",
    "loading",
    "role",
    "connected_slaves",
    "rejected_connections",
    "evicted_keys",
    "expired_keys",
    "instantaneous_ops_per_sec",
    "total_commands_processed",
    "used_cpu_sys",
    "used_cpu_user",
)
"""What is taken of INFO: figures of the server, and nothing that a caller has sent."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the primaries of a store say of themselves and of the data."""

    servers: dict[str, dict[str, Any]]
    """By primary: the fields of INFO_FIELDS that it has."""
    keys: int
    """Keys of all kinds on the primaries."""
    sites: int
    schema: int
    """The schema of the data; 0: there is none yet."""
    processes: tuple[LiveProcess, ...]
    record: KeyRecord
    """Which secret keys the records were made with, by their fingerprints."""
    ahead_seconds: float
    """How far the store's clock is ahead of this machine's."""
    round_trip_seconds: float
    """The shortest of some round trips."""


async def examine(client: StoreClient) -> StoreFacts:
    """Read what a store is; the client need not be started.

    Raises StoreUnavailable where it does not answer, and StoreUnfit where it is another kind of server than its address
    says, evicts, is too old, or holds data that this version does not read.
    """
    infos = await client.infos()
    for name, info in infos.items():
        check_fit(name, info, client.kind)
    live = await ProcessRegistry(client).live()
    record = await KeyRegistry(client).read()
    sites = await client.run("ZCARD", SITES)
    ahead, round_trip = await _clock(client)
    return StoreFacts(
        servers={name: {said: info[said] for said in INFO_FIELDS if said in info} for name, info in infos.items()},
        keys=sum(_keys(info) for info in infos.values()),
        sites=int(sites),
        schema=live.schema,
        processes=live.processes,
        record=record,
        ahead_seconds=ahead,
        round_trip_seconds=round_trip,
    )


async def _clock(client: StoreClient) -> tuple[float, float]:
    """Return how far the store's clock is ahead, and a round trip's time, both by the quickest of some readings."""
    readings = []
    for _ in range(TRIES):
        since, before = time.perf_counter(), time.time()
        seconds, micros = await client.run("TIME")
        taken = time.perf_counter() - since
        readings.append((taken, int(seconds) + int(micros) / 1e6 - before - taken / 2))
    taken, ahead = min(readings)
    return ahead, taken


def _keys(info: dict[str, Any]) -> int:
    return sum(value["keys"] for name, value in info.items() if name.startswith("db") and isinstance(value, dict))


def is_new(facts: StoreFacts) -> bool:
    """Return whether the store holds nothing of this service."""
    return not facts.schema and not facts.sites
