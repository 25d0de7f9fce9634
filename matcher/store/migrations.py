"""The migrations of the store: steps that rewrite old records once the new schema is written, each resumable.

A step goes through its records in parts and marks each part that is done, so that a process that is killed leaves the
rest to the next one. Two processes in one step do no harm: a part that is done twice is done once. Readers read old
records as long as this version reads the old schema, so no call waits for a migration.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from matcher.store.codecs import fields_of
from matcher.store.keys import MIGRATIONS, MODEL_NAMES, MODELS
from matcher.store.redis.client import StoreClient

DONE: Final = "|done"
"""Marks a migration that is over; no part has such a name."""

Mark: TypeAlias = Callable[[str], Awaitable[None]]
"""Is called with the name of each part that is done."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A step by which old records become records of a schema.

    run: takes the store, the last part that is done ("": none), and the function that marks a part.
    """

    name: str
    schema: int
    run: Callable[[StoreClient, str, Mark], Awaitable[None]]


async def migrate(connection: StoreClient, steps: Sequence[Migration]) -> list[str]:
    """Run the steps that are not over, each from where it stopped; return the names of those that ended now.

    A step of a schema that is not written yet waits.
    """
    ended = []
    marks = {name: mark.decode() for name, mark in fields_of(await connection.run("HGETALL", MIGRATIONS)).items()}
    for step in steps:
        last = marks.get(step.name, "")
        if step.schema > connection.schema.writes or last == DONE:
            continue

        async def mark(part: str, name: str = step.name) -> None:
            await connection.run("HSET", MIGRATIONS, name, part)

        await step.run(connection, last, mark)
        await mark(DONE)
        ended.append(step.name)
    return ended


async def _name_models(connection: StoreClient, after: str, mark: Mark) -> None:
    """Move the fingerprints of m:models, which schema 2 does not have, to m:model-names."""
    for member in await connection.run("ZRANGE", MODELS, 0, -1):
        if (fingerprint := member.decode()) > after:
            await connection.run("HSETNX", MODEL_NAMES, fingerprint, "")
            await mark(fingerprint)
    await connection.run("UNLINK", MODELS)


STEPS: Final = (Migration("models", 2, _name_models),)
"""The migrations of this version, in their order."""
