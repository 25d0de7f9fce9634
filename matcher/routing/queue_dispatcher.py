"""Offers to those who wait: whenever an agent may be free for somebody in the queue, the best such pairs are held."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Final

import structlog

from matcher.aio import cancel_and_wait
from matcher.errors import MatcherError, ReservationNotFound
from matcher.index import Query
from matcher.model import Hold, Pool, PoolPolicy
from matcher.model.resource_names import new_id
from matcher.replica.site_replica import SiteReplica
from matcher.routing.queued_contacts import MOST_FREE, Group, QueuedContact, Searched, pair_contacts
from matcher.routing.ranker import Ranker, encode_message, shortlist_of
from matcher.store.clock import Clock
from matcher.store.contacts import ContactStore, QueuePlace
from matcher.store.reservations import Full, ReservationStore, Reserved, ReserveKind, ReserveRequest
from matcher.store.sealer import Sealer

log = structlog.get_logger(__name__)

LEASE_MS: Final = 1_000
"""After the death of the process that offers, another goes on within this time."""
MOST_AT_ONCE: Final = 64
LEAST_AT_ONCE: Final = 8
AN_AGENT: Final = 4
"""Of the first in the queue whom somebody may take so many are weighed for each agent who is free, within these bounds.
Fewer never break the law of the queue, more only find a closer agent for somebody."""
GRACE_MS: Final = 5
"""The local estimate of the store's clock may run ahead by this; what lapses with time is not taken to have lapsed
before."""
RETRY_SECONDS: Final = 0.2
CATCH_UP_SECONDS: Final = 0.2


@dataclass(slots=True)
class Pass:
    """What one pass over the queue has tried in vain."""

    barred: set[tuple[str, str]] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    """Contacts that the store says do not wait, or for whom nobody had room."""
    wake_ms: float = math.inf

    def wake_by(self, at_ms: float | None) -> None:
        """Note when something will change by itself."""
        if at_ms is not None:
            self.wake_ms = min(self.wake_ms, at_ms)


class QueueDispatcher:
    """Serve the queue of one site while this process has the lease; sleep while nobody waits.

    Two dispatchers of a site harm nobody: the store lets a contact leave the queue once.
    """

    def __init__(
        self,
        replica: SiteReplica,
        store: ReservationStore,
        contacts: ContactStore,
        ranker: Ranker,
        sealer: Sealer,
        clock: Clock,
        observe: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Take the site and what serves it; `observe` is told how long each contact waited, in seconds."""
        self._replica = replica
        self._store = store
        self._contacts = contacts
        self._ranker = ranker
        self._sealer = sealer
        self._clock = clock
        self._observe = observe
        self._name = secrets.token_hex(8)
        self._entries: dict[str, QueuedContact] = {}
        self._wake_ms = 0.0
        """When something changes by itself: a requirement lapses, an agent may be offered again."""
        self._task = asyncio.create_task(self._run(), name=f"dispatch {replica.site}")

    async def close(self) -> None:
        """Stop, and leave the lease to another."""
        await cancel_and_wait(self._task)
        if self._entries:
            with suppress(MatcherError):
                await self._contacts.lead(self._replica.site, self._name, 1)

    async def _run(self) -> None:
        replica, room = self._replica, self._replica.queue
        while not replica.removed:
            try:
                await self._someone_waits()
                lease = await self._contacts.lead(replica.site, self._name, LEASE_MS)
                if not lease.held:
                    self._entries.clear()
                    self._wake_ms = 0.0
                    await asyncio.sleep(lease.number / 1000)
                    continue
                # Whoever was told to wait before now is weighed, through whichever server they came.
                await replica.reached(lease.number, CATCH_UP_SECONDS)
                if room.stirred.is_set() or self._wake_ms <= self._now():
                    room.stirred.clear()
                    renewing = asyncio.create_task(self._renew(), name=f"lease {replica.site}")
                    try:
                        self._wake_ms = await self._serve()
                    finally:
                        await cancel_and_wait(renewing)
                # The lease is kept up while somebody waits; the queue is looked at only when something has changed.
                seconds = min(LEASE_MS / 3, max(self._wake_ms - self._now(), 1)) / 1000
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await room.stirred.wait()
            except MatcherError as fault:
                log.warning("those who wait must wait for the store", site=replica.site, why=str(fault))
                self._wake_ms = 0.0
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                # Whatever it was: those who wait are in the store, and the next pass begins from there.
                log.exception("offering failed", site=replica.site)
                self._entries.clear()
                self._wake_ms = 0.0
                await asyncio.sleep(RETRY_SECONDS)

    async def _renew(self) -> None:
        """Keep the lease, however long a pass takes: another process would read and encode everybody anew."""
        while True:
            await asyncio.sleep(LEASE_MS / 3000)
            with suppress(MatcherError):
                await self._contacts.lead(self._replica.site, self._name, LEASE_MS)

    def _now(self) -> int:
        return self._clock.now_ms() - GRACE_MS

    async def _someone_waits(self) -> None:
        """Return once somebody waits and the site is read."""
        replica, room = self._replica, self._replica.queue
        while not len(room) or not replica.caught_up:
            self._entries.clear()
            self._wake_ms = 0.0
            if replica.caught_up:
                await room.stirred.wait()
                room.stirred.clear()
            else:
                await replica.ready(RETRY_SECONDS)

    async def _serve(self) -> float:
        """Hold pairs until nobody who waits can be served; return when something will change by itself, in ms."""
        tried, freed = Pass(), self._replica.take_freed()
        while wanted := await self._weigh(tried):
            chosen = pair_contacts(wanted, self._replica.index.agent, self._now())
            if chosen:
                await self._offer(chosen, tried)
            else:
                # Whoever they were found has no room after all: those behind them may find somebody.
                tried.gone |= {one.entry.place.contact for one in wanted}
        # Nobody who waits may take those who are free by now: new messages may have them.
        await self._contacts.give_back(self._replica.site, freed)
        return tried.wake_ms

    async def _weigh(self, tried: Pass) -> list[Searched]:
        """Find the free agents for the first in the queue whom somebody may take.

        All are weighed by who waits and who is free at one moment, with no pause in between: else whoever came later
        would be given an agent who became free, or would miss a contact that was put back, after those before them had
        been passed over.
        """
        for gone in [contact for contact in self._entries if contact not in self._replica.queue]:
            del self._entries[gone]
        while True:
            now, order = self._now(), self._order(tried)
            # Who comes before everybody who is still to be read can be weighed without them.
            ready = [self._entries[place.contact] for place in takewhile(self._has_entered, order)]
            wanted = await self._first(ready, now, tried)
            if wanted or len(ready) == len(order):
                return wanted
            new = [place for place in order if not self._has_entered(place)]
            await self._enter(new[:MOST_AT_ONCE], tried)

    async def _first(self, ready: Sequence[QueuedContact], now: int, tried: Pass) -> list[Searched]:
        """Find the free agents for the first of those whom somebody may take: only they cost more than a look."""
        free: dict[Group, int] = {}
        able = []
        for entry in ready:
            entry.relax(now)
            tried.wake_by(entry.changes_ms)
            if entry.group not in free:
                anybody = replace(entry.required, excluded=frozenset(), only="")
                free[entry.group] = len(self._replica.index.longest_idle(anybody, MOST_FREE))
            if free[entry.group]:
                able.append(entry)
        most = min(MOST_AT_ONCE, max(LEAST_AT_ONCE, AN_AGENT * sum(free.values())))
        wanted: list[Searched] = []
        for entry in able:
            one = await self._compared(entry, now, tried)
            if one is not None:
                wanted.append(one)
            if len(wanted) == most:
                break
        return wanted

    def _order(self, tried: Pass) -> list[QueuePlace]:
        return [place for place in self._replica.queue if place.contact not in tried.gone]

    def _has_entered(self, place: QueuePlace) -> bool:
        # A contact that was routed anew while it waited may say something else by now.
        entry = self._entries.get(place.contact)
        return entry is not None and entry.place == place

    async def _compared(self, entry: QueuedContact, now: int, tried: Pass) -> Searched | None:
        """Find who is free for one who waits; None where nobody is."""
        replica, required, began = self._replica, entry.required, entry.kept.created_ms
        pool = replica.pools.known.get(entry.place.pool) or Pool(entry.place.pool, PoolPolicy(), 0, 0, 0)
        excluded = set(required.excluded)
        for agent, until in entry.kept.excluded.items():
            if not until or until > now:
                excluded.add(agent)
                tried.wake_by(until or None)
        excluded |= {agent for contact, agent in tried.barred if contact == entry.place.contact}
        # Whom it was handed to by name did not take it: before nobody does, anybody may.
        only = "" if required.only in entry.kept.excluded else required.only
        required = replace(required, excluded=frozenset(excluded), only=only)
        floor, tolerance = await replica.floor(pool), self._ranker.tolerance(pool)
        preferred = entry.message.preferred
        ranking = await self._ranker.preferred(replica, pool, entry.read, required, preferred)
        if ranking is not None:
            return Searched(entry, pool, required, floor, tolerance, preferred=ranking)
        kept_until = max((began + one.kept_ms for one in preferred), default=0)
        if kept_until > now:
            tried.wake_by(kept_until)
            return None
        read = entry.read
        found = replica.index.find(Query(read.vectors, read.stems), required, max_idle=MOST_FREE, floor=floor)
        return Searched(entry, pool, required, floor, tolerance, found=found) if found.eligible else None

    async def _offer(self, chosen: Sequence[tuple[Searched, str]], tried: Pass) -> None:
        """Offer, in the order of the queue, up to a pair that comes to nothing.

        Those after it are weighed anew: else somebody later would be given an agent whom that one could have.
        """
        asked = []
        for one, agent in chosen:
            claim = await self._claim(one)
            if claim is not None:
                left_out = self._replica.index.left_out(one.requirements)
                ranking = replace(one.ranking(agent), left_out=left_out)
                asked.append((one.entry, agent, claim, shortlist_of(self._replica, ranking, only=agent)))
        if not asked:
            return
        answers = await self._store.reserve_in_order([(claim, offer) for _, _, claim, offer in asked])
        for (entry, agent, claim, _), answer in zip(asked, answers, strict=False):
            contact = entry.place.contact
            match answer:
                case Reserved(held, event):
                    self._entries.pop(contact, None)
                    self._replica.apply_own_dequeue(contact, held.created_ms, event)
                    self._replica.apply_own_hold(
                        Hold(held.id, held.channel, held.cost, held.deadline_ms), held.agent, event
                    )
                    if claim.handed_on is not None:
                        self._replica.apply_own_release(
                            claim.handed_on.agent, claim.handed_on.reservation, held.created_ms
                        )
                    self._observe((held.created_ms - entry.kept.created_ms) / 1000)
                case Full(load_event, _):
                    tried.barred.add((contact, agent))
                    await self._replica.reached(load_event, RETRY_SECONDS)
                case _:
                    # Another was first, or it waits no more: the next step told of it says which. It may have come by
                    # now, and another one since that put it back.
                    tried.gone.add(contact)
                    self._entries.pop(contact, None)

    async def _claim(self, one: Searched) -> ReserveRequest | None:
        """Return what the store is asked for; None where there is nothing to hand on any more."""
        entry, policy, site = one.entry, one.pool.policy, self._replica.site
        contact, handed_on = entry.place.contact, None
        if entry.kept.handed_on:
            try:
                handed_on = await self._store.slot(site, entry.kept.handed_on)
            except ReservationNotFound:
                # The conversation is long over, and with it the contact.
                self._replica.queue.leave(contact)
                return None
        return ReserveRequest(
            site=site,
            contact=contact,
            reservation=new_id(),
            decision=new_id(),
            request_id="",
            own_request=True,
            digest="",
            pool=one.pool.id,
            channel=entry.kept.channel,
            customer=entry.kept.customer,
            hold_ms=policy.accepted_ms if entry.auto_accept else policy.offer_ms,
            accepted=entry.auto_accept,
            idle_ms=policy.idle_ms,
            how=ReserveKind.MOVE if handed_on else ReserveKind.QUEUE,
            handed_on=handed_on,
        )

    async def _enter(self, new: Sequence[QueuePlace], tried: Pass) -> None:
        """Make entries of those who are new here: read from the store, and encoded."""
        site = self._replica.site
        kept = await self._contacts.kept(site, [place.contact for place in new])
        opened = []
        for place, one in zip(new, kept, strict=True):
            written = None if one is None else self._sealer.open(site, place.contact, one.sealed)
            if one is None:
                tried.gone.add(place.contact)
            elif written is None:
                self._replica.queue.leave(place.contact)
                log.warning("a contact waits that was sealed under another secret", site=site)
            else:
                opened.append((place, one, written))
        reads = await asyncio.gather(*(encode_message(self._replica, written.message) for _, _, written in opened))
        for (place, one, written), as_read in zip(opened, reads, strict=True):
            message = written.message
            self._entries[place.contact] = QueuedContact(
                place, one, message, written.auto_accept, as_read, message.requirements
            )
