"""The store of customers: their handles, as keyed digests, and how agents served them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from matcher.errors import StoreUnavailable
from matcher.model import Agent
from matcher.model.resource_names import new_id
from matcher.store import verbs
from matcher.store.codecs import Fields, fields_of, text
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from matcher.store.unreadable import Unreadable

AGENT: Final = "a:"
AGENT_UID: Final = "u:"
LEADS_TO: Final = ">"
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


class CustomerStore:
    """Join the handles of customers, and note how agents served them."""

    def __init__(self, connection: StoreClient, keys: ServiceKeys, unreadable: Unreadable | None = None) -> None:
        """unreadable: reports relationships that are left out."""
        self._connection = connection
        self._unreadable = unreadable or Unreadable()
        self._keys = keys

    async def known(self, site: str, handle: str, now_ms: int) -> list[Relationship]:
        """Read how agents served a customer, the latest first: two round trips, or one for an unknown handle."""
        ((_, customer),) = await self._stored(site, [handle])
        if not customer:
            return []
        _, fields = await self._read(site, customer)
        records = ((name, value) for name, value in fields.items() if name.startswith(AGENT))
        found = self._unreadable.decoded(site, "relationship", records, partial(_relationship, fields))
        known = [relationship for relationship, until_ms in filter(None, found) if until_ms > now_ms]
        return sorted(known, key=lambda relationship: -relationship.at_ms)

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
                    agent_field=AGENT + agent,
                    verdict=verdict,
                    uid_field=AGENT_UID + agent,
                    uid=f"{now_ms}|{agent_uid}" if agent_uid else "",
                    now_ms=now_ms,
                )
            )
            if answer[0] == b"ok":
                await self._keep_handles(site, {digest, *(other.decode() for other in answer[2])}, int(answer[1]))
                return
            customer = answer[1].decode()

    async def link(self, site: str, handles: Sequence[str], for_ms: int = LEAST_JOINED_MS) -> int:
        """Join the handles of one customer for so long at least; return how many that customer has now."""
        for _ in range(LINK_TRIES):
            stored = dict(await self._stored(site, list(dict.fromkeys(handles))))
            joined = [(await self._read(site, customer))[0] for customer in sorted({*stored.values()} - {""})]
            answer = await self._link(site, list(dict.fromkeys(joined)) or [new_id()], stored, for_ms)
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
            joined = list(dict.fromkeys([(await self._read(site, one))[0] for one in leads_to]))
            if joined[1:]:
                await self._link(site, joined, {}, LEAST_JOINED_MS)
            customer = joined[0]
        raise StoreUnavailable("the store", "a handle is being joined by others again and again")

    async def _read(self, site: str, customer: str) -> tuple[str, dict[str, bytes]]:
        """Return a customer's record, and its id: that of the customer that this one was joined to, if any."""
        while True:
            fields = fields_of(await self._connection.run("HGETALL", Keys(site).customer(customer)))
            if LEADS_TO not in fields:
                return customer, fields
            customer = fields[LEADS_TO].decode()

    async def _stored(self, site: str, handles: Sequence[str]) -> list[tuple[str, str]]:
        """Return the digest that each handle is stored as, and its customer; '' for an unknown handle."""
        keys, digests = Keys(site), [self._keys.handle_digests(handle) for handle in handles]
        answers = await self._connection.pipeline([("GET", keys.handle(one)) for each in digests for one in each])
        customers, stored = iter(answers), list[tuple[str, str]]()
        for each in digests:
            found = [(digest, customer.decode()) for digest, customer in zip(each, customers, strict=False) if customer]
            stored.append(found[0] if found else (each[0], ""))
        return stored

    async def _customer(self, site: str, handle: str, for_ms: int) -> tuple[str, str]:
        """Return a handle's digest and the id of its customer; an unknown handle gets a new customer for so long."""
        while True:
            ((digest, customer),) = await self._stored(site, [handle])
            if customer:
                return digest, customer
            # Where another call gave the handle a customer meanwhile, that customer stays.
            await self._link(site, [new_id()], {digest: ""}, for_ms)

    async def _link(self, site: str, customers: Sequence[str], handles: Mapping[str, str], for_ms: int) -> list[Any]:
        """Join all customers into the first for so long, and lead the digests of handles to it.

        Each handle is expected to lead to a customer so far, '': to none.
        """
        keys, (customer, *others) = Keys(site), customers
        answer = await self._connection.verb(
            verbs.Link(
                life=keys.life,
                customer=keys.customer(customer),
                customer_id=customer,
                remember_ms=for_ms,
                others=[verbs.OtherCustomer(customer=keys.customer(other)) for other in others],
                handles=[
                    verbs.Handle(handle=keys.handle(digest), digest=digest, expected=expected)
                    for digest, expected in handles.items()
                ],
            )
        )
        if answer[0] == b"linked":
            await self._keep_handles(site, {digest.decode() for digest in answer[3]} - {*handles}, int(answer[2]))
        return answer

    async def _keep_handles(self, site: str, digests: Collection[str], lasts_ms: int) -> None:
        """Let a customer's handles last as long as the customer's record."""
        if digests:
            keys = Keys(site)
            await self._connection.pipeline([("PEXPIRE", keys.handle(digest), lasts_ms) for digest in digests])


def _relationship(fields: Fields, name: str, value: bytes) -> tuple[Relationship, int]:
    """Return a relationship, and until when it counts (ms); fields: those of the customer's record."""
    verdict, at, until = value.decode().split("|")
    agent = name.removeprefix(AGENT)
    noted_at, _, uid = text(fields, AGENT_UID + agent).partition("|")
    # A verdict of an earlier version has no uid, and leaves that of the verdict before it.
    return Relationship(agent, verdict == GOOD, int(at), uid if noted_at == at else ""), int(until)
