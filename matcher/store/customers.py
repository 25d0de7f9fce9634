"""The store of customers: their handles, as keyed digests, and how agents served them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matcher.errors import StoreUnavailable
from matcher.model import Agent
from matcher.model.resource_names import new_id
from matcher.store import verbs
from matcher.store.codecs import fields_of, text
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient

AGENT: Final = "a:"
AGENT_UID: Final = "u:"
LEADS_TO: Final = ">"
LINK_TRIES: Final = 10
GOOD: Final = "good"
BAD: Final = "bad"
YEARS_10_MS: Final = 10 * 365 * 86_400_000
"""How long joined handles are kept after the last conversation."""


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

    def __init__(self, connection: StoreClient, secret: bytes) -> None:
        self._connection = connection
        self._secret = secret

    async def known(self, site: str, handle: str, now_ms: int) -> list[Relationship]:
        """Read how agents served a customer, the latest first: two round trips, or one for an unknown handle."""
        customer = await self._connection.run("GET", Keys(site).handle(self._digest(handle)))
        if customer is None:
            return []
        _, fields = await self._read(site, customer.decode())
        relationships = []
        for name, value in fields.items():
            if name.startswith(AGENT):
                verdict, at, until = value.decode().split("|")
                if int(until) > now_ms:
                    agent = name.removeprefix(AGENT)
                    noted_at, _, uid = text(fields, AGENT_UID + agent).partition("|")
                    # A verdict of an earlier version has no uid, and leaves that of the verdict before it.
                    relationships.append(Relationship(agent, verdict == GOOD, int(at), uid if noted_at == at else ""))
        return sorted(relationships, key=lambda relationship: -relationship.at_ms)

    async def remember(
        self, site: str, handle: str, agent: str, *, good: bool, now_ms: int, for_ms: int, agent_uid: str = ""
    ) -> None:
        """Note how an agent served a customer; it counts for `for_ms`."""
        customer = await self._customer(site, self._digest(handle))
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
                    remember_ms=for_ms,
                )
            )
            if answer[0] == b"ok":
                return
            customer = answer[1].decode()

    async def link(self, site: str, handles: Sequence[str]) -> int:
        """Join the handles of one customer; return how many that customer has now."""
        keys, digests = Keys(site), [self._digest(handle) for handle in dict.fromkeys(handles)]
        for _ in range(LINK_TRIES):
            customers = await self._connection.pipeline([("GET", keys.handle(digest)) for digest in digests])
            leads_to = ["" if customer is None else customer.decode() for customer in customers]
            joined = [(await self._read(site, customer))[0] for customer in sorted({*leads_to} - {""})]
            answer = await self._link(
                site, list(dict.fromkeys(joined)) or [new_id()], dict(zip(digests, leads_to, strict=True))
            )
            if answer[0] == b"linked":
                return int(answer[1])
        raise StoreUnavailable("the store", "the handles are being joined by others again and again")

    async def _read(self, site: str, customer: str) -> tuple[str, dict[str, bytes]]:
        """Return a customer's record, and its id: that of the customer that this one was joined to, if any."""
        while True:
            fields = fields_of(await self._connection.run("HGETALL", Keys(site).customer(customer)))
            if LEADS_TO not in fields:
                return customer, fields
            customer = fields[LEADS_TO].decode()

    async def _customer(self, site: str, digest: str) -> str:
        """Return the id of a handle's customer; an unknown handle gets a new customer."""
        key = Keys(site).handle(digest)
        customer = await self._connection.run("GET", key)
        if customer is None:
            # Where another call gave the handle a customer meanwhile, that customer stays.
            await self._link(site, [new_id()], {digest: ""})
            customer = await self._connection.run("GET", key)
        return str(customer.decode())

    async def _link(self, site: str, customers: Sequence[str], handles: Mapping[str, str]) -> list[Any]:
        """Join all customers into the first, and lead the digests of handles to it.

        Each handle is expected to lead to a customer so far, '': to none.
        """
        keys, (customer, *others) = Keys(site), customers
        return await self._connection.verb(
            verbs.Link(
                life=keys.life,
                customer=keys.customer(customer),
                customer_id=customer,
                remember_ms=YEARS_10_MS,
                others=[verbs.OtherCustomer(customer=keys.customer(other)) for other in others],
                handles=[
                    verbs.Handle(handle=keys.handle(digest), expected=expected) for digest, expected in handles.items()
                ],
            )
        )

    def _digest(self, handle: str) -> str:
        return hmac.new(self._secret, b"handle|" + handle.encode(), hashlib.sha256).hexdigest()[:32]
