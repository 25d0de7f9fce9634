"""The store of customers' records: everything that is remembered of a person, written and read whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.errors import (
    CustomerNotFound,
    FieldsInvalid,
    FieldViolation,
    HandleUnknown,
    RequestIdReused,
    StoreUnavailable,
)
from matcher.model import Page
from matcher.model.customers import Customer, CustomerInterest, CustomerNote, CustomerWrite
from matcher.model.resource_names import customer_name, new_id, new_uid, site_name
from matcher.store import verbs
from matcher.store.codecs import fields_of, number, text
from matcher.store.customers import HANDLE, LEAST_JOINED_MS, CustomerStore, Led
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.pages import Entry, keyset_page
from matcher.store.redis.client import StoreClient
from matcher.store.remembered import StoredProfile
from matcher.store.said import say

TRIES: Final = 10
_ANY_MODEL: Final = "-"
"""Reads the interests of a customer without their vectors: it is no model's fingerprint."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A customer as a write finds the person: the id, and the interests of before."""

    customer: str
    handles: tuple[Led, ...]
    profile: StoredProfile | None


class CustomerRecordStore:
    """Write and read everything that is remembered of customers."""

    def __init__(
        self, connection: StoreClient, customers: CustomerStore, keys: ServiceKeys, *, request_window_ms: int
    ) -> None:
        self._connection = connection
        self._customers = customers
        self._keys = keys
        self._request_window_ms = request_window_ms

    async def answered(self, site: str, write: CustomerWrite) -> str | None:
        """Return the customer of a request that was answered before; None for a new request. Raises RequestIdReused."""
        if not write.request_id:
            return None
        earlier = await self._connection.run("GET", Keys(site).once("put_customer", write.request_id))
        if earlier is None:
            return None
        digest, _, customer = earlier.decode().partition("|")
        if digest not in self._keys.request_digests(write.digest):
            raise RequestIdReused(write.request_id)
        return str(customer)

    async def put(self, site: str, write: CustomerWrite, model: str, rows: NDArray[np.float32]) -> str:
        """Remember what a caller wants to be remembered; return the customer's id.

        rows [interests, dimension]: the vectors of the interests by a model (its fingerprint). An interest that was
        stored before keeps its id. Raises CustomerNotFound where the customer of the write is unknown, and
        FieldsInvalid where its handles are those of several customers.
        """
        for _ in range(TRIES):
            found = await self._find(site, write)
            customer = found.customer or new_id()
            if found.handles:
                joined = await self._customers.join(site, [customer], found.handles, LEAST_JOINED_MS)
                if joined[0] != b"linked":
                    continue
            if await self._put_profile(site, customer, write, found.profile, model, rows):
                return customer
        raise StoreUnavailable("the store", "the customer is being changed by others again and again")

    async def found(self, site: str, write: CustomerWrite) -> str:
        """Return the customer that a write would change, "" for a new one; raise what `put` raises."""
        return (await self._find(site, write)).customer

    async def _find(self, site: str, write: CustomerWrite) -> _Found:
        stored = await self._customers.stored(site, write.handles)
        known = dict.fromkeys(customer for _, customer in stored if customer)
        roots = {one: (await self._customers.read(site, one, _ANY_MODEL)) for one in known}
        if write.customer:
            named, fields, profile = await self._customers.read(site, write.customer, _ANY_MODEL)
            if not fields:
                raise CustomerNotFound(customer_name(site, write.customer))
        else:
            named, _, profile = next(iter(roots.values()), ("", {}, None))
        for position, (_, customer) in enumerate(stored):
            if customer and roots[customer][0] != named:
                why = "is a handle of another customer; LinkCustomers joins them"
                raise FieldsInvalid([FieldViolation(f"customer.handles[{position}]", why)])
        led = tuple(Led(*place, handle) for place, handle in zip(stored, write.handles, strict=True))
        return _Found(named, led, profile)

    async def _put_profile(
        self,
        site: str,
        customer: str,
        write: CustomerWrite,
        before: StoredProfile | None,
        model: str,
        rows: NDArray[np.float32],
    ) -> bool:
        """Store the interests; return False where the customer was joined to another or forgotten meanwhile."""
        keys, uid, sealer = Keys(site), new_uid(), self._customers.sealer
        consent = write.consent
        interests = _with_ids(write.interests, before)
        answer = await self._connection.verb(
            verbs.PutProfile(
                life=keys.life,
                customer=keys.customer(customer),
                profile=keys.profile(customer),
                customers=keys.customers,
                audit=keys.audit,
                said=_said(site, customer, before, write),
                once=keys.once("put_customer", write.request_id),
                customer_id=customer,
                uid=uid,
                time_ms=consent.time_ms if consent else 0,
                expires_ms=consent.expires_ms if consent else 0,
                sealed=sealer.interests(site, uid, interests, consent) if consent else b"",
                vectors=sealer.vectors(site, uid, model, rows) if consent else b"",
                request_id=write.request_id,
                digest=self._keys.request_digests(write.digest)[0] if write.request_id else "",
                once_ms=self._request_window_ms,
            )
        )
        if answer[0] != b"ok":
            return False
        await self._customers.keep_handles(site, {digest.decode() for digest in answer[2]}, int(answer[1]))
        return True

    async def customer_of(self, site: str, handle: str) -> str:
        """Return the id of a handle's customer. Raises HandleUnknown."""
        await self._customers.met(site, handle, 0)  # stores the handle where only its digest is known
        ((_, customer),) = await self._customers.stored(site, [handle])
        if not customer:
            raise HandleUnknown(site_name(site))
        return (await self._customers.read(site, customer))[0]

    async def customer(self, site: str, customer: str, now_ms: int) -> Customer:
        """Read everything that is remembered of a customer. Raises CustomerNotFound."""
        found = await self._read(site, customer, now_ms)
        if found is None:
            raise CustomerNotFound(customer_name(site, customer))
        return found

    async def is_handle_of(self, site: str, customer: str) -> Callable[[str], bool]:
        """Return the function that tells whether a handle is a customer's; one without a record has no handles."""
        _, fields, _ = await self._customers.read(site, customer)
        return self._customers.is_handle_in(fields)

    async def customers(self, site: str, most: int, after: str, now_ms: int) -> Page[Customer]:
        """List a page of customers, first those of whom nothing is remembered soonest."""
        last = Entry.of_token(after)
        first = f"({now_ms}"
        page = await keyset_page(self._connection, Keys(site).customers, last, most, first=first)
        listed, more = page.entries[:most], len(page.entries) > most or not page.last
        found = [(entry, await self._read(site, entry.id, now_ms)) for entry in listed]
        # A customer who was joined to another is that other, who is on the list too.
        own = [(entry, one) for entry, one in found if one is not None and one.id == entry.id]
        following = listed[-1].token if more and listed else ""
        return Page(tuple(one for _, one in own), following, tuple(entry.token for entry, _ in own))

    async def reseal(self, site: str) -> None:
        """Seal what is remembered of a site's customers under the newest key. A repetition changes nothing."""
        keys = Keys(site)
        for prefix in (keys.customer(""), keys.profile("")):
            async for key in self._connection.keys_matching(f"{prefix}*"):
                fields = fields_of(await self._connection.run("HGETALL", key))
                for name, sealed in fields.items():
                    if not name.startswith(HANDLE) and name not in {"sealed", "vectors"}:
                        continue
                    bound = name.removeprefix(HANDLE) if name.startswith(HANDLE) else text(fields, "uid")
                    newer = self._customers.sealer.resealed(site, name, bound, sealed)
                    if newer is not None:
                        await self._connection.verb(
                            verbs.Reseal(life=keys.life, record=key, field=name, expected=sealed, sealed=newer)
                        )

    async def _read(self, site: str, customer: str, now_ms: int) -> Customer | None:
        identifier, fields, profile = await self._customers.read(site, customer, _ANY_MODEL)
        if not fields:
            return None
        handles = self._customers.handles(site, fields)
        notes = (
            CustomerNote(known.agent, known.good, known.at_ms, until_ms)
            for known, until_ms in self._customers.relationships(site, fields)
            if until_ms > now_ms
        )
        expires_ms = await self._connection.run("PEXPIRETIME", Keys(site).customer(identifier))
        return Customer(
            identifier,
            handles,
            max(0, number(fields, "handles") - len(handles)),
            profile.interests if profile else (),
            profile.consent if profile else None,
            tuple(notes),
            expires_ms=max(0, int(expires_ms)),
        )


def _said(site: str, customer: str, before: StoredProfile | None, write: CustomerWrite) -> bytes:
    """Return what a write says for the audit trail: how much and until when, never a word of the customer."""
    was = {"interests": 0, "expires_ms": 0}
    if before is not None:
        was = {"interests": len(before.interests), "expires_ms": before.consent.expires_ms}
    will = {"interests": len(write.interests), "expires_ms": write.consent.expires_ms if write.consent else 0}
    return say(customer_name(site, customer), was, will | {"handles": len(write.handles)})


def _with_ids(interests: Sequence[CustomerInterest], before: StoredProfile | None) -> tuple[CustomerInterest, ...]:
    """Return interests with random ids; one that was stored before keeps its id."""
    known = {interest.text: interest.id for interest in before.interests} if before else {}
    return tuple(CustomerInterest(known.get(one.text) or new_id(), one.text, one.source) for one in interests)
