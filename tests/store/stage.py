"""Site with a few agents in a real store, on which tests run the verbs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from matcher.errors import ReservationNotFound
from matcher.model import Agent, Basis, Capacity, ChannelCapacity, Contact, Hold, PoolPolicy, Profile, Reservation
from matcher.model.lifecycle import AgentStatus, ReservationState
from matcher.store.codecs import fields_of, pairs_of
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.models import ModelStore
from matcher.store.outbox import OutboxStore
from matcher.store.presence import PresenceStore
from matcher.store.redis.client import StoreClient
from matcher.store.redis.verb_call import VerbCall
from matcher.store.reservations import (
    Enqueued,
    Lifetimes,
    ReservationRef,
    ReservationStore,
    ReserveAnswer,
    Reserved,
    ReserveKind,
    ReserveRequest,
    Shortlist,
    WaitTerms,
)
from matcher.store.roster import RosterStore
from matcher.store.sites import SiteStore
from matcher.store.verbs import VERBS, ContactStep, Transition
from tests.store.access import store_now_ms

LONG_MS: Final = 600_000
KEEP_MS: Final = 60_000
EVENTS_KEPT: Final = 100_000
OUTBOX_KEPT: Final = 10_000
LIFETIMES: Final = Lifetimes(
    request_window_ms=3_600_000,
    own_request_ms=60_000,
    decision_ms=3_600_000,
    keep_ms=KEEP_MS,
    events_kept=EVENTS_KEPT,
    outbox_kept=OUTBOX_KEPT,
)
CHAT: Final = {"chat": ChannelCapacity(1)}


def profile(total: int = 1, channels: Mapping[str, ChannelCapacity] = CHAT, *pools: str) -> Profile:
    """Return a profile with a capacity, in the pools named, or in the default pool."""
    return Profile("", ("gardening",), capacity=Capacity(total, channels), pools=pools or ("default",))


READS: Final = {
    "hash": ("HGETALL",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    "set": ("SMEMBERS",),
    "stream": ("XRANGE", "-", "+"),
    "string": ("GET",),
}
"""How each type of key is read whole."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a reserve, and its shortlist."""

    claim: ReserveRequest
    offer: Shortlist


