"""The store of traces: finds and removes what stands for a person in the records, lists and streams of a site.

No index leads from a customer to contacts, so that a route writes none: the records of a site are read through, in
slices, for the handles, digests and ids of the person.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from matcher.model.lifecycle import ENDED, HOLDING, ReservationState
from matcher.store import verbs
from matcher.store.codecs import Fields, decode_contact, fields_of
from matcher.store.customers import HANDLE, CustomerStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from matcher.store.unreadable import NOT_READABLE

T = TypeVar("T")

SLICE: Final = 500
"""Records that are read, and keys that are removed, at once: the store answers nobody else meanwhile, about 1 ms."""
JOINED: Final = "m:"
REQUEST: Final = "r:"
"""What the fields of a customer's record begin with that name a customer who was joined to it, and a request."""
_RESERVATION: Final = re.compile(r"\d+\|[A-Z]+\|[A-Z_]+\|([^|]+)\|[^|]*\|\d+")
"""A step of a contact's history that names a reservation."""
_CUSTOMER_FACT: Final = re.compile(r"[|;]customer=([^;]*);")
"""Whose contact it is, among the facts of an entry of the outbox."""


@dataclass(slots=True)
class Traces:
    """What is to be removed of a site.

    records: whole keys. leading: those of contacts and decisions, by which further traces are found, and own: those by
    which the person is found: these go last, in this order, so that a call that is cut off can be repeated. cut:
    fields of records that stay. members: of sorted sets. contacts, reservations: ids by which records and events are
    found. decisions: ids. digests: of the customers' handles, by the newest key; found: those of them that a contact, a
    decision, praise or an entry of the outbox has. outbox_entries: the numbers of entries, and what is added in their
    place.
    """

    records: set[str] = field(default_factory=set)
    leading: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    cut: set[tuple[str, str]] = field(default_factory=set)
    members: set[tuple[str, str]] = field(default_factory=set)
    contacts: set[str] = field(default_factory=set)
    reservations: set[str] = field(default_factory=set)
    decisions: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    load_events: list[str] = field(default_factory=list)
    roster_events: list[str] = field(default_factory=list)
    outbox_entries: dict[int, bytes] = field(default_factory=dict)


