"""The store of the audit: finds records that seem to disagree, and lets one verb compare them again and repair them.

What is read in pipelines may change between two reads, so a suspicion is no fault. The verb sees all records at one
moment, and decides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from matcher.model.lifecycle import HOLDING, ContactState
from matcher.store import verbs
from matcher.store.codecs import pairs_of
from matcher.store.keys import DUE_RESERVATION, TIMER_CONTACT, Keys
from matcher.store.pages import Entry, keyset_page
from matcher.store.redis.client import StoreClient

_RESERVATION: Final = ("state", "agent", "channel", "cost", "counts", "deadline")
_CONTACT: Final = ("state", "wait", "moving", "queued_in", "score")
_IN_POOL: Final = b"|"


class RepairKind(StrEnum):
    """What was wrong and is repaired."""

    HOLD_UNBACKED = "HOLD_UNBACKED"
    """An agent was held for a reservation that holds nothing."""
    HOLD_UNREADABLE = "HOLD_UNREADABLE"
    """A hold named no reservation."""
    HOLD_MISSING = "HOLD_MISSING"
    """A live reservation held no capacity of its agent."""
    HOLD_DEADLINE = "HOLD_DEADLINE"
    """A hold ended at another time than its reservation."""
    DUE = "DUE"
    """The deadline of a live reservation was missing or wrong among the deadlines."""
    DUE_UNBACKED = "DUE_UNBACKED"
    """The deadlines named a reservation that holds nothing."""
    PLACE = "PLACE"
    """A waiting contact was not in the queue, or at another place."""
    PLACE_UNBACKED = "PLACE_UNBACKED"
    """A contact that does not wait was in the queue."""
    PLACE_FORGOTTEN = "PLACE_FORGOTTEN"
    """The record of a waiting contact did not say where it waits."""
    POOL = "POOL"
    """A waiting contact was not among the contacts that wait in its pool."""
    COUNT = "COUNT"
    """A pool's number of waiting contacts was wrong."""
    WAIT_ENDLESS = "WAIT_ENDLESS"
    """Nothing would have ended a contact's wait."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair, and the id of what was repaired: a reservation, a contact or a pool."""

    kind: RepairKind
    id: str


@dataclass(frozen=True, slots=True)
class DueSlice:
    """Some deadlines: the suspects among them by agent, those of forgotten reservations, and where the next begin."""

    suspects: Mapping[str, Sequence[str]]
    forgotten: Sequence[str]
    next: str


