"""What changed: a snapshot of a site, then its two streams, without a gap.

Ids of a stream are 0-1, 0-2, …, so a reader that finds a number missing knows that it fell behind the trimmed part.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from matcher.errors import MatcherError
from matcher.model import Hold
from matcher.store.connection import Connection
from matcher.store.keys import Keys

BLOCK_MS = 2_000
BATCH = 1_000


class FellBehind(MatcherError):
    """The stream was trimmed past the reader, or begun anew: only a new snapshot helps."""

    reason = "INDEX_BEHIND"

    def __init__(self, site: str) -> None:
        super().__init__("the stream of changes has moved on", site=site)


@dataclass(frozen=True, slots=True)
class AgentChanged:
    """An agent was written (version > 0) or removed (version 0)."""

    agent: str
    version: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """A pool was written or removed."""

    pool: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SiteRemoved:
    """The site is gone."""


@dataclass(frozen=True, slots=True)
class SlotHeld:
    """A slot is held, or its deadline moved."""

    agent: str
    hold: Hold
    at_ms: int


@dataclass(frozen=True, slots=True)
class SlotFreed:
    """A slot is free again; idle_since_ms None: the agent's waiting time goes on."""

    agent: str
    reservation: str
    idle_since_ms: int | None
    at_ms: int


Change = AgentChanged | PoolChanged | SiteRemoved | SlotHeld | SlotFreed


@dataclass(frozen=True, slots=True)
class Position:
    """How far both streams have been read, and from which server process."""

    roster: int
    load: int
    server: str


def event_number(event: str) -> int:
    """Return the number of a stream id."""
    return int(event.partition("-")[2])


def decode_change(event: str) -> Change:
    """Return what an event says. Its forms are those that `tell` writes in lua/."""
    match event.split("|"):
        case ["hold", agent, reservation, channel, cost, deadline, at]:
            return SlotHeld(agent, Hold(reservation, channel, int(cost), int(deadline)), int(at))
        case ["free", agent, reservation, idle, at]:
            return SlotFreed(agent, reservation, int(idle) if idle else None, int(at))
        case ["agent", agent, version, at]:
            return AgentChanged(agent, int(version), int(at))
        case ["pool", pool, _, at]:
            return PoolChanged(pool, int(at))
        case ["site", *_]:
            return SiteRemoved()
        case other:
            raise ValueError(f"an event of an unknown kind: {other[0]}")


class Changes:
    """Read one site's streams on a connection of its own."""

    def __init__(self, connection: Connection, site: str) -> None:
        self._connection = connection
        self._site = site
        self._keys = Keys(site)
        self._client = connection.reader()
        self.reads = 0

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def end(self) -> Position:
        """Return where the streams end now: read it before a snapshot, and follow from it."""
        roster, load, info = await self._connection.pipeline(
            [
                ("XREVRANGE", self._keys.roster, "+", "-", "COUNT", 1),
                ("XREVRANGE", self._keys.load, "+", "-", "COUNT", 1),
                ("INFO", "server"),
            ]
        )
        return Position(_last_number(roster), _last_number(load), str(info["run_id"]))

    async def follow(self, position: Position) -> AsyncIterator[tuple[Position, list[Change]]]:
        """Yield what follows a position, batch by batch; an empty batch every 2 s without news.

        Raises FellBehind, or StoreUnavailable while the store is away.
        """
        last = {self._keys.roster: position.roster, self._keys.load: position.load}
        while True:
            async with self._connection.faults():
                self.reads += 1
                answer = await self._client.execute_command(  # type: ignore[no-untyped-call]
                    "XREAD",
                    "COUNT",
                    BATCH,
                    "BLOCK",
                    BLOCK_MS,
                    "STREAMS",
                    *last,
                    *(f"0-{number}" for number in last.values()),
                )
            changes: list[Change] = []
            for key, events in _streams(answer):
                for event, fields in events:
                    number = event_number(event.decode())
                    if number != last[key] + 1:
                        raise FellBehind(self._site)
                    last[key] = number
                    changes.append(decode_change(_payload(fields)))
            yield Position(last[self._keys.roster], last[self._keys.load], position.server), changes

    async def unbroken(self, position: Position) -> bool:
        """Tell whether the streams still continue from a position.

        They may not after a connection was lost (another server may have lost the last writes and gone on), nor
        after the site was removed and made anew.
        """
        end = await self.end()
        return end.server == position.server and end.roster >= position.roster and end.load >= position.load


def _last_number(events: Any) -> int:
    return event_number(events[0][0].decode()) if events else 0


def _streams(answer: Any) -> list[tuple[str, Sequence[Any]]]:
    """Return XREAD's streams in either of its shapes."""
    if not answer:
        return []
    pairs = answer.items() if isinstance(answer, dict) else answer
    return [(key.decode(), events[0] if _nested(events) else events) for key, events in pairs]


def _nested(events: Sequence[Any]) -> bool:
    return len(events) == 1 and isinstance(events[0], list)


def _payload(fields: Any) -> str:
    event: bytes = fields[b"e"] if isinstance(fields, dict) else fields[1]
    return event.decode()
