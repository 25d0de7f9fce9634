"""The store of customers: their handles, found by keyed digests, how agents served them, and what the route reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, StoreUnavailable
from matcher.model import Agent
from matcher.model.resource_names import customer_name, new_id
from matcher.store import verbs
from matcher.store.codecs import Fields, fields_of, text
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from matcher.store.remembered import CustomerSealer, StoredProfile
from matcher.store.said import say
from matcher.store.unreadable import Unreadable

AGENT: Final = "a:"
AGENT_UID: Final = "u:"
HANDLE: Final = "h:"
LEADS_TO: Final = ">"
PROFILE: Final = ("uid", "sealed", "vectors")
"""What is read of the hash of a customer's interests."""
LINK_TRIES: Final = 10
GOOD: Final = "good"
BAD: Final = "bad"
LEAST_JOINED_MS: Final = 86_400_000
"""How long handles stay joined at least: a caller may join them before a pool remembers its customers."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """How an agent served a customer: whether well, and when. agent_uid "": an earlier version noted it."""

    agent: str
    good: bool
    at_ms: int
    agent_uid: str = ""

    def is_with(self, agent: Agent) -> bool:
        """Return whether this agent is the person of the relationship, and not a new one under a removed agent's id.

        Where a uid is not known, the person is who had the id then: a record that is younger is another person's.
        """
        if self.agent_uid and agent.uid:
            return self.agent_uid == agent.uid
        return agent.created_ms <= self.at_ms


@dataclass(frozen=True, slots=True, repr=False)
class Led:
    """A handle, the digest it is stored as, and the customer that it is expected to lead to so far; "": none."""

    digest: str
    expected: str
    handle: str


@dataclass(frozen=True, slots=True, repr=False)
class Met:
    """What a route reads of a customer: how agents served the customer, the latest first, and the interests, if any."""

    relationships: tuple[Relationship, ...] = ()
    profile: StoredProfile | None = None


NOBODY: Final = Met()


class CustomerStore:
    """Join the handles of customers, and note how agents served them."""

    def __init__(self, connection: StoreClient, keys: ServiceKeys, unreadable: Unreadable | None = None) -> None:
        """unreadable: reports relationships that are left out."""
        self._connection = connection
        self._unreadable = unreadable or Unreadable()
        self._keys = keys
        self.sealer = CustomerSealer(keys)

    async def known(self, site: str, handle: str, now_ms: int) -> list[Relationship]:
        """Read how agents served a customer, the latest first: two round trips, or one for an unknown handle."""
        return list((await self.met(site, handle, now_ms)).relationships)

    async def profile(self, site: str, handle: str, model: str) -> StoredProfile | None:
        """Read the interests that a customer agreed to leave, with their vectors by a model (its fingerprint).

        Two round trips, or one for an unknown handle. None: there are no interests.
        """
        return (await self.met(site, handle, 0, model)).profile

    async def met(self, site: str, handle: str, now_ms: int, model: str = "") -> Met:
        """Read how agents served a customer, and the interests by a model ("": they are not read).

        Two round trips, or one for an unknown handle. A handle of which an earlier version stored only the digest is
        stored once more, sealed.
        """
        ((digest, customer),) = await self.stored(site, [handle])
        if not customer:
            return NOBODY
        customer, fields, profile = await self.read(site, customer, model)
        if not fields.get(HANDLE + digest) and self._keys.newest_digest(digest) not in self._named(fields):
            with suppress(MatcherError):  # the next route that names the handle stores it
                await self._recall(site, customer, digest, handle)
        return Met(tuple(one for one, until_ms in self.relationships(site, fields) if until_ms > now_ms), profile)

    def relationships(self, site: str, fields: Fields) -> list[tuple[Relationship, int]]:
        """Return how agents served a customer, the latest first, each with the time until which that counts (ms)."""
        records = ((name, value) for name, value in fields.items() if name.startswith(AGENT))
        found = self._unreadable.decoded(site, "relationship", records, partial(_relationship, fields))
        return sorted(filter(None, found), key=lambda known: -known[0].at_ms)

    async def put_vectors(self, site: str, profile: StoredProfile, model: str, rows: NDArray[np.float32]) -> None:
        """Store the vectors [interests, dimension] of a customer's interests by another model; not of former ones."""
        await self._connection.verb(
            verbs.PutProfileVectors(
                life=Keys(site).life,
                profile=Keys(site).profile(profile.customer),
                uid=profile.uid,
                vectors=self.sealer.vectors(site, profile.uid, model, rows),
            )
        )

    async def remember(
        self, site: str, handle: str, agent: str, *, good: bool, now_ms: int, for_ms: int, agent_uid: str = ""
    ) -> None:
        """Note how an agent served a customer; it counts for `for_ms`.

        The customer is forgotten, with all handles, when no relationship counts any more.
        """
        digest, customer = await self._customer(site, handle, for_ms)
        verdict = f"{GOOD if good else BAD}|{now_ms}|{now_ms + for_ms}"
        while True:
            answer = await self._connection.verb(
                verbs.Remember(
                    life=Keys(site).life,
                    customer=Keys(site).customer(customer),
                    profile=Keys(site).profile(customer),
                    customers=Keys(site).customers,
                    customer_id=customer,
                    digest=digest,
                    sealed=self.sealer.handle(site, digest, handle),
                    agent_field=AGENT + agent,
                    verdict=verdict,
                    uid_field=AGENT_UID + agent,
                    uid=f"{now_ms}|{agent_uid}" if agent_uid else "",
                    now_ms=now_ms,
                )
            )
            if answer[0] == b"ok":
                await self.keep_handles(site, {digest, *(other.decode() for other in answer[2])}, int(answer[1]))
                return
            customer = answer[1].decode()

    async def link(self, site: str, handles: Sequence[str], for_ms: int = LEAST_JOINED_MS) -> int:
        """Join the handles of one customer for at least the given time; return how many that customer has now."""
        for _ in range(LINK_TRIES):
            named = list(dict.fromkeys(handles))
            stored = await self.stored(site, named)
            known = sorted({customer for _, customer in stored} - {""})
            joined = [(await self.read(site, customer))[0] for customer in known]
            led = [Led(*place, handle) for place, handle in zip(stored, named, strict=True)]
            answer = await self.join(site, list(dict.fromkeys(joined)) or [new_id()], led, for_ms, asked=True)
            if answer[0] == b"linked":
                return int(answer[1])
        raise StoreUnavailable("the store", "the handles are being joined by others again and again")

    async def former_handles(self, site: str) -> AsyncIterator[str]:
        """Yield the digests of handles that were made by a former key; each may be yielded again."""
        prefix = Keys(site).handle("")
        async for key in self._connection.keys_matching(Keys(site).handle("*")):
            digest = key.removeprefix(prefix)
            if self._keys.newest_digest(digest) != digest:
                yield digest

    async def rehash(self, site: str, digest: str) -> None:
        """Store a handle by the newest key, for as long as it was stored. A repetition changes nothing."""
        keys, newest = Keys(site), self._keys.newest_digest(digest)
        customer = ""
        for _ in range(LINK_TRIES):
            answer = await self._connection.verb(
                verbs.Rehash(
                    life=keys.life,
                    handle=keys.handle(newest),
                    former=keys.handle(digest),
                    customer=keys.customer(customer),
                    customer_id=customer,
                )
            )
            if answer[0] == b"done":
                return
            # Two processes gave the handle a customer each, by different keys: they are the same person.
            leads_to = [one.decode() for one in answer[1:]]
            joined = list(dict.fromkeys([(await self.read(site, one))[0] for one in leads_to]))
            if joined[1:]:
                await self.join(site, joined, (), LEAST_JOINED_MS)
            customer = joined[0]
        raise StoreUnavailable("the store", "a handle is being joined by others again and again")

    async def read(
        self, site: str, customer: str, model: str = ""
    ) -> tuple[str, dict[str, bytes], StoredProfile | None]:
        """Return a customer's id, record and interests: those of the customer that this one was joined to, if any.

        model: whose vectors the interests have; "": they are not read. Without a record there is no such customer.
        """
        keys = Keys(site)
        while True:
            commands = [("HGETALL", keys.customer(customer)), ("HMGET", keys.profile(customer), *PROFILE)]
            record, *profile = await self._connection.pipeline(commands[: 2 if model else 1])
            fields = fields_of(record)
            if LEADS_TO not in fields:
                return customer, fields, self._profile(site, customer, profile[0], model) if model else None
            customer = fields[LEADS_TO].decode()

    def _profile(self, site: str, customer: str, stored: Sequence[bytes | None], model: str) -> StoredProfile | None:
        uid, sealed, vectors = stored
        if not (uid and sealed):
            return None
        opened = self.sealer.open_interests(site, uid.decode(), sealed)
        if opened is None:
            return None
        interests, consent = opened
        rows = self.sealer.open_vectors(site, uid.decode(), vectors or b"", model, len(interests))
        return StoredProfile(customer, uid.decode(), interests, consent, rows)

    def handles(self, site: str, fields: Fields) -> tuple[str, ...]:
        """Return the handles of a customer's record that can be given back, in order."""
        sealed = self._named(fields).values()
        return tuple(sorted(filter(None, (self.sealer.open_handle(site, digest, one) for digest, one in sealed))))

    def is_handle_in(self, fields: Fields) -> Callable[[str], bool]:
        """Return the function that tells whether a handle is one of a customer's record, by its digest."""
        digests = (name.removeprefix(HANDLE) for name in fields if name.startswith(HANDLE))
        own = frozenset(self._keys.newest_digest(digest) for digest in digests)
        return lambda handle: self._keys.handle_digests(handle)[0] in own

    def digests(self, handles: Iterable[str]) -> set[str]:
        """Return every digest that any of some handles may be stored as."""
        return {digest for handle in handles for digest in self._keys.handle_digests(handle)}

    def _named(self, fields: Fields) -> dict[str, tuple[str, bytes]]:
        """Return a customer's sealed handles by their newest digests, each with the digest it is bound to."""
        digests = ((name.removeprefix(HANDLE), value) for name, value in fields.items() if name.startswith(HANDLE))
        return {self._keys.newest_digest(digest): (digest, sealed) for digest, sealed in digests if sealed}

    async def _recall(self, site: str, customer: str, digest: str, handle: str) -> None:
        """Store the sealed handle of a customer of whom only its digest is known."""
        await self._connection.verb(
            verbs.RecallHandle(
                life=Keys(site).life,
                customer=Keys(site).customer(customer),
                digest=digest,
                sealed=self.sealer.handle(site, digest, handle),
            )
        )

    async def stored(self, site: str, handles: Sequence[str]) -> list[tuple[str, str]]:
        """Return the digest that each handle is stored as, and its customer; '' for an unknown handle."""
        keys, digests = Keys(site), [self._keys.handle_digests(handle) for handle in handles]
        answers = await self._connection.pipeline([("GET", keys.handle(one)) for each in digests for one in each])
        customers, stored = iter(answers), list[tuple[str, str]]()
        for each in digests:
            found = [(digest, customer.decode()) for digest, customer in zip(each, customers, strict=False) if customer]
            stored.append(found[0] if found else (each[0], ""))
        return stored

    async def _customer(self, site: str, handle: str, for_ms: int) -> tuple[str, str]:
        """Return a handle's digest and the id of its customer; an unknown handle gets a new customer for that time."""
        while True:
            ((digest, customer),) = await self.stored(site, [handle])
            if customer:
                return digest, customer
            # Where another call gave the handle a customer meanwhile, that customer stays.
            await self.join(site, [new_id()], [Led(digest, "", handle)], for_ms)

    async def join(
        self, site: str, customers: Sequence[str], handles: Sequence[Led], for_ms: int, *, asked: bool = False
    ) -> list[Any]:
        """Join all customers into the first for that time, and lead handles to that customer; return Link's answer.

        asked: a caller asked for just this, so that it stands on record in the audit trail.
        """
        keys, (customer, *others) = Keys(site), customers
        answer = await self._connection.verb(
            verbs.Link(
                life=keys.life,
                customer=keys.customer(customer),
                profile=keys.profile(customer),
                customers=keys.customers,
                audit=keys.audit,
                said=_linked(site, customer, others, len(handles)) if asked else b"",
                customer_id=customer,
                remember_ms=for_ms,
                others=[
                    verbs.OtherCustomer(customer=keys.customer(other), profile=keys.profile(other), other_id=other)
                    for other in others
                ],
                handles=[
                    verbs.Handle(
                        handle=keys.handle(led.digest),
                        digest=led.digest,
                        sealed=self.sealer.handle(site, led.digest, led.handle),
                        expected=led.expected,
                    )
                    for led in handles
                ],
            )
        )
        if answer[0] == b"linked":
            named = {led.digest for led in handles}
            await self.keep_handles(site, {digest.decode() for digest in answer[3]} - named, int(answer[2]))
        return answer

    async def keep_handles(self, site: str, digests: Collection[str], lasts_ms: int) -> None:
        """Let a customer's handles last as long as the customer's record, by whichever key they are stored."""
        if digests:
            keys = Keys(site)
            stored = {*digests, *(self._keys.newest_digest(digest) for digest in digests)}
            await self._connection.pipeline([("PEXPIRE", keys.handle(digest), lasts_ms) for digest in sorted(stored)])


def _linked(site: str, customer: str, others: Sequence[str], handles: int) -> bytes:
    """Return what a join says for the audit trail: never a handle."""
    joined = [customer_name(site, other) for other in others]
    return say(customer_name(site, customer), None, {"handles": handles, "joined": joined})


def _relationship(fields: Fields, name: str, value: bytes) -> tuple[Relationship, int]:
    """Return a relationship, and until when it counts (ms); fields: those of the customer's record."""
    verdict, at, until = value.decode().split("|")
    agent = name.removeprefix(AGENT)
    noted_at, _, uid = text(fields, AGENT_UID + agent).partition("|")
    # A verdict of an earlier version has no uid, and leaves that of the verdict before it.
    return Relationship(agent, verdict == GOOD, int(at), uid if noted_at == at else ""), int(until)
