"""The queue dispatcher: offers waiting contacts to agents whenever an agent may be free, in the jointly best pairs."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Final

import structlog

from matcher.aio import BackgroundTasks, cancel_and_wait
from matcher.errors import MatcherError, ReservationNotFound
from matcher.model import Pool, PoolPolicy
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoder_share import EncoderShare
from matcher.routing.mean_affinity import MeanAffinity
from matcher.routing.queued_contacts import (
    MOST_AGENTS,
    Group,
    QueuedContact,
    SearchedContact,
    pair_contacts,
    with_arm,
)
from matcher.routing.ranker import Ranker, RankRequest, shortlist_of, unknown_preferred
from matcher.routing.reserve_requests import ContactToReserve, new_reserve_request
from matcher.routing.returning_customers import ReturningCustomers
from matcher.routing.waiting_reader import Quarantined, WaitingReader
from matcher.store.clock import GRACE_MS, Clock
from matcher.store.contacts import ContactStore, QueuePlace
from matcher.store.reservations import Full, ReservationStore, Reserved, ReserveKind, ReserveRequest
from matcher.store.sealer import Sealer
from matcher.telemetry.tracing import offered

log = structlog.get_logger(__name__)

LEADER_LEASE_MS: Final = 1_000
"""After the death of the leading process another process serves the queue within this time."""
MOST_AT_ONCE: Final = 64
LEAST_AT_ONCE: Final = 8
CONTACTS_PER_AGENT: Final = 4
"""The batch is four waiting contacts per free agent, within these bounds. A smaller batch never lets a later contact
overtake; a larger one only finds closer agents."""
RETRY_SECONDS: Final = 0.2
CATCH_UP_SECONDS: Final = 0.2


@dataclass(slots=True)
class Pass:
    """What one pass over the queue tried without success, and when something changes by itself."""

    full: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of a contact and an agent who was full for it."""
    gone: set[str] = field(default_factory=set)
    """Contacts that no longer wait according to the store, or for which no agent had free capacity."""
    wake_ms: float = math.inf

    def wake_by(self, at_ms: float | None) -> None:
        """Note when something changes by itself; None: never."""
        if at_ms is not None:
            self.wake_ms = min(self.wake_ms, at_ms)


