"""The store of contacts: the queue of a site, each contact's history, and the leader lease of the queue."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from matcher.errors import ContactNotFound
from matcher.model import Contact, ContactEvent, Draw, Page, Pool
from matcher.model.lifecycle import ENDED, Cause, ContactState
from matcher.model.resource_names import contact_name
from matcher.model.scope import EVERYTHING, Scope
from matcher.store import verbs
from matcher.store.codecs import (
    Fields,
    decode_contact,
    decode_history,
    excluded_uids,
    fields_of,
    number,
    pairs_of,
    text,
)
from matcher.store.keys import Keys
from matcher.store.pages import Entry, keyset_page
from matcher.store.redis.client import StoreClient
from matcher.store.requirements import NONE, StoredRequirements, decode_requirements
from matcher.store.standing import Standing, standing
from matcher.store.unreadable import NOT_READABLE, Unreadable

IN_POOL: Final = "|"
"""What stands before a contact's id in the hash `waiting`: such a field holds the pool of one contact, the others the
counts by pool."""

MOST_READ: Final = 2_000
"""Records after which a page ends, however few of them the caller asked for: about 20 ms of the store's time. A filter
that fits no contact would otherwise read all of a site's contacts for one answer."""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A contact in the queue: its pool, its score in milliseconds, and the step of its life that put it there.

    sequence 0: it was there when the queue was read.
    """

    contact: str
    pool: str
    score: int
    sequence: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class WaitingContact:
    """The record of a contact that waits. Never logged."""

    sealed: bytes
    """The sealed text; empty: the contact came back from an agent, and its text is gone."""
    channel: str
    customer: str
    created_ms: int
    waits_until_ms: int
    handed_on: str
    """In a transfer, the reservation that ends once another agent is held."""
    excluded: dict[str, int]
    """Agents that it must not come to → until when; 0: for ever."""
    excluded_uids: dict[str, str]
    """The uids of these agents, where they are known: a new agent of the id is not excluded."""
    requirements: StoredRequirements = NONE
    """Nothing where the sealed message of schema 2 holds them."""
    only: str = ""
    """The agent to whom the contact is transferred by id; "": any agent."""
    keeps_agent: bool = False
    """Whether the reservation that is handed on ends only once another agent accepts."""
    seen: str = ""
    """The digest of the whole record, by which the store knows whether it has changed since."""
    draw: Draw | None = None
    """The arm that it was given when it began; None: none."""


@dataclass(frozen=True, slots=True)
class UnreadableContact:
    """The record of a contact that is in the queue and cannot be read; `seen`: as of WaitingContact."""

    seen: str
    why: str
    """The class of the fault."""


class LeaveOutcome(StrEnum):
    """The outcome of a request to leave the queue, and what the detail says."""

    LEFT = "left"
    """The contact no longer waits; the detail is its state."""
    GONE = "gone"
    """There is no such contact."""
    HELD = "held"
    """The contact has an agent; the detail is the reservation's id."""
    ENDED = "ended"
    """The contact had ended before; the detail is its state."""
    EARLY = "early"
    """The contact may still wait."""


@dataclass(frozen=True, slots=True)
class LeaveResult:
    """What became of a request to leave the queue."""

    how: LeaveOutcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LeaderLease:
    """Whether this process leads the queue of a site.

    number: to the leader, the load stream's last event; to another process, how long the lease lasts, in milliseconds.
    """

    held: bool
    number: int


