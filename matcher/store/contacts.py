"""The contacts' side of the store: who waits, how each came where it is, and the lease of the one who offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matcher.errors import ContactNotFound
from matcher.model import Contact, ContactEvent, Page
from matcher.model.lifecycle import ENDED, Cause, ContactState
from matcher.model.resource_names import contact_name
from matcher.store.codecs import decode_contact, decode_history, fields_of, number, pairs_of, text
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient

IN_POOL: Final = "|"
"""What stands before a contact's id in the hash that says who waits in which pool, beside the counts by pool."""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A contact that waits: in which pool, its place there, in milliseconds, and by which step of its life it came.

    sequence 0: it was there when the queue was read.
    """

    contact: str
    pool: str
    score: int
    sequence: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class WaitingContact:
    """What is kept of a contact that waits. Never logged."""

    sealed: bytes
    channel: str
    customer: str
    created_ms: int
    waits_until_ms: int
    handed_on: str
    """In a transfer, the reservation that is freed once another agent is held."""
    excluded: dict[str, int]
    """Agents it must not come to → until when; 0: for ever."""


@dataclass(frozen=True, slots=True)
class LeaveResult:
    """What became of a request to leave the queue: 'left', 'gone', 'held', 'ended' or 'early'; and what it says."""

    how: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LeaderLease:
    """Whether this process is the one who offers. If so, `number`: the last event told so far; else ms to wait."""

    held: bool
    number: int


class ContactStore:
    """Read and end contacts that wait."""

    def __init__(self, connection: StoreClient, *, keep_ms: int, events_kept: int) -> None:
        self._connection = connection
        self._keep_ms = keep_ms
        self._events = events_kept

    async def queue(self, site: str) -> list[QueuePlace]:
        """Read who waits, the first to be served first."""
        keys = Keys(site)
        queue, waiting = await self._connection.pipeline(
            [("ZRANGE", keys.queue, 0, -1, "WITHSCORES"), ("HGETALL", keys.waiting)]
        )
        pools = fields_of(waiting)
        places = [(member.decode(), int(score)) for member, score in pairs_of(queue)]
        return [
            QueuePlace(contact, pools[IN_POOL + contact].decode(), score)
            for contact, score in places
            # Who came or went between the two reads is heard of by the stream.
            if IN_POOL + contact in pools
        ]

    async def kept(self, site: str, contacts: Sequence[str]) -> list[WaitingContact | None]:
        """Read what is kept of contacts that wait, in one round trip; None where one waits no more."""
        keys = Keys(site)
        found = await self._connection.pipeline([("HGETALL", keys.contact(contact)) for contact in contacts])
        return [_kept(fields) for fields in found]

    async def contact(self, site: str, contact: str, now_ms: int) -> Contact:
        """Read a contact. Raises ContactNotFound."""
        fields = await self._connection.run("HGETALL", Keys(site).contact(contact))
        if not fields:
            raise ContactNotFound(contact_name(site, contact))
        return decode_contact(contact, fields_of(fields), now_ms)

    async def history(self, site: str, contact: str) -> list[ContactEvent]:
        """Read the steps of a contact's life that are kept, the earliest first. Raises ContactNotFound."""
        fields = await self._connection.run("HGETALL", Keys(site).contact(contact))
        if not fields:
            raise ContactNotFound(contact_name(site, contact))
        return decode_history(contact, fields_of(fields))

    async def contacts(
        self, site: str, pool: str | None, state: ContactState | None, most: int, after: str, now_ms: int
    ) -> Page[Contact]:
        """List a page of the contacts that have not ended, the oldest first."""
        keys, listed = Keys(site), list[tuple[int, Contact]]()
        while True:
            # 64 more than asked: those that began in the same millisecond as the last one of the page before.
            start = after.partition("|")[0] or "-inf"
            found = pairs_of(
                await self._connection.run(
                    "ZRANGE", keys.contacts, start, "+inf", "BYSCORE", "LIMIT", 0, most + 64, "WITHSCORES"
                )
            )
            ids = [(int(at), member.decode()) for member, at in found]
            ids = [one for one in ids if not after or one > _place(after)]
            records = await self._connection.pipeline([("HGETALL", keys.contact(one)) for _, one in ids])
            for (at, one), fields in zip(ids, records, strict=True):
                if not fields:
                    # Its record is forgotten: nobody came back to it.
                    await self._connection.run("ZREM", keys.contacts, one)
                    continue
                read = decode_contact(one, fields_of(fields), now_ms)
                if read.state in ENDED:
                    # Its deadline has passed, and nobody has written that down yet.
                    continue
                if (pool is None or read.pool == pool) and (state is None or read.state is state):
                    listed.append((at, read))
                if len(listed) > most:
                    began, last = listed[most - 1]
                    return Page(tuple(contact for _, contact in listed[:most]), f"{began}|{last.id}")
            if len(found) < most + 64:
                return Page(tuple(contact for _, contact in listed), "")
            after = f"{ids[-1][0]}|{ids[-1][1]}"

    async def leave(self, site: str, contact: str, cause: Cause) -> LeaveResult:
        """Take a contact out of the queue: given up (CANCELED), or because its wait is over (WAIT_EXPIRED)."""
        keys = Keys(site)
        answer = await self._connection.verb(
            "leave",
            [keys.contact(contact), keys.load, keys.queue, keys.waiting, keys.contacts, keys.timers],
            [contact, cause, self._keep_ms, self._events],
        )
        return LeaveResult(*(part.decode() for part in answer))

    async def give_back(self, site: str, freed: Mapping[str, int]) -> None:
        """Let new messages have agents whom nobody who waits may take; freed: since when each is free, in ms."""
        if freed:
            await self._connection.verb("give_back", list(map(Keys(site).agent, freed)), list(freed.values()))

    async def lead(self, site: str, process: str, lease_ms: int) -> LeaderLease:
        """Take or keep the lease of the dispatcher."""
        keys = Keys(site)
        answer = await self._connection.verb("lead", [keys.dispatcher, keys.load], [process, lease_ms])
        return LeaderLease(answer[0] == b"leads", int(answer[1]))

    async def waiting(self, site: str) -> dict[str, int]:
        """Read how many contacts wait, by pool."""
        counts = fields_of(await self._connection.run("HGETALL", Keys(site).waiting))
        return {pool: int(count) for pool, count in counts.items() if not pool.startswith(IN_POOL)}


def _place(after: str) -> tuple[int, str]:
    at, _, contact = after.partition("|")
    return int(at), contact


def _kept(flat: Any) -> WaitingContact | None:
    fields = fields_of(flat) if flat else {}
    if "score" not in fields or "sealed" not in fields:
        return None
    return WaitingContact(
        sealed=fields["sealed"],
        channel=text(fields, "channel"),
        customer=text(fields, "customer"),
        created_ms=number(fields, "created"),
        waits_until_ms=number(fields, "waits"),
        handed_on=text(fields, "reservation") if "moving" in fields else "",
        excluded={name[2:]: int(until) for name, until in fields.items() if name.startswith("x:")},
    )