class QueueDispatcher:
    """Serves the queue of one site while this process has the leader lease; sleeps while no contact waits.

    Two dispatchers of one site do no harm: the store lets a contact leave the queue only once.
    """

    def __init__(
        self,
        replica: SiteReplica,
        store: ReservationStore,
        contacts: ContactStore,
        ranker: Ranker,
        sealer: Sealer,
        clock: Clock,
        on_served: Callable[[float], None] = lambda _: None,
        tasks: BackgroundTasks | None = None,
        on_quarantined: Callable[[Quarantined], None] = lambda _: None,
        share: EncoderShare | None = None,
        returning: ReturningCustomers | None = None,
    ) -> None:
        """on_served: called with the seconds that a contact waited. on_quarantined, returning: see WaitingReader.

        share: the part of the encoder of all queues.
        """
        self._replica = replica
        self._store = store
        self._contacts = contacts
        self._ranker = ranker
        self._reader = WaitingReader(replica, contacts, sealer, on_quarantined, share, returning)
        self._clock = clock
        self._on_served = on_served
        self._process = secrets.token_hex(8)
        self._entries: dict[str, QueuedContact] = {}
        self._mean_affinity: dict[str, MeanAffinity] = {}
        """By pool, of the pools that compare."""
        self._wake_ms = 0.0
        """When something changes by itself: a requirement lapses, or an agent is no longer excluded."""
        self._task = (tasks or BackgroundTasks()).start(f"dispatch {replica.site}", self._run)

    async def close(self) -> None:
        """Stop, and leave the leader lease to another process."""
        await cancel_and_wait(self._task)
        if self._entries:
            with suppress(MatcherError):
                await self._contacts.lead(self._replica.site, self._process, 1)

    async def _run(self) -> None:
        replica, queue = self._replica, self._replica.queue
        while not replica.removed:
            try:
                await self._queue_filled()
                lease = await self._contacts.lead(replica.site, self._process, LEADER_LEASE_MS)
                if not lease.held:
                    self._entries.clear()
                    self._wake_ms = 0.0
                    await asyncio.sleep(min(lease.number, LEADER_LEASE_MS) / 1000)
                    continue
                # A contact that any server has queued before now is part of the pass.
                await replica.catch_up(CATCH_UP_SECONDS, load=lease.number)
                if queue.changed.is_set() or self._wake_ms <= self._now():
                    queue.changed.clear()
                    renewing = asyncio.create_task(self._renew(), name=f"lease {replica.site}")
                    try:
                        self._wake_ms = await self._serve()
                    finally:
                        await cancel_and_wait(renewing)
                # The leader lease is renewed while contacts wait; a pass is made only when something has changed.
                seconds = min(LEADER_LEASE_MS / 3, max(self._wake_ms - self._now(), 1)) / 1000
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await queue.changed.wait()
            except MatcherError as fault:
                log.warning("the queue waits for the store", site=replica.site, why=str(fault))
                self._wake_ms = 0.0
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                # The task is started again. The waiting contacts are in the store, and the next pass reads them there.
                self._entries.clear()
                self._wake_ms = 0.0
                raise

    async def _renew(self) -> None:
        """Keep the leader lease during a long pass: a new leader would read and encode all waiting contacts again."""
        while True:
            await asyncio.sleep(LEADER_LEASE_MS / 3000)
            with suppress(MatcherError):
                await self._contacts.lead(self._replica.site, self._process, LEADER_LEASE_MS)

    def _now(self) -> int:
        return self._clock.now_ms() - GRACE_MS

    async def _queue_filled(self) -> None:
        """Return once a contact waits and the replica has read the site."""
        replica, queue = self._replica, self._replica.queue
        while not len(queue) or not replica.caught_up:
            self._entries.clear()
            self._wake_ms = 0.0
            if replica.caught_up:
                await queue.changed.wait()
                queue.changed.clear()
            else:
                await replica.wait_ready(RETRY_SECONDS)

    async def _serve(self) -> float:
        """Offer pairs until no waiting contact can be served; return when something changes by itself, in ms."""
        this_pass, freed = Pass(), self._replica.queue.pop_freed()
        while searched := await self._search_first(this_pass):
            chosen = pair_contacts(searched, self._replica.index.agent, self._now())
            if chosen:
                await self._offer(chosen, this_pass)
            else:
                # None of the agents found has free capacity after all: the contacts behind may find others.
                this_pass.gone |= {contact.contact.place.contact for contact in searched}
        # A contact that could not be encoded is encoded again in the next pass.
        self._entries = {contact: entry for contact, entry in self._entries.items() if not entry.encoded.degraded}
        # No waiting contact needs the agents who are free now: new messages may have them.
        await self._contacts.give_back(self._replica.site, freed)
        return this_pass.wake_ms

    async def _search_first(self, this_pass: Pass) -> list[SearchedContact]:
        """Find the free agents for the first contacts in the queue that an agent can serve.

        All contacts are compared by the queue and the free agents of one moment, without a pause in between. With a
        pause a later contact could be given an agent who became free, or would miss a contact that was put back, after
        the contacts before it had found no agent.
        """
        for gone in [contact for contact in self._entries if contact not in self._replica.queue]:
            del self._entries[gone]
        while True:
            now, order = self._now(), self._order(this_pass)
            # Contacts before the first one that is still to be read can be compared without it.
            ready = [self._entries[place.contact] for place in takewhile(self._has_entry, order)]
            searched = await self._search(ready, now, this_pass)
            if searched or len(ready) == len(order):
                return searched
            new = [place for place in order if not self._has_entry(place)]
            await self._enter(new[:MOST_AT_ONCE], this_pass)

    async def _search(self, ready: Sequence[QueuedContact], now: int, this_pass: Pass) -> list[SearchedContact]:
        """Find the free agents for a batch of the first contacts.

        Only a search is costly: so contacts of a group without free agents are skipped.
        """
        free: dict[Group, int] = {}
        candidates = []
        for contact in ready:
            contact.relax(now)
            this_pass.wake_by(contact.changes_ms)
            if contact.group not in free:
                anybody = replace(contact.requirements, excluded=frozenset(), only="")
                free[contact.group] = len(self._replica.index.least_utilized(anybody, MOST_AGENTS))
            if free[contact.group]:
                candidates.append(contact)
        most = min(MOST_AT_ONCE, max(LEAST_AT_ONCE, CONTACTS_PER_AGENT * sum(free.values())))
        searched: list[SearchedContact] = []
        for contact in candidates:
            found = await self._search_alone(contact, now, this_pass)
            if found is not None:
                searched.append(found)
            if len(searched) == most:
                break
        return searched

    def _order(self, this_pass: Pass) -> list[QueuePlace]:
        return [place for place in self._replica.queue if place.contact not in this_pass.gone]

    def _has_entry(self, place: QueuePlace) -> bool:
        # A contact that was routed again while it waited may have another message: then its place differs.
        entry = self._entries.get(place.contact)
        return entry is not None and entry.place == place

    def _pool(self, pool: str) -> Pool:
        """Return a pool; one that was removed meanwhile, with the policy of a new one."""
        return self._replica.pools.known.get(pool) or Pool(pool, PoolPolicy(), 0, 0, 0)

    async def _search_alone(self, contact: QueuedContact, now: int, this_pass: Pass) -> SearchedContact | None:
        """Find the free agents for a contact; None where no agent can serve it."""
        replica, requirements, record = self._replica, contact.requirements, contact.record
        pool = self._pool(contact.place.pool)
        excluded = set(requirements.excluded)
        for agent, until in record.excluded.items():
            known = replica.index.agent(agent)
            if known is not None and known.is_another(record.excluded_uids.get(agent, "")):
                continue
            if not until or until > now:
                excluded.add(agent)
                this_pass.wake_by(until or None)
        never = frozenset(excluded)
        excluded |= {agent for full_for, agent in this_pass.full if full_for == contact.place.contact}
        # An agent to whom the contact was transferred by id, and who did not accept: now any agent may have it.
        only = "" if requirements.only in record.excluded else requirements.only
        requirements = replace(requirements, excluded=frozenset(excluded), only=only)
        terms, preferred = await self._ranker.terms(replica, pool, contact.encoded), contact.message.preferred
        request = RankRequest(replica, pool, contact.encoded, requirements, preferred, record.draw)
        ranking = await self._ranker.rank_preferred(request)
        if ranking is not None:
            return SearchedContact(contact, pool, requirements, terms, preferred=ranking)
        # Only an agent who is too busy at the moment is waited for: not who is away, gone, or excluded.
        possible = replace(requirements, excluded=never)
        kept = [agent for agent in request.first if agent.kept_ms and replica.index.may_take(agent.agent, possible)]
        kept_until = max((record.created_ms + agent.kept_ms for agent in kept), default=0)
        if kept_until > now:
            this_pass.wake_by(kept_until)
            return None
        encoded = contact.encoded
        result = replica.index.find(
            encoded.query(terms.floor, pool.policy.profile_weight),
            requirements,
            max_free=MOST_AGENTS,
            # A contact with an arm needs the least utilized agents in any case: they are the choice of control.
            floor=math.inf if record.draw else terms.floor,
        )
        if not result.eligible:
            return None
        searched = SearchedContact(contact, pool, requirements, terms, result=result)
        if record.draw is None:
            return searched
        mean = self._mean_affinity.setdefault(pool.id, MeanAffinity())
        return with_arm(searched, mean, await self._ranker.known_and_free(request))

    async def _offer(self, chosen: Sequence[tuple[SearchedContact, str]], this_pass: Pass) -> None:
        """Offer the pairs in the order of the queue, up to the first that fails.

        The contacts after it are compared again: else a later contact could be given an agent whom the failed contact
        can have.
        """
        offers = []
        for searched, agent in await self._without_forgotten(chosen):
            request = await self._reserve_request(searched)
            if request is not None:
                left_out = self._replica.index.left_out(searched.requirements)
                unknown = unknown_preferred(self._replica, searched.contact.message.preferred)
                ranking = replace(searched.ranking(agent), left_out=left_out, unknown_preferred=unknown)
                offers.append((searched.contact, agent, request, shortlist_of(self._replica, ranking, only=agent)))
        if not offers:
            return
        since_ns = time.time_ns()
        answers = await self._store.reserve_in_order([(request, shortlist) for _, _, request, shortlist in offers])
        for (contact, agent, request, _), answer in zip(offers, answers, strict=False):
            match answer:
                case Reserved(reservation):
                    self._entries.pop(request.contact, None)
                    self._replica.apply_reserved(request, answer)
                    waited = (reservation.created_ms - contact.record.created_ms) / 1000
                    offered(contact.record.requirements.trace, since_ns, {"matcher.waited_seconds": waited})
                    self._on_served(waited)
                case Full(load_event):
                    this_pass.full.add((request.contact, agent))
                    await self._replica.catch_up(RETRY_SECONDS, load=load_event)
                case _:
                    # Another process offered the contact first, or the contact no longer waits: its next event says
                    # which. That event may have arrived already, and a later one that put the contact back.
                    this_pass.gone.add(request.contact)
                    self._entries.pop(request.contact, None)

    async def _without_forgotten(
        self, chosen: Sequence[tuple[SearchedContact, str]]
    ) -> Sequence[tuple[SearchedContact, str]]:
        """Return the pairs before the first contact whose customer was forgotten since it was read.

        Such a contact is read again: nothing that was remembered of the customer counts any more, or is written.
        """
        named = [searched.contact for searched, _ in chosen if searched.contact.record.customer]
        if not named:
            return chosen
        customers = await self._contacts.customers(self._replica.site, [contact.place.contact for contact in named])
        forgotten = {
            contact.place.contact
            for contact, customer in zip(named, customers, strict=True)
            if customer != contact.record.customer
        }
        for contact in forgotten:
            self._entries.pop(contact, None)
        return list(takewhile(lambda pair: pair[0].contact.place.contact not in forgotten, chosen))

    async def _reserve_request(self, searched: SearchedContact) -> ReserveRequest | None:
        """Return what the store is asked for; None where the reservation to hand on does not exist any more."""
        site, queued, handed_on, wrap_up_ms = self._replica.site, searched.contact, None, 0
        contact, record = queued.place.contact, queued.record
        if record.handed_on:
            try:
                handed_on = await self._store.reference(site, record.handed_on)
            except ReservationNotFound:
                # The conversation ended long ago, and the contact with it.
                self._replica.queue.leave(contact)
                return None
            wrap_up_ms = (await self._replica.pools.policy(handed_on.pool)).wrap_up_after_transfer_ms
        return new_reserve_request(
            ContactToReserve(site, contact, searched.pool, record.channel, record.customer, queued.auto_accept),
            kind=ReserveKind.MOVE if handed_on else ReserveKind.QUEUE,
            handed_on=handed_on,
            handed_on_wrap_up_ms=wrap_up_ms,
            keeps_agent=record.keeps_agent,
        )

    async def _enter(self, new: Sequence[QueuePlace], this_pass: Pass) -> None:
        """Make entries of contacts that have none."""
        queued, left_out = await self._reader.read(new)
        this_pass.gone |= left_out
        for contact in queued:
            self._entries[contact.place.contact] = contact
            self._replica.queue.note_required(contact.place.contact, contact.message.requirements)