class ContactStore:
    """Read contacts, and end contacts that wait."""

    def __init__(
        self,
        connection: StoreClient,
        *,
        keep_ms: int,
        events_kept: int,
        outbox_kept: int = 0,
        unreadable: Unreadable | None = None,
    ) -> None:
        """outbox_kept: as of Lifetimes. unreadable: reports records that are left out of a list."""
        self._connection = connection
        self._unreadable = unreadable or Unreadable()
        self._keep_ms = keep_ms
        self._events_kept = events_kept
        self._outbox_kept = outbox_kept

    async def queue(self, site: str) -> list[QueuePlace]:
        """Read the queue, in its order."""
        keys = Keys(site)
        queue, waiting = await self._connection.pipeline(
            [("ZRANGE", keys.queue, 0, -1, "WITHSCORES"), ("HGETALL", keys.waiting)]
        )
        # An id that is not text is no contact's; the audit takes it out.
        pools = {name.decode(errors="replace"): pool.decode(errors="replace") for name, pool in waiting.items()}
        places = [(member.decode(errors="replace"), int(score)) for member, score in pairs_of(queue)]
        return [
            QueuePlace(contact, pools[IN_POOL + contact], score)
            for contact, score in places
            # The load stream tells of a contact that came or left between the two reads.
            if IN_POOL + contact in pools
        ]

    async def kept(self, site: str, contacts: Sequence[str]) -> list[WaitingContact | UnreadableContact | None]:
        """Read the records of contacts that wait, in one round trip; None for a contact that no longer waits."""
        keys = Keys(site)
        commands = [("HGETALL", keys.contact(contact)) for contact in contacts]
        return [_waiting_contact(fields) for fields in await self._connection.pipeline(commands, any_type=True)]

    async def customers(self, site: str, contacts: Sequence[str]) -> list[str]:
        """Read whom contacts are of; "" for a contact without a customer, and for one that is gone."""
        read = [("HGET", Keys(site).contact(contact), "customer") for contact in contacts]
        return [(customer or b"").decode() for customer in await self._connection.pipeline(read)]

    async def said(self, site: str, contact: str) -> tuple[bytes, StoredRequirements]:
        """Read the sealed text of a contact, empty where there is none, and what the contact requires."""
        sealed, needs = await self._connection.run("HMGET", Keys(site).contact(contact), "sealed", "needs")
        return sealed or b"", decode_requirements(needs or b"")

    async def quarantine(self, site: str, contact: str, seen: str) -> bool:
        """Take a contact that cannot be read out of the queue and keep its record aside; return whether this call did.

        seen: the digest of the record that cannot be read; nothing is done where the contact has another one by now.
        """
        keys = Keys(site)
        step = verbs.ContactStep.of(keys, contact, self._keep_ms, self._events_kept, self._outbox_kept)
        answer = await self._connection.verb(verbs.Quarantine(step=step, aside=keys.aside(contact), seen=seen))
        return bool(answer[0] == b"aside")

    async def standings(self, site: str, events: Sequence[ContactEvent]) -> list[Standing]:
        """Read what the store makes of steps that were seen of contacts, in one round trip."""
        read = [("HMGET", Keys(site).contact(event.contact), "sequence", "history") for event in events]
        answers = await self._connection.pipeline(read)
        return [
            standing(event, int(sequence or 0), (history or b"").decode())
            for event, (sequence, history) in zip(events, answers, strict=True)
        ]

    async def lose(self, site: str, event: ContactEvent) -> ContactState | None:
        """Tell that the store has lost a contact's step, and return the contact's state; None where it has not."""
        step = verbs.ContactStep.of(Keys(site), event.contact, self._keep_ms, self._events_kept, self._outbox_kept)
        outcome, *state = await self._connection.verb(
            verbs.Lose(
                step=step,
                sequence=event.sequence,
                state=event.state,
                pool_id=event.pool,
                reservation_id=event.reservation,
                agent_id=event.agent,
            )
        )
        return ContactState(state[0].decode()) if outcome == b"told" else None

    async def contact(self, site: str, contact: str, now_ms: int) -> Contact:
        """Read a contact. Raises ContactNotFound."""
        return decode_contact(contact, await self._fields(site, contact), now_ms)

    async def history(self, site: str, contact: str) -> list[ContactEvent]:
        """Read the kept steps of a contact's life, the earliest first. Raises ContactNotFound."""
        return decode_history(contact, await self._fields(site, contact))

    async def _fields(self, site: str, contact: str) -> Fields:
        fields = await self._connection.run("HGETALL", Keys(site).contact(contact))
        if not fields:
            raise ContactNotFound(contact_name(site, contact))
        return fields_of(fields)

    async def contacts(
        self, site: str, pool: Pool | None, state: ContactState | None, most: int, after: str, now_ms: int
    ) -> Page[Contact]:
        """List a page of the contacts that have not ended, the oldest first.

        With a filter a page may hold fewer than `most`, even none: it ends when it has read about 2,000 records.
        """
        last, listed, read = Entry.of_token(after), list[tuple[Entry, Contact]](), 0
        if state in ENDED:
            return Page((), "")
        while True:
            page = await keyset_page(self._connection, Keys(site).contacts, last, most)
            read += len(page.entries)
            for entry, contact in await self._live(site, page.entries, now_ms):
                if (pool is None or contact.is_in(pool)) and (state is None or contact.state is state):
                    listed.append((entry, contact))
                if len(listed) > most:
                    return _page(listed[:most], listed[most - 1][0].token)
            if page.last:
                return _page(listed, "")
            last = page.entries[-1]
            if read >= MOST_READ:
                return _page(listed, last.token)

    async def open_of(self, site: str, is_customer: Callable[[str], bool], now_ms: int) -> list[str]:
        """List the contacts that have not ended and whose customer's handle is one of those asked for."""
        keys, found = Keys(site), list[str]()
        members = [member.decode() for member in await self._connection.run("ZRANGE", keys.contacts, 0, -1)]
        for start in range(0, len(members), MOST_READ):
            part = members[start : start + MOST_READ]
            commands = [("HGET", keys.contact(contact), "customer") for contact in part]
            handles = await self._connection.pipeline(commands, any_type=True)
            found += [
                contact
                for contact, handle in zip(part, handles, strict=True)
                if isinstance(handle, bytes) and handle and is_customer(handle.decode(errors="replace"))
            ]
        return [contact.id for _, contact in await self._live(site, [Entry(0, one) for one in found], now_ms)]

    async def _live(self, site: str, entries: Sequence[Entry], now_ms: int) -> list[tuple[Entry, Contact]]:
        """Read the contacts of entries of the list, without those that have ended; forgotten ones leave the list."""
        keys = Keys(site)
        commands = [("HGETALL", keys.contact(entry.id)) for entry in entries]
        records = await self._connection.pipeline(commands, any_type=True)
        # Its record is forgotten where no caller routed the contact again.
        forgotten = [entry.id for entry, fields in zip(entries, records, strict=True) if not fields]
        if forgotten:
            await self._connection.run("ZREM", keys.contacts, *forgotten)
        decoded = self._unreadable.decoded(
            site,
            "contact",
            zip([entry.id for entry in entries], records, strict=True),
            lambda name, fields: decode_contact(name, fields_of(fields), now_ms),
        )
        # The deadline of an ended contact has passed, and no replica has written that yet.
        return [
            (entry, contact)
            for entry, contact in zip(entries, decoded, strict=True)
            if contact is not None and contact.state not in ENDED
        ]

    async def leave(self, site: str, contact: str, cause: Cause, scope: Scope = EVERYTHING) -> LeaveResult:
        """Take a contact out of the queue: the caller cancels it (CANCELED), or its wait is over (WAIT_EXPIRED).

        scope: what the caller reaches; a contact of another pool is GONE.
        """
        keys = Keys(site)
        step = verbs.ContactStep.of(keys, contact, self._keep_ms, self._events_kept, self._outbox_kept)
        outcome, *detail = await self._connection.verb(
            verbs.Leave(step=step, aside=keys.aside(contact), cause=cause, scope=scope.packed())
        )
        return LeaveResult(LeaveOutcome(outcome.decode()), *(word.decode() for word in detail))

    async def give_back(self, site: str, freed: Mapping[str, int]) -> None:
        """Let new messages have agents to whom no waiting contact may come; freed: since when each is free, in ms."""
        if freed:
            agents = [
                verbs.FreedAgent(agent=Keys(site).agent(agent), freed_at_ms=freed_at_ms)
                for agent, freed_at_ms in freed.items()
            ]
            await self._connection.verb(verbs.GiveBack(life=Keys(site).life, agents=agents))

    async def lead(self, site: str, process: str, lease_ms: int) -> LeaderLease:
        """Take or renew the leader lease of a site's queue."""
        keys = Keys(site)
        outcome, number = await self._connection.verb(
            verbs.Lead(
                life=keys.life, dispatcher=keys.dispatcher, load=keys.load, process_id=process, lease_ms=lease_ms
            )
        )
        return LeaderLease(outcome == b"leads", int(number))

    async def waiting(self, site: str) -> dict[str, int]:
        """Read how many contacts wait, by pool."""
        counts = fields_of(await self._connection.run("HGETALL", Keys(site).waiting))
        return {pool: int(count) for pool, count in counts.items() if not pool.startswith(IN_POOL)}