class AuditStore:
    """Find records of a site that seem to disagree, and repair those that do."""

    def __init__(self, connection: StoreClient, events_kept: int) -> None:
        self._connection = connection
        self._events_kept = events_kept

    async def lead(self, site: str, process: str, lease_ms: int) -> bool:
        """Take or renew the audit lease; return whether this process has it now."""
        keys = Keys(site)
        call = verbs.Lead(
            life=keys.life, dispatcher=keys.auditor, load=keys.load, process_id=process, lease_ms=lease_ms
        )
        return bool((await self._connection.verb(call))[0] == b"leads")

    async def suspects(self, site: str, agents: Sequence[str]) -> dict[str, list[str]]:
        """Return the agents whose holds seem wrong, each with the reservations that the holds name."""
        keys = Keys(site)
        answers = await self._connection.pipeline(
            [("ZRANGE", keys.holds(agent), 0, -1, "WITHSCORES") for agent in agents]
        )
        held = {agent: pairs_of(members) for agent, members in zip(agents, answers, strict=True) if members}
        named = {agent: _reservations_of(members) for agent, members in held.items()}
        names = [name for names in named.values() for name in names]
        records = await self._records(site, names)
        scores = await self._connection.pipeline([("ZSCORE", keys.due, DUE_RESERVATION + name) for name in names])
        due = dict(zip(names, scores, strict=True))

        def is_true(agent: str, member: bytes, deadline: float) -> bool:
            name = _reservation_of(member)
            return bool(name) and _hold_of(name, records[name], agent) == (member, deadline) == (member, due[name])

        return {
            agent: named[agent]
            for agent, members in held.items()
            if not all(is_true(agent, member, deadline) for member, deadline in members)
        }

    async def due(self, site: str, after: str, most: int) -> DueSlice:
        """Read deadlines; a reservation whose agent lacks the hold that its record asks for is a suspect."""
        keys = Keys(site)
        page = await keyset_page(self._connection, keys.due, Entry.of_token(after), most, prefix=DUE_RESERVATION)
        deadlines = {entry.id: entry.score for entry in page.entries}
        records = await self._records(site, list(deadlines))
        wanted = {name: _hold_of(name, record, _agent_of(record)) for name, record in records.items()}
        live = {name: hold for name, hold in wanted.items() if hold is not None}
        scores = await self._connection.pipeline(
            [("ZSCORE", keys.holds(_agent_of(records[name])), member) for name, (member, _) in live.items()]
        )
        true = {
            name
            for (name, (_, deadline)), score in zip(live.items(), scores, strict=True)
            if score is not None and float(score) == deadline == deadlines[name]
        }
        suspects = defaultdict[str, list[str]](list)
        for name in deadlines.keys() - true:
            suspects[_agent_of(records[name])].append(name)
        forgotten = suspects.pop("", [])
        return DueSlice(suspects, forgotten, "" if page.last else page.entries[-1].token)

    async def audit_agent(self, site: str, agent: str, reservations: Iterable[str]) -> list[Repair]:
        """Compare an agent's holds with these reservations, all at one moment, and repair what differs."""
        keys = Keys(site)
        call = verbs.AuditAgent(
            life=keys.life,
            agent=keys.agent(agent),
            holds=keys.holds(agent),
            due=keys.due,
            load=keys.load,
            waiting=keys.waiting,
            agent_id=agent,
            events_kept=self._events_kept,
            reservations=[
                verbs.AuditedReservation(reservation=keys.reservation(name), id=name)
                for name in dict.fromkeys(reservations)
            ],
        )
        return _repairs(await self._connection.verb(call))

    async def free_unbacked(self, site: str, agent: str) -> list[Repair]:
        """Free the holds of an agent that no live reservation backs."""
        members = await self._connection.run("ZRANGE", Keys(site).holds(agent), 0, -1, "WITHSCORES")
        return await self.audit_agent(site, agent, _reservations_of(pairs_of(members)))

    async def forget_due(self, site: str, reservation: str) -> list[Repair]:
        """Remove the deadline of a reservation whose record is forgotten: no such id is ever used again."""
        removed = await self._connection.run("ZREM", Keys(site).due, DUE_RESERVATION + reservation)
        return [Repair(RepairKind.DUE_UNBACKED, reservation)] if removed else []

    async def queue_suspects(self, site: str, most: int) -> list[str] | None:
        """Return the contacts that seem to be in the queue wrongly, or out of it; None where all numbers are right too.

        most: how many contacts are read at once.
        """
        keys = Keys(site)
        queue, waiting = await self._connection.pipeline(
            [("ZRANGE", keys.queue, 0, -1, "WITHSCORES"), ("HGETALL", keys.waiting)]
        )
        places = dict(pairs_of(queue))
        pools = {name[1:]: pool for name, pool in waiting.items() if name.startswith(_IN_POOL)}
        counts = {name: count for name, count in waiting.items() if not name.startswith(_IN_POOL)}
        suspects, last = dict.fromkeys(places.keys() | pools.keys()), None
        while True:
            page = await keyset_page(self._connection, keys.contacts, last, most)
            records = await self._connection.pipeline(
                [("HMGET", keys.contact(entry.id), *_CONTACT) for entry in page.entries]
            )
            ends = await self._connection.pipeline(
                [("ZSCORE", keys.timers, TIMER_CONTACT + entry.id) for entry in page.entries]
            )
            for entry, record, end in zip(page.entries, records, ends, strict=True):
                name, place = entry.id.encode(), _place_of(record)
                if place is None:
                    continue
                if None not in place and place == (pools.get(name), places.get(name)) and end is not None:
                    suspects.pop(name, None)
                else:
                    suspects[name] = None
            if page.last:
                break
            last = page.entries[-1]
        counted = {pool: b"%d" % count for pool, count in Counter(pools.values()).items()}
        if not suspects and counted == counts:
            return None
        return [name.decode(errors="replace") for name in suspects]

    async def audit_queue(self, site: str, contacts: Sequence[str]) -> list[Repair]:
        """Compare contacts with the queue, and the numbers of waiting contacts, at one moment; repair what differs."""
        keys = Keys(site)
        call = verbs.AuditQueue(
            life=keys.life,
            queue=keys.queue,
            waiting=keys.waiting,
            timers=keys.timers,
            load=keys.load,
            events_kept=self._events_kept,
            contacts=[verbs.AuditedContact(contact=keys.contact(name), id=name) for name in contacts],
        )
        return _repairs(await self._connection.verb(call))

    async def _records(self, site: str, reservations: Sequence[str]) -> dict[str, list[bytes | None]]:
        keys = Keys(site)
        records = await self._connection.pipeline(
            [("HMGET", keys.reservation(name), *_RESERVATION) for name in reservations]
        )
        return dict(zip(reservations, records, strict=True))


def _reservation_of(member: bytes) -> str:
    """Return the reservation of a hold, "" for a hold that cannot be read."""
    parts = member.decode(errors="replace").split("|")
    return parts[0] if len(parts) == 3 and parts[2].isdigit() else ""


def _reservations_of(members: Iterable[tuple[bytes, float]]) -> list[str]:
    return [name for member, _ in members if (name := _reservation_of(member))]


def _agent_of(record: Sequence[bytes | None]) -> str:
    """Return the agent that a reservation's record names, "" for a forgotten reservation."""
    return (record[1] or b"").decode(errors="replace")


def _hold_of(name: str, record: Sequence[bytes | None], agent: str) -> tuple[bytes, float] | None:
    """Return the hold of an agent that a reservation's record asks for, with its deadline; None: it asks for none."""
    state, owner, channel, cost, counts, deadline = ((value or b"").decode(errors="replace") for value in record)
    if state not in HOLDING or owner != agent or not deadline.isdigit():
        return None
    return f"{name}|{channel}|{counts or cost}".encode(), float(deadline)


def _place_of(record: Sequence[bytes | None]) -> tuple[bytes | None, float | None] | None:
    """Return the pool and the score at which a contact's record says that it waits; None where it does not wait."""
    state, wait, moving, queued_in, score = record
    if not queued_in and not (wait and (state == ContactState.QUEUED.encode() or moving)):
        return None
    return queued_in, float(score) if score and score.isdigit() else None


def _repairs(answer: Sequence[Any]) -> list[Repair]:
    repairs = (repair.decode(errors="replace").partition("|") for repair in answer[1])
    return [Repair(RepairKind(kind), name) for kind, _, name in repairs]
