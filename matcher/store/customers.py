"""What is known of customers: their handles, and which agents served them well. Handles are kept as keyed digests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matcher.errors import StoreUnavailable
from matcher.model.resource_names import new_id
from matcher.store.codecs import fields_of
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient

AGENT: Final = "a:"
LEADS_TO: Final = ">"
LINK_TRIES: Final = 10
GOOD: Final = "good"
BAD: Final = "bad"
YEARS_10_MS: Final = 10 * 365 * 86_400_000
"""How long joined handles are remembered after the last conversation."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """An agent who served a customer: whether well, and when."""

    agent: str
    good: bool
    at_ms: int


class CustomerStore:
    """Join handles, and remember who served whom."""

    def __init__(self, connection: StoreClient, secret: bytes) -> None:
        self._connection = connection
        self._secret = secret

    async def known(self, site: str, handle: str, now_ms: int) -> list[Relationship]:
        """Read which agents a customer knows, the latest first: two round trips, one where nobody is known."""
        customer = await self._connection.run("GET", Keys(site).handle(self._digest(handle)))
        if customer is None:
            return []
        _, fields = await self._read(site, customer.decode())
        met = []
        for name, said in fields.items():
            if name.startswith(AGENT):
                verdict, at, until = said.decode().split("|")
                if int(until) > now_ms:
                    met.append(Relationship(name.removeprefix(AGENT), verdict == GOOD, int(at)))
        return sorted(met, key=lambda one: -one.at_ms)

    async def remember(self, site: str, handle: str, agent: str, *, good: bool, now_ms: int, for_ms: int) -> None:
        """Note how an agent served a customer, for so long."""
        customer = await self._customer(site, self._digest(handle))
        said = f"{GOOD if good else BAD}|{now_ms}|{now_ms + for_ms}"
        while True:
            key = Keys(site).customer(customer)
            answer = await self._connection.verb("remember", [key], [AGENT + agent, said, for_ms])
            if answer[0] == b"ok":
                return
            customer = answer[1].decode()

    async def link(self, site: str, handles: Sequence[str]) -> int:
        """Join the handles of one customer; return how many that customer has now."""
        keys, digests = Keys(site), [self._digest(handle) for handle in dict.fromkeys(handles)]
        for _ in range(LINK_TRIES):
            found = await self._connection.pipeline([("GET", keys.handle(digest)) for digest in digests])
            leads_to = ["" if customer is None else customer.decode() for customer in found]
            ends = [(await self._read(site, one))[0] for one in sorted({one for one in leads_to if one})]
            customers = list(dict.fromkeys(ends)) or [new_id()]
            answer = await self._connection.verb(
                "link",
                [*map(keys.customer, customers), *map(keys.handle, digests)],
                [len(customers), YEARS_10_MS, *customers, *leads_to],
            )
            if answer[0] == b"linked":
                return int(answer[1])
        raise StoreUnavailable("the store", "the handles are being joined by others again and again")

    async def _read(self, site: str, customer: str) -> tuple[str, dict[str, bytes]]:
        """Return what is known of a customer, and under which id: the one that others were joined to."""
        while True:
            fields = fields_of(await self._connection.run("HGETALL", Keys(site).customer(customer)))
            if LEADS_TO not in fields:
                return customer, fields
            customer = fields[LEADS_TO].decode()

    async def _customer(self, site: str, digest: str) -> str:
        """Return the id of a handle's customer, made where there is none."""
        key = Keys(site).handle(digest)
        kept = await self._connection.run("GET", key)
        if kept is None:
            await self._begin(site, digest)
            kept = await self._connection.run("GET", key)
        return str(kept.decode())

    async def _begin(self, site: str, digest: str) -> None:
        """Give a handle that is new here a customer; where another call did, that one stays."""
        keys, customer = Keys(site), new_id()
        await self._connection.verb(
            "link", [keys.customer(customer), keys.handle(digest)], [1, YEARS_10_MS, customer, ""]
        )

    def _digest(self, handle: str) -> str:
        return hmac.new(self._secret, b"handle|" + handle.encode(), hashlib.sha256).hexdigest()[:32]