def _page(listed: Sequence[tuple[Entry, Contact]], following: str) -> Page[Contact]:
    return Page(tuple(contact for _, contact in listed), following, tuple(entry.token for entry, _ in listed))


def _waiting_contact(answer: Any) -> WaitingContact | UnreadableContact | None:
    if isinstance(answer, Exception):
        return UnreadableContact("", type(answer).__name__)
    if not answer:
        return None
    seen = hashlib.sha1(b"".join(part for pair in answer.items() for part in pair), usedforsecurity=False).hexdigest()
    try:
        fields = fields_of(answer)
        ContactState(text(fields, "state"))
        if "score" not in fields:
            return None
        return WaitingContact(
            sealed=fields.get("sealed", b""),
            channel=text(fields, "channel"),
            customer=text(fields, "customer"),
            created_ms=number(fields, "created"),
            waits_until_ms=number(fields, "waits"),
            handed_on=text(fields, "reservation") if "moving" in fields else "",
            keeps_agent=fields.get("moving") == b"ON_ACCEPT",
            excluded={name[2:]: int(until) for name, until in fields.items() if name.startswith("x:")},
            excluded_uids=excluded_uids(fields),
            requirements=decode_requirements(fields.get("needs", b"")),
            only=text(fields, "only"),
            seen=seen,
            draw=Draw.unpacked(text(fields, "arm")),
        )
    except NOT_READABLE as fault:
        return UnreadableContact(seen, type(fault).__name__)