class TraceStore:
    """Remove the traces of customers, and what is needed to remove those of agents."""

    def __init__(self, client: StoreClient, customers: CustomerStore, keys: ServiceKeys, events_kept: int) -> None:
        self._client = client
        self._customers = customers
        self._keys = keys
        self._events_kept = events_kept

    async def of_customers(
        self, site: str, customers: Collection[str], now_ms: int, handles: Collection[str] = ()
    ) -> Traces:
        """Find everything that stands for customers; of a contact that has not ended only who the customer is.

        handles: those of customers without a record. reservations of the answer that still hold capacity (in a wrap-up)
        are for the caller to end before.
        """
        traces = await self.contacts_of(site, customers, now_ms, handles)
        await self._note_praise(site, traces)
        await self._note_the_rest(site, traces)
        await self.note_events(site, traces, traces.contacts | traces.reservations)
        await self._note_entries(site, traces)
        return traces

    async def contacts_of(
        self, site: str, customers: Collection[str], now_ms: int, handles: Collection[str] = ()
    ) -> Traces:
        """Find customers' own records, their ended contacts and their decisions, as `of_customers` does."""
        traces = Traces()
        for customer in customers:
            traces.digests |= await self._note_customer(site, customer, traces)
        for handle in handles:
            newest, *former = self._keys.handle_digests(handle)
            traces.digests.add(newest)
            traces.own |= {Keys(site).handle(digest) for digest in (newest, *former)}
        kept = await self._note_contacts(site, traces, now_ms)
        await self._note_decisions(site, kept, traces)
        return traces

    def named_in(self, traces: Traces, handles: Collection[str]) -> set[str]:
        """Return those of some handles that a contact, a decision, praise or an entry of the outbox had."""
        return {handle for handle in handles if self._keys.handle_digests(handle)[0] in traces.found}

    async def holding(self, site: str, traces: Traces) -> list[str]:
        """Return the reservations among those to be removed that hold capacity."""
        keys, found = Keys(site), list[str]()
        for part in slices(sorted(traces.reservations)):
            states = await self._client.pipeline([("HGET", keys.reservation(one), "state") for one in part])
            known = [(one, state.decode()) for one, state in zip(part, states, strict=True) if state]
            found += [one for one, state in known if ReservationState(state) in HOLDING]
        return found

    async def remove(self, site: str, traces: Traces) -> None:
        """Remove what was found, slice by slice. A repetition changes nothing."""
        last = traces.leading, traces.own
        parts: list[tuple[str, Any]] = [("doomed", verbs.DoomedKey(key=key)) for key in sorted(traces.records)]
        parts += [("cut", verbs.CutField(record=record, field=name)) for record, name in sorted(traces.cut)]
        parts += [("members", verbs.ListedMember(list=key, member=name)) for key, name in sorted(traces.members)]
        parts += [("load_events", verbs.LoadEvent(load_event=event)) for event in traces.load_events]
        parts += [("roster_events", verbs.RosterEvent(roster_event=event)) for event in traces.roster_events]
        parts += [
            ("outbox_entries", verbs.OutboxNumber(number=number, without=without))
            for number, without in traces.outbox_entries.items()
        ]
        parts += [("doomed", verbs.DoomedKey(key=key)) for group in last for key in sorted(group)]
        keys = Keys(site)
        for part in slices(parts):
            lists: dict[str, list[Any]] = {}
            for name, item in part:
                lists.setdefault(name, []).append(item)
            await self._client.verb(
                verbs.ForgetTraces(
                    life=keys.life,
                    load=keys.load,
                    roster=keys.roster,
                    outbox=keys.outbox,
                    forgets=keys.forgets,
                    load_copy=keys.copy(keys.load),
                    roster_copy=keys.copy(keys.roster),
                    events_kept=self._events_kept,
                    **lists,
                )
            )
            await asyncio.sleep(0)

    async def note_events(self, site: str, traces: Traces, names: Collection[str]) -> None:
        """Note the events of both streams that have one of some ids among their words."""
        wanted = frozenset(names)
        if not wanted:
            return
        keys = Keys(site)
        for stream, events in ((keys.load, traces.load_events), (keys.roster, traces.roster_events)):
            after = "-"
            while entries := await self._client.run("XRANGE", stream, after, "+", "COUNT", SLICE):
                events += [event.decode() for event, said in entries if not wanted.isdisjoint(_words(said))]
                after = f"({entries[-1][0].decode()}"

    async def _note_entries(self, site: str, traces: Traces) -> None:
        """Note the entries of the outbox of the contacts that go, and those that name the customer."""
        async for number, text in self.entries(site):
            words = text.split("|")
            fact = _CUSTOMER_FACT.search(text)
            named = fact is not None and self._is_of(fact[1], traces)
            if named or not traces.contacts.isdisjoint(words):
                traces.outbox_entries[number] = b""

    async def entries(self, site: str) -> AsyncIterator[tuple[int, str]]:
        """Yield the entries of a site's outbox: number and text."""
        after = "-"
        while entries := await self._client.run("XRANGE", Keys(site).outbox, after, "+", "COUNT", SLICE):
            for entry, said in entries:
                yield int(entry.rpartition(b"-")[2]), "|".join(_words(said))
            after = f"({entries[-1][0].decode()}"

    async def records(self, site: str, kind: str, read: Sequence[str]) -> AsyncIterator[tuple[str, Any]]:
        """Yield the records of a site of a kind by id, each with the answer to a command, or its error.

        read: the command, in which the key follows the first word.
        """
        prefix = Keys(site).pattern.removesuffix("*") + kind + ":"
        async for names in self._client.scan(f"{prefix}*"):
            for part in slices(sorted(name.decode() for name in names)):
                commands = [(read[0], name, *read[1:]) for name in part]
                answers = await self._client.pipeline(commands, any_type=True)
                for name, answer in zip(part, answers, strict=True):
                    if not isinstance(answer, Exception):
                        yield name.removeprefix(prefix), answer
                await asyncio.sleep(0)

    async def _note_customer(self, site: str, customer: str, traces: Traces) -> set[str]:
        """Note a customer's own records; return the newest digests of the handles."""
        keys = Keys(site)
        root, fields, _ = await self._customers.read(site, customer)
        ids = {customer, root, *_named(fields, JOINED)}
        digests = _named(fields, HANDLE)
        if int(fields.get("handles", b"0")) > len({self._keys.newest_digest(digest) for digest in digests}):
            # An earlier version did not note which handles a customer has.
            async for digest, leads_to in self.records(site, "handle", ("GET",)):
                if leads_to and leads_to.decode() in ids:
                    digests.add(digest)
        newest = {self._keys.newest_digest(digest) for digest in digests}
        traces.own |= {keys.handle(digest) for digest in digests | newest}
        traces.own |= {key for one in ids for key in (keys.customer(one), keys.profile(one))}
        traces.records |= {keys.once("put_customer", request) for request in _named(fields, REQUEST)}
        traces.members |= {(keys.customers, one) for one in ids}
        return newest

    def _is_of(self, digest: str, traces: Traces) -> bool:
        """Return whether a digest is of a handle of the customers; note that something has it."""
        newest = self._keys.newest_digest(digest)
        if newest in traces.digests:
            traces.found.add(newest)
            return True
        return False

    def _names(self, handle: Any, traces: Traces) -> bool:
        """Return whether a stored handle is of the customers; note that something has it."""
        return bool(handle) and self._is_of(self._keys.handle_digests(handle.decode(errors="replace"))[0], traces)

    async def _note_contacts(self, site: str, traces: Traces, now_ms: int) -> set[str]:
        """Note the contacts of handles; return those that have not ended."""
        keys, kept = Keys(site), set[str]()
        async for contact, handle in self.records(site, "contact", ("HGET", "customer")):
            if not self._names(handle, traces):
                continue
            fields = fields_of(await self._client.run("HGETALL", keys.contact(contact)))
            if fields and _has_ended(contact, fields, now_ms):
                self._note_contact(keys, contact, fields, traces)
            else:
                kept.add(contact)
                traces.cut.add((keys.contact(contact), "customer"))
                traces.records.add(keys.aside(contact))
        # Of a contact that cannot be read, what it was before has the customer, too.
        async for contact, handle in self.records(site, "aside", ("HGET", "customer")):
            if self._names(handle, traces):
                traces.records.add(keys.aside(contact))
        return kept

    @staticmethod
    def _note_contact(keys: Keys, contact: str, fields: Fields, traces: Traces) -> None:
        history = fields.get("history", b"").decode(errors="replace").split(";")
        traces.contacts.add(contact)
        traces.reservations |= {_RESERVATION.sub(r"\1", event) for event in history if _RESERVATION.fullmatch(event)}
        traces.leading.add(keys.contact(contact))
        traces.records |= {keys.aside(contact), keys.outcomes(contact)}
        traces.members |= {(keys.contacts, contact), (keys.timers, f"contact|{contact}")}

    async def _note_decisions(self, site: str, kept: set[str], traces: Traces) -> None:
        """Note the decisions for customers. A decision outlives its contact, and so has the handle's digest."""
        keys = Keys(site)
        names = ("customer", "contact", "reservation")
        async for decision, values in self.records(site, "decision", ("HMGET", *names)):
            digest, contact, reservation = ((value or b"").decode(errors="replace") for value in values)
            if not (self._is_of(digest, traces) or contact in traces.contacts):
                continue
            traces.decisions.add(decision)
            if contact in kept:
                traces.cut.add((keys.decision(decision), "customer"))
                continue
            traces.leading.add(keys.decision(decision))
            traces.contacts |= {contact} - {""}
            traces.reservations |= {reservation} - {""}

    async def _note_praise(self, site: str, traces: Traces) -> None:
        """Note what customers praise; where the customer was not known, it is found by the contact."""
        keys = Keys(site)
        async for praise, values in self.records(site, "praise", ("HMGET", "customer", "contact", "agent")):
            digest, contact, agent = ((value or b"").decode(errors="replace") for value in values)
            if self._is_of(digest, traces) if digest else contact in traces.contacts:
                traces.records.add(keys.praise(praise))
                traces.members.add((keys.praised(agent), praise))

    async def _note_the_rest(self, site: str, traces: Traces) -> None:
        """Note the reservations of contacts, and the requests that were answered with them."""
        if not traces.contacts:
            return
        keys = Keys(site)
        async for reservation, contact in self.records(site, "resv", ("HGET", "contact")):
            if contact and contact.decode(errors="replace") in traces.contacts:
                traces.reservations.add(reservation)
        for part in slices(sorted(traces.reservations)):
            commands = [("HMGET", keys.reservation(one), "agent", "channel", "cost", "counts") for one in part]
            for reservation, said in zip(part, await self._client.pipeline(commands), strict=True):
                agent, channel, *costs = ((value or b"").decode(errors="replace") for value in said)
                traces.records.add(keys.reservation(reservation))
                traces.members |= {(keys.due, f"reservation|{reservation}"), (keys.timers, f"idle|{reservation}")}
                # A hold that has lapsed goes with the agent's next reservation only.
                held = {f"{reservation}|{channel}|{cost}" for cost in costs if cost}
                traces.members |= {(keys.holds(agent), member) for member in held if agent}
        async for request, answer in self.records(site, "once", ("GET",)):
            if answer and answer.decode(errors="replace").rpartition("|")[2] in traces.contacts:
                traces.records.add(keys.once(*request.split(":", 1)))


def slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the items in slices that the store reads or removes at once."""
    for start in range(0, len(items), SLICE):
        yield items[start : start + SLICE]


def _has_ended(contact: str, fields: Fields, now_ms: int) -> bool:
    """Return whether a contact has ended; one that cannot be read has not."""
    with suppress(*NOT_READABLE):
        return decode_contact(contact, fields, now_ms).state in ENDED
    return False


def _named(fields: Iterable[str], prefix: str) -> set[str]:
    return {name.removeprefix(prefix) for name in fields if name.startswith(prefix)}


def _words(said: Any) -> list[str]:
    """Return the words of a stream's entry."""
    event: bytes = said[b"e"] if isinstance(said, Mapping) else said[1]
    return event.decode(errors="replace").split("|")
