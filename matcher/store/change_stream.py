"""The two change streams of a site, read from a position without a gap.

The ids of a stream are 0-1, 0-2, …, so a reader that finds a number missing knows that the stream was trimmed past it.
A follower reads the end of the streams, then a snapshot of the site, and then follows from that end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from matcher.errors import MatcherError
from matcher.model import ContactEvent, Hold
from matcher.model.lifecycle import Cause, ContactState
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient

log = structlog.get_logger(__name__)

BLOCK_MS = 2_000
BATCH = 1_000


class FellBehind(MatcherError):
    """The stream was trimmed past the reader or started again: the reader needs a new snapshot."""

    reason = "INDEX_BEHIND"

    def __init__(self, site: str) -> None:
        super().__init__("the stream of changes was trimmed past this reader", site=site)


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


class HoldAdded(msgspec.Struct, frozen=True):
    """A reservation holds capacity of an agent, or its deadline moved."""

    agent: str
    hold: Hold
    at_ms: int


class HoldRemoved(msgspec.Struct, frozen=True):
    """A hold was released; idle_since_ms None: the agent's idle time continues."""

    agent: str
    reservation: str
    idle_since_ms: int | None
    at_ms: int


class ContactStepped(msgspec.Struct, frozen=True):
    """A contact entered a state; score: its place in the queue, None where the contact does not wait."""

    event: ContactEvent
    score: int | None


@dataclass(frozen=True, slots=True)
class PlaceRepaired:
    """The audit put a contact at its place in the queue, or took a contact out that does not wait (score None)."""

    contact: str
    pool: str
    score: int | None


@dataclass(frozen=True, slots=True)
class TimerSet:
    """A heartbeat is due, perhaps earlier than every timer known so far."""

    due_ms: int


class PraiseGiven(msgspec.Struct, frozen=True):
    """A customer's words about an agent were recorded; number: of that praise."""

    agent: str
    number: int


Change = (
    AgentChanged
    | PoolChanged
    | SiteRemoved
    | HoldAdded
    | HoldRemoved
    | ContactStepped
    | PlaceRepaired
    | TimerSet
    | PraiseGiven
)


@dataclass(frozen=True, slots=True)
class Position:
    """The last event read of both streams, and what they were read from.

    server: the server process (its run_id). life: the uid of the site's life; "": the site is gone, or being deleted.
    """

    roster: int
    load: int
    server: str
    life: str


def event_number(event: str) -> int:
    """Return the number of a stream id."""
    return int(event.partition("-")[2])


def decode_change(event: str, number: int = 0) -> Change:
    """Return the change in an event; number: its place in the stream. The verbs in lua/ write the events.

    Raises ValueError for an event of an unknown kind, which a later version of the service may write.
    """
    kind, *fields = event.split("|")
    decode = _DECODERS.get(kind)
    if decode is None:
        raise ValueError(f"an event of an unknown kind: {kind}")
    return decode(fields, number)


def _hold_added(fields: Sequence[str], _number: int) -> HoldAdded:
    agent, reservation, channel, cost, deadline, at = fields
    return HoldAdded(agent, Hold(reservation, channel, int(cost), int(deadline)), int(at))


def _hold_removed(fields: Sequence[str], _number: int) -> HoldRemoved:
    agent, reservation, idle, at = fields
    return HoldRemoved(agent, reservation, int(idle) if idle else None, int(at))


def _contact_stepped(fields: Sequence[str], number: int) -> ContactStepped:
    contact, pool, sequence, state, cause, reservation, agent, score, at = fields
    known = ContactState(state)
    if known is ContactState.QUEUED and not score:
        known = ContactState.RETURNED  # as a process that writes schema 2 tells it
    event = ContactEvent(contact, pool, int(sequence), known, Cause(cause), reservation, agent, int(at), number)
    return ContactStepped(event, int(score) if score else None)


def _place_repaired(fields: Sequence[str], _number: int) -> PlaceRepaired:
    contact, pool, score, _at = fields
    return PlaceRepaired(contact, pool, int(score) if score else None)


_DECODERS: Final[dict[str, Callable[[Sequence[str], int], Change]]] = {
    "hold": _hold_added,
    "free": _hold_removed,
    "step": _contact_stepped,
    "place": _place_repaired,
    "praise": lambda fields, _: PraiseGiven(fields[0], int(fields[1])),
    "timer": lambda fields, _: TimerSet(int(fields[0])),
    "agent": lambda fields, _: AgentChanged(fields[0], int(fields[1]), int(fields[2])),
    "pool": lambda fields, _: PoolChanged(fields[0], int(fields[2])),
    "site": lambda _fields, _: SiteRemoved(),
}


class ChangeStream:
    """Read one site's streams on a connection of its own."""

    def __init__(self, connection: StoreClient, site: str, on_ignored: Callable[[], None] = lambda: None) -> None:
        """on_ignored: called for each event that this version cannot read."""
        self._connection = connection
        self._on_ignored = on_ignored
        self._site = site
        self._keys = Keys(site)
        self._reader = connection.blocking_reader(self._keys.load)

    async def close(self) -> None:
        """Close the connection."""
        self._reader.close()

    async def end(self) -> Position:
        """Return the position of the streams' last events. Read it before a snapshot, and follow from it."""
        (state, uid), roster, load, info = await self._connection.pipeline(
            [
                ("HMGET", self._keys.life, "state", "uid"),
                ("XREVRANGE", self._keys.roster, "+", "-", "COUNT", 1),
                ("XREVRANGE", self._keys.load, "+", "-", "COUNT", 1),
                ("INFO", "server"),
            ]
        )
        life = uid.decode() if state == b"ACTIVE" else ""
        return Position(_last_number(roster), _last_number(load), str(info["run_id"]), life)

    async def follow(self, position: Position) -> AsyncIterator[tuple[Position, list[Change]]]:
        """Yield the changes after a position in batches; an empty batch after every 2 s without a change.

        Raises FellBehind, or StoreUnavailable while the store is away.
        """
        last = {self._keys.roster: position.roster, self._keys.load: position.load}
        while True:
            starts = [f"0-{number}" for number in last.values()]
            answer = await self._reader.run(
                ("XREAD", "COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS", *last, *starts), BLOCK_MS / 1000
            )
            changes: list[Change] = []
            for name, events in answer or ():
                key = name.decode()
                for event, (_, text) in events:
                    number = event_number(event.decode())
                    if number != last[key] + 1:
                        raise FellBehind(self._site)
                    last[key] = number
                    changes += self._decoded(text, number)
            roster, load = last.values()
            yield Position(roster, load, position.server, position.life), changes

    def _decoded(self, text: bytes, number: int) -> list[Change]:
        """Return the change of an event; nothing for an event that this version cannot read: a newer one wrote it."""
        try:
            return [decode_change(text.decode(), number)]
        except (ValueError, IndexError):
            self._on_ignored()
            log.warning("an event of the change stream is not readable; ignored", site=self._site, number=number)
            return []

    async def unbroken(self, position: Position) -> bool:
        """Return whether the streams continue from a position.

        They may not continue after a connection was lost (another server may have lost the last writes and gone on) or
        after the site was deleted and created again.
        """
        end = await self.end()
        if end.server != position.server:
            log.warning(
                "another server answers for the site",
                site=self._site,
                # At least this number: the new server may have written other events since.
                events_lost=max(0, position.roster - end.roster) + max(0, position.load - end.load),
            )
            return False
        return end.life == position.life and end.roster >= position.roster and end.load >= position.load


def _last_number(events: Any) -> int:
    return event_number(events[0][0].decode()) if events else 0
