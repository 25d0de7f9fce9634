"""Places where a word may be left: the store's keys, files and slow log."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from tests.processes import Store
from tests.system.test_forgetting import keys_of
from tests.system.test_privacy import flat

SLOW_CALLS: Final = 1_000_000
"""More calls than any run makes: none falls out of the slow log."""


async def note_every_call(redis: Redis) -> None:
    """Let a store write every call into its slow log, and values into snapshots as they are."""
    await redis.config_set("slowlog-log-slower-than", 0)
    await redis.config_set("slowlog-max-len", SLOW_CALLS)
    await redis.config_set("rdbcompression", "no")


FILES: Final = {".aof": "append-only file", ".rdb": "snapshot", ".log": "log of the store"}


async def of_the_store(store: Store) -> dict[str, bytes]:
    """Return what a store holds: `key <kind>` for the keys of a kind with their values, its slow log, and its files."""
    async with store.client() as redis:
        places = {"slow log": b"\0".join(flat(await redis.slowlog_get(SLOW_CALLS)))}
        for key, parts in (await keys_of(redis)).items():
            kind = key.partition(b"}:")[2].partition(b":")[0] or key
            place = f"key {kind.decode()}"
            places[place] = b"\0".join([places.get(place, b""), key, *parts])
        await redis.save()
    for path in store.folder.rglob("*"):
        if path.is_file():
            place = FILES.get(path.suffix, "other files of the store")
            places[place] = b"\0".join([places.get(place, b""), path.read_bytes()])
    return places