@dataclass
class Stage:
    """One site of the store, with the store's modules as the service uses them."""

    connection: StoreClient
    site: str = field(default_factory=lambda: f"s{secrets.token_hex(6)}")

    def __post_init__(self) -> None:
        self.keys = Keys(self.site)
        self.roster = RosterStore(self.connection, EVENTS_KEPT)
        self.sites = SiteStore(self.connection, EVENTS_KEPT)
        self.models = ModelStore(self.connection)
        self.routing = ReservationStore(self.connection, LIFETIMES)
        self.contacts = ContactStore(self.connection, keep_ms=KEEP_MS, events_kept=EVENTS_KEPT, outbox_kept=OUTBOX_KEPT)
        self.presence = PresenceStore(self.connection, EVENTS_KEPT)
        self.customers = CustomerStore(self.connection, ServiceKeys.of_secret(b"secret"))
        self.outbox = OutboxStore(self.connection, OUTBOX_KEPT)

    async def set_up(self) -> None:
        """Add the default pool."""
        await self.sites.found(self.site, "stage", listed=False)
        await self.roster.put_pool(self.site, "default", PoolPolicy(), 0)
        await self.sites.put_on_list(self.site)
        await self.sites.found(self.site, "stage", listed=True)

    async def clear(self) -> None:
        """Delete the site with everything in it."""
        await self.sites.delete(await self.sites.begin_deletion(self.site, force=True))

    async def put(
        self,
        agent: str,
        total: int = 1,
        channels: Mapping[str, ChannelCapacity] = CHAT,
        *,
        status: AgentStatus | None = AgentStatus.ONLINE,
        expected: int | None = None,
        pools: Sequence[str] = ("default",),
    ) -> Agent:
        """Write an agent, by default in the default pool."""
        return await self.roster.put_agent(
            self.site,
            agent,
            profile(total, channels, *pools),
            status,
            model="m",
            vectors=None,
            expected=expected,
            pools_before=(),
        )

    async def remove(self, agent: str) -> None:
        """Remove an agent of the default pool."""
        await self.roster.delete_agent(self.site, agent, expected=None, pools=("default",))

    async def set_idle(self, agent: str, idle_since_ms: int) -> None:
        """Set since when an agent is idle."""
        await self.raw("HSET", self.keys.agent(agent), "idle", idle_since_ms)

    def claim(self, *candidates: str | tuple[str, float], **changes: Any) -> Asked:
        """Return a request with ids of its own, and its shortlist; the default affinity of a candidate is 0.5."""
        offer: dict[str, Any] = {
            "basis": Basis.AFFINITY,
            "tolerance": 0.0,
            "record": b"{}",
            "facts": "",
            "candidates": [one if isinstance(one, tuple) else (one, 0.5) for one in candidates],
            "compared": "",
        }
        claim: dict[str, Any] = {
            "site": self.site,
            "contact": f"c{secrets.token_hex(6)}",
            "reservation": f"r{secrets.token_hex(6)}",
            "decision": f"d{secrets.token_hex(6)}",
            "request_id": f"q{secrets.token_hex(6)}",
            "own_request": False,
            "digest": "0a" * 16,
            "pool": "default",
            "channel": "chat",
            "customer": "",
            "hold_ms": LONG_MS,
            "accepted": False,
        }
        for name, value in changes.items():
            (offer if name in offer else claim)[name] = value
        return Asked(ReserveRequest(**claim), Shortlist(**offer))

    async def expire(self, reservation: str, max_missed: int = 0) -> str:
        """Write the consequence of a passed deadline; return the state before, "" if another call wrote it."""
        try:
            ref = await self.routing.reference(self.site, reservation)
        except ReservationNotFound:
            await self.routing.forget_due(self.site, reservation)
            return ""
        lapsed = await self.routing.expire(ref, max_missed)
        return lapsed.was if lapsed else ""

    async def reserve(self, asked: Asked, *, or_wait: bool = False) -> ReserveAnswer:
        """Reserve an agent."""
        return await self.routing.reserve(asked.claim, asked.offer, or_wait=or_wait)

    async def hold(self, *candidates: str | tuple[str, float], **changes: Any) -> Reservation:
        """Reserve a candidate who must have free capacity."""
        claimed = await self.reserve(self.claim(*candidates, **changes))
        assert isinstance(claimed, Reserved), claimed
        return claimed.reservation

    def waiting(self, most_ms: int = LONG_MS, head_start_ms: int = 0, sealed: bytes = b"sealed") -> WaitTerms:
        """Return terms by which a contact may wait."""
        return WaitTerms(most_ms, head_start_ms, sealed)

    async def line_up(self, contact: str, waiting: WaitTerms | None = None, /, **changes: Any) -> Enqueued:
        """Queue a contact without candidates."""
        asked = self.claim(**{"contact": contact, "waiting": waiting or self.waiting(), **changes})
        answer = await self.reserve(asked, or_wait=True)
        assert isinstance(answer, Enqueued), answer
        return answer

    def serve(self, contact: str, /, *candidates: str | tuple[str, float], **changes: Any) -> Asked:
        """Return the request of the queue's leader for a contact that waits."""
        own = {"request_id": "", "digest": "", "how": ReserveKind.QUEUE}
        return self.claim(*candidates, **{**own, "contact": contact, **changes})

    async def served(self, contact: str, /, *candidates: str | tuple[str, float], **changes: Any) -> Reservation:
        """Reserve a candidate, who must have free capacity, for a contact that waits."""
        claimed = await self.reserve(self.serve(contact, *candidates, **changes))
        assert isinstance(claimed, Reserved), claimed
        return claimed.reservation

    def handing_on(self, old: Reservation, how: ReserveKind = ReserveKind.TRANSFER) -> dict[str, Any]:
        """Return the fields of a request that make it the transfer of a conversation."""
        return {"contact": old.contact, "how": how, "handed_on": self.reference(old)}

    async def in_line(self) -> list[str]:
        """Name the contacts that wait, in the order of the queue."""
        return [one.contact for one in await self.contacts.queue(self.site)]

    async def walked(self, contact: str) -> list[str]:
        """Return the steps of a contact's life: state and cause."""
        return [f"{one.state} {one.cause}" for one in await self.contacts.history(self.site, contact)]

    async def fields(self, contact: str) -> dict[str, bytes]:
        """Read a contact's record as it is stored."""
        return fields_of(await self.raw("HGETALL", self.keys.contact(contact)))

    def reference(self, reservation: Reservation) -> ReservationRef:
        """Return the reference that a transition of a reservation needs."""
        return ReservationRef(self.site, reservation.id, reservation.agent, reservation.contact, reservation.pool)

    async def everything(self) -> dict[bytes, Any]:
        """Return all records of the site, by key: hashes and sorted sets decoded."""
        cursor, keys = await self.raw("SCAN", 0, "MATCH", self.keys.pattern, "COUNT", 1_000_000)
        assert cursor == 0
        types = await self.connection.pipeline([("TYPE", key) for key in keys])
        # What has ended since is not there.
        there = [(key, kind) for key, kind in zip(keys, types, strict=True) if kind != b"none"]
        reads = [(key, *READS[kind.decode()]) for key, kind in there]
        values = await self.connection.pipeline([(command, key, *rest) for key, command, *rest in reads])
        return {key: _told(kind, value) for (key, kind), value in zip(there, values, strict=True) if value}

    async def raw(self, *command: Any) -> Any:
        """Run one command of the store, as the service's user."""
        return await StoreClient.run(self.connection, *command)

    async def now_ms(self) -> int:
        """Read the store's clock."""
        return await store_now_ms(self.connection)

    async def passed(self, at_ms: int) -> None:
        """Wait until the store's clock has passed a moment."""
        left_ms = at_ms - await self.now_ms()
        if left_ms >= 0:
            await asyncio.sleep((left_ms + 1) / 1000)
            await self.passed(at_ms)

    async def holds(self, agent: str) -> tuple[Hold, ...]:
        """Read what an agent holds."""
        return (await self.roster.holds(self.site, [agent], await self.now_ms()))[0]

    async def held_by(self, agent: str) -> list[str]:
        """Name the reservations that hold an agent."""
        return sorted(hold.reservation for hold in await self.holds(agent))

    async def due(self) -> list[str]:
        """Name the reservations whose deadline is still to come or not yet written."""
        found = await self.raw("ZRANGE", self.keys.due, 0, -1)
        return sorted(member.decode().removeprefix("reservation|") for member in found)

    async def lease(self, agent: str) -> dict[bytes, float]:
        """Read an agent's holds as they are stored, lapsed or not."""
        return dict(pairs_of(await self.raw("ZRANGE", self.keys.holds(agent), 0, -1, "WITHSCORES")))

    async def reservation(self, reservation: str) -> Reservation:
        """Read a reservation as it is now."""
        return await self.routing.reservation(self.site, reservation, await self.now_ms())

    async def state(self, reservation: str) -> ReservationState:
        """Read the state of a reservation now."""
        return (await self.reservation(reservation)).state

    async def contact(self, contact: str) -> Contact:
        """Read a contact as it is now."""
        return await self.contacts.contact(self.site, contact, await self.now_ms())

    async def agent(self, agent: str) -> Agent:
        """Read an agent who exists."""
        found = await self.roster.agent(self.site, agent, await self.now_ms())
        assert found is not None
        return found

    async def verb(self, verb: str, reservation: Reservation, *, fence: int = 0, **args: str | int | None) -> list[Any]:
        """Run a transition and return its answer as the verb gives it."""
        keys = self.keys
        transition = Transition(
            step=ContactStep.of(keys, reservation.contact, KEEP_MS, EVENTS_KEPT, OUTBOX_KEPT),
            reservation=keys.reservation(reservation.id),
            agent=keys.agent(reservation.agent),
            holds=keys.holds(reservation.agent),
            pool=keys.pool(reservation.pool),
            due=keys.due,
            roster=keys.roster,
            reservation_id=reservation.id,
            agent_id=reservation.agent,
            fence=fence,
            returned="RETURNED",
        )
        call: Callable[..., VerbCall] = VERBS[verb]
        if verb == "complete":
            args = {"outcomes": keys.outcomes(reservation.contact), **args}
        return await self.connection.verb(call(transition=transition, **args))

    async def ends(self) -> tuple[int, ...]:
        """Return how many events each stream has had."""
        lasts = [await self.raw("XREVRANGE", key, "+", "-", "COUNT", 1) for key in (self.keys.roster, self.keys.load)]
        return tuple(int(last[0][0].partition(b"-")[2]) if last else 0 for last in lasts)


def _told(kind: bytes, value: Any) -> Any:
    if kind == b"hash":
        return {name.decode(errors="replace"): field for name, field in value.items()}
    if kind == b"zset":
        return {member.decode(): int(score) for member, score in pairs_of(value)}
    return value
