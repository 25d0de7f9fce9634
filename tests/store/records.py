"""Copy of a store's records as JSON and back, with every time relative to the instant of the copy.

Deadlines and lifetimes are absolute in the store: one day later all deadlines of a plain copy have passed. So the copy
holds the distance of each time from the instant of the copy, and a load counts it from the store's clock.

| in the store                                                       | in the copy                                  |
|--------------------------------------------------------------------|----------------------------------------------|
| milliseconds since 1970 in scores, fields, a contact's history, a  | `<t+1500>`, `<t-20>`: after, before the      |
| decision's record, a customer's record, the events of the streams  | instant                                      |
| the moment at which a key ends (PEXPIRETIME)                       | `ends`: milliseconds after the instant       |
| durations, counts, costs, the ids 0-1, 0-2, … of the streams       | unchanged: they are no moments               |
| microseconds since 1970: versions (so etags too) and fences        | unchanged: they are only compared with each  |
|                                                                    | other, and the next is at least one more     |
| digests of requests and of customers' handles, sealed texts,       | unchanged: made with m:secret, which is      |
| the digests before vectors                                         | among the keys, of bytes that hold no time   |

A value is its text, or {"base64": …} if its bytes are no text.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Redis: TypeAlias = Any
"""A Redis client whose answers are bytes; redis-py leaves its commands untyped."""
Json: TypeAlias = Any

MOMENT: Final = re.compile(r"(?<![\w.])\d{13}(?![\w.])")
"""Milliseconds since 1970, as a word of its own: thirteen digits until the year 2286."""
RELATIVE: Final = re.compile(r"<t([+-]\d+)>")
FAR_MS: Final = 400 * 86_400_000
"""No record names a moment further away: thirteen digits that are further away are no moment."""
FOREVER: Final = -1


async def clock_ms(redis: Redis) -> int:
    """Return the store's clock in milliseconds since 1970."""
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


def relative(text: str, instant_ms: int) -> str:
    """Return a text with every moment in it relative to an instant."""

    def replaced(found: re.Match[str]) -> str:
        distance = int(found[0]) - instant_ms
        return f"<t{distance:+d}>" if abs(distance) < FAR_MS else found[0]

    return MOMENT.sub(replaced, text)


def absolute(text: str, instant_ms: int) -> str:
    """Return a text with its relative moments counted from an instant."""
    return RELATIVE.sub(lambda found: str(instant_ms + int(found[1])), text)


async def copy_of(redis: Redis, instant_ms: int) -> dict[str, Json]:
    """Return every key of a store, with the times relative to an instant."""
    names = sorted([key async for key in redis.scan_iter(count=1000)])
    copied: dict[str, Json] = {}
    for name in names:
        kind = (await redis.type(name)).decode()
        ends = await redis.execute_command("PEXPIRETIME", name)
        value = await _READERS[kind](redis, name, lambda part: _written(part, instant_ms))
        if ends == FOREVER:
            copied[name.decode()] = {"type": kind, "value": value}
        else:
            copied[name.decode()] = {"type": kind, "ends": ends - instant_ms, "value": value}
    return copied


async def load(redis: Redis, copied: dict[str, Json], instant_ms: int) -> None:
    """Write the keys of a copy to an empty store, with the times counted from an instant."""
    assert await redis.dbsize() == 0, "the store holds something already"
    for name, kept in copied.items():
        await _WRITERS[kept["type"]](redis, name, kept["value"], lambda part: _read(part, instant_ms))
        if "ends" in kept:
            await redis.pexpireat(name, instant_ms + kept["ends"])


def _written(value: bytes, instant_ms: int) -> Json:
    try:
        return relative(value.decode(), instant_ms)
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _read(kept: Json, instant_ms: int) -> bytes:
    if isinstance(kept, str):
        return absolute(kept, instant_ms).encode()
    return base64.b64decode(kept["base64"])


Written: TypeAlias = Callable[[bytes], Json]
Read: TypeAlias = Callable[[Json], bytes]


async def _read_string(redis: Redis, name: bytes, written: Written) -> Json:
    return written(await redis.get(name))


async def _read_hash(redis: Redis, name: bytes, written: Written) -> Json:
    return {field.decode(): written(value) for field, value in sorted((await redis.hgetall(name)).items())}


async def _read_set(redis: Redis, name: bytes, written: Written) -> Json:
    return [written(member) for member in sorted(await redis.smembers(name))]


async def _read_zset(redis: Redis, name: bytes, written: Written) -> Json:
    scored = await redis.zrange(name, 0, -1, withscores=True)
    return [[written(member), written(f"{score:.17g}".encode())] for member, score in scored]


async def _read_stream(redis: Redis, name: bytes, written: Written) -> Json:
    events = [
        [event.decode(), {field.decode(): written(value) for field, value in said.items()}]
        for event, said in await redis.xrange(name)
    ]
    return {"last": (await redis.xinfo_stream(name))["last-generated-id"].decode(), "events": events}


async def _write_string(redis: Redis, name: str, kept: Json, read: Read) -> None:
    await redis.set(name, read(kept))


async def _write_hash(redis: Redis, name: str, kept: Json, read: Read) -> None:
    await redis.hset(name, mapping={field: read(value) for field, value in kept.items()})


async def _write_set(redis: Redis, name: str, kept: Json, read: Read) -> None:
    await redis.sadd(name, *map(read, kept))


async def _write_zset(redis: Redis, name: str, kept: Json, read: Read) -> None:
    await redis.zadd(name, {read(member): float(read(score)) for member, score in kept})


async def _write_stream(redis: Redis, name: str, kept: Json, read: Read) -> None:
    for event, said in kept["events"]:
        await redis.xadd(name, {field: read(value) for field, value in said.items()}, id=event)
    await redis.execute_command("XSETID", name, kept["last"])


_READERS: Final = {
    "string": _read_string,
    "hash": _read_hash,
    "set": _read_set,
    "zset": _read_zset,
    "stream": _read_stream,
}
_WRITERS: Final = {
    "string": _write_string,
    "hash": _write_hash,
    "set": _write_set,
    "zset": _write_zset,
    "stream": _write_stream,
}
