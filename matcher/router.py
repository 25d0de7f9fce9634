"""The router: encode, search, rank, reserve."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from matcher.clock import Clocks
from matcher.errors import (
    ContactEnded,
    ContactHeld,
    ContactStateWrong,
    MatcherError,
    RequestIdReused,
)
from matcher.lifecycle import AgentStatus, ContactState
from matcher.model import (
    Basis,
    Candidate,
    Constraint,
    Contact,
    Held,
    Hold,
    InLine,
    LeftOut,
    Message,
    Outcome,
    Pool,
    Preferred,
    Queued,
    Ranking,
    Requirements,
    Unmatched,
    Wait,
)
from matcher.names import contact_name, reservation_name
from matcher.ranking import LONGEST_IDLE, Ranker, Read
from matcher.ranking import offer as offer_of
from matcher.ranking import read as read_message
from matcher.replica import SiteReplica
from matcher.sealing import Sealer, Written
from matcher.sites import Sites
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.routing import (
    Claim,
    Claimed,
    Enqueued,
    Full,
    How,
    Offer,
    Refused,
    Replayed,
    RoutingStore,
    Slot,
    Waiting,
)

MOST_IN_A_CLAIM: Final = 64
CATCH_UP_SECONDS: Final = 0.5
MOST_LEFT_OUT: Final = 1_000
NOBODY: Final = Offer(Basis.FALLBACK, LONGEST_IDLE, b"", ())
"""Asks the store only whether a request was answered before, and whether its contact is held or has ended."""


@dataclass(frozen=True, slots=True, repr=False)
class Decided:
    """What was decided for a message together with others: how it reads, and whom to ask first.

    agent: one of the ranking's candidates; None: nobody was left, and the message goes its way alone.
    """

    read: Read
    ranking: Ranking | None = None
    agent: str | None = None


class Router:
    """Find the free agent with the closest affinity and hold a slot of theirs."""

    def __init__(
        self,
        store: RoutingStore,
        contacts: ContactStore,
        customers: CustomerStore,
        sites: Sites,
        clocks: Clocks,
        ranker: Ranker,
        sealer: Sealer,
        *,
        secret: bytes,
        observe_candidates: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._contacts = contacts
        self._customers = customers
        self._sites = sites
        self._clocks = clocks
        self._secret = secret
        self._ranker = ranker
        self._sealer = sealer
        self._observe_candidates = observe_candidates

    async def route(
        self,
        site: str,
        message: Message,
        *,
        contact_id: str,
        request_id: str,
        digest: bytes,
        auto_accept: bool,
        explain_unmatched: bool,
        wait: Wait | None = None,
        decided: Decided | None = None,
    ) -> Outcome:
        """Decide who takes the message and hold a slot of theirs; where nobody can and it may wait, let it wait.

        digest: what the request asks for; only a keyed digest of it is kept. decided: what a joint decision found;
        where its agent has no room any more, the message is routed alone.
        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what encoder and store raise.
        """
        replica = await self._sites.replica(site)
        pool = await replica.pool(message.requirements.pool)
        message = await self.acquainted(replica, pool, message)
        read = decided.read if decided else await read_message(replica, message)
        claim = self._claim(site, pool, message, contact_id, request_id, digest, auto_accept, wait)
        first = decided.ranking if decided and decided.agent else None
        only = decided.agent if decided else None
        outcome = await self._hold(replica, pool, message, read, claim, first=first, only=only)
        if isinstance(outcome, str):
            return await self._unmatched(replica, pool, outcome, read, message.requirements, explain_unmatched)
        return outcome

    async def transfer(
        self,
        site: str,
        contact_id: str,
        *,
        pool_id: str,
        agent: str,
        message: Message | None,
        request_id: str,
        digest: bytes,
        wait: Wait | None,
    ) -> Outcome:
        """Hand a contact on that an agent has accepted; the old slot is free only when the new one is held.

        pool_id, agent: "": the contact's own pool, anybody. message: whom the new agent should be like and what is
        required, None: nothing. Raises ContactNotFound, ContactStateWrong, PoolNotFound, RequestIdReused.
        """
        replica = await self._sites.replica(site)
        before = await self._contacts.contact(site, contact_id, self._clocks.of(site).now_ms())
        asked = message.requirements if message else Requirements()
        pool = await replica.pool(pool_id or before.pool)
        slot = await self._store.slot(site, before.reservation) if before.state is ContactState.ASSIGNED else None
        excluded = asked.excluded | set(before.excluded) | ({slot.agent} if slot else set())
        handed_on = Message(
            text=message.text if message else "",
            customer=before.customer,
            requirements=replace(asked, pool=pool.id, channel=before.channel, excluded=excluded, only=agent),
            preferred=message.preferred if message else (),
        )
        read = await read_message(replica, handed_on)
        claim = self._claim(site, pool, handed_on, contact_id, request_id, digest, auto_accept=False, wait=wait)
        # A contact that no agent has accepted is refused by the store, after it has looked for an answer given before.
        handed_over = slot or Slot(site, before.reservation, "-", contact_id, before.pool)
        outcome = await self._hold(
            replica, pool, handed_on, read, replace(claim, how=How.TRANSFER, handed_on=handed_over)
        )
        if isinstance(outcome, str):
            return await self._unmatched(replica, pool, outcome, read, handed_on.requirements, explain=False)
        return outcome

    async def link(self, site: str, handles: Sequence[str]) -> int:
        """Join the handles of one customer; return how many that customer has now."""
        await self._sites.replica(site)
        return await self._customers.link(site, handles)

    async def answered(
        self,
        site: str,
        message: Message,
        *,
        contact_id: str,
        request_id: str,
        digest: bytes,
        auto_accept: bool,
    ) -> Held | InLine | None:
        """Return the answer that the request was given before, None for a new one: nothing is held.

        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what the store raises.
        """
        replica = await self._sites.replica(site)
        pool = await replica.pool(message.requirements.pool)
        claim = self._claim(site, pool, message, contact_id, request_id, digest, auto_accept, wait=None)
        match await self._store.reserve(claim, NOBODY):
            case Replayed() as before:
                return await self._replay(replica, before, replayed=True)
            case Refused() as refused:
                raise _refusal(claim, refused)
        return None

    async def _hold(
        self,
        replica: SiteReplica,
        pool: Pool,
        message: Message,
        read: Read,
        claim: Claim,
        *,
        first: Ranking | None = None,
        only: str | None = None,
    ) -> Held | InLine | str:
        """Hold a slot for a claim, or let it wait; where it may not and nobody has room, return the contact's id.

        first, only: what was decided before, and for which of its candidates.
        """
        ranking = first or await self._first(replica, pool, message, read, claim)
        self._observe_candidates(ranking.eligible)
        offer, tried = offer_of(replica, ranking, only=only), set[str]()
        while True:
            match await self._store.reserve(claim, offer, or_wait=not offer.candidates):
                case Claimed(reservation, event):
                    hold = Hold(reservation.id, reservation.channel, reservation.cost, reservation.deadline_ms)
                    replica.held(hold, reservation.agent, event)
                    return Held(reservation, _chosen(ranking, reservation.agent), replayed=False)
                case Enqueued(score, waits_until_ms):
                    now = self._clocks.of(claim.site).now_ms()
                    place = replica.room.place(claim.contact, pool.id, score, waits_until_ms, now)
                    return InLine(claim.contact, place, replayed=False)
                case Replayed() as before:
                    return await self._replay(replica, before, replayed=not claim.own_request)
                case Refused() as refused:
                    raise _refusal(claim, refused)
                case Full(load_event):
                    if not offer.candidates:
                        return claim.contact
                    tried.update(agent for agent, _ in offer.candidates)
                    ranking = await self._next(replica, pool, message, read, tried, load_event)
                    if not ranking.candidates and claim.waiting is None:
                        return claim.contact
                    offer = offer_of(replica, ranking)

    async def _first(self, replica: SiteReplica, pool: Pool, message: Message, read: Read, claim: Claim) -> Ranking:
        """Rank whom the store is asked about first: an agent who is preferred, else those with the closest affinity."""
        required = message.requirements
        ranking = await self._ranker.preferred(replica, pool, read, required, message.preferred)
        if ranking is None:
            ranking = await self._ranker.rank(replica, pool, read, required)
            if required.only:
                ranking = replace(ranking, basis=Basis.TRANSFER)
            elif claim.waiting is not None and any(one.kept_ms for one in message.preferred):
                # It is kept for an agent who is busy: nobody else is asked yet.
                ranking = replace(ranking, candidates=())
        return replace(ranking, left_out=replica.index.left_out(required))

    async def acquainted(self, replica: SiteReplica, pool: Pool, message: Message) -> Message:
        """Return the message with the agent who served the customer well before, where the pool leads back to them."""
        policy = pool.policy
        if not policy.relationship_ms or not message.customer:
            return message
        now = self._clocks.of(replica.site).now_ms()
        for one in await self._customers.known(replica.site, message.customer, now):
            if not one.good or one.at_ms + policy.relationship_ms <= now:
                continue
            agent = replica.index.agent(one.agent)
            if agent is None or pool.id not in agent.profile.pools or one.agent in message.requirements.excluded:
                continue
            kept_ms = policy.relationship_wait_ms if agent.status is AgentStatus.ONLINE else 0
            led_back = Preferred(one.agent, Basis.RELATIONSHIP, kept_ms)
            return replace(message, preferred=(*message.preferred, led_back))
        return message

    async def suggest(
        self, site: str, message: Message, *, most: int, ignore_availability: bool, explain_left_out: bool
    ) -> Ranking:
        """Rank agents for the message and hold nothing."""
        replica = await self._sites.replica(site)
        pool = await replica.pool(message.requirements.pool)
        read = await read_message(replica, message)
        ranking = await self._ranker.rank(
            replica, pool, read, message.requirements, most=most, ignore_availability=ignore_availability
        )
        named = MOST_LEFT_OUT if explain_left_out else 0
        return replace(ranking, left_out=replica.index.left_out(message.requirements, name_agents=named))

    async def _next(
        self,
        replica: SiteReplica,
        pool: Pool,
        message: Message,
        read: Read,
        tried: set[str],
        load_event: int,
    ) -> Ranking:
        """Rank whom the store was not asked about yet; nobody, once every eligible agent known here had no room.

        Those who are full as this replica knows need no asking once it knows as much as the store did when it
        answered: until then a slot may have become free that it has not heard of.
        """
        caught_up = await replica.reached(load_event, CATCH_UP_SECONDS)
        requirements = message.requirements
        left = replace(requirements, excluded=requirements.excluded | tried)
        ranking = await self._ranker.rank(replica, pool, read, left, most=MOST_IN_A_CLAIM)
        ranking = replace(ranking, left_out=replica.index.left_out(requirements))
        if ranking.candidates or caught_up:
            return ranking
        full = replica.index.eligible_but_full(left)[:MOST_IN_A_CLAIM]
        return replace(ranking, candidates=tuple(_unheard(replica, agent) for agent in full))

    def _claim(
        self,
        site: str,
        pool: Pool,
        message: Message,
        contact_id: str,
        request_id: str,
        digest: bytes,
        auto_accept: bool,
        wait: Wait | None,
    ) -> Claim:
        contact, waiting = contact_id or new_id(), None
        if wait is not None:
            waiting = Waiting(
                pool.policy.wait_ms if wait.most_ms is None else wait.most_ms,
                pool.policy.head_start_ms,
                self._sealer.seal(site, contact, Written(message, auto_accept)),
            )
        return Claim(
            site=site,
            contact=contact,
            reservation=new_id(),
            decision=new_id(),
            request_id=request_id or new_id(),
            own_request=not request_id,
            digest=hmac.new(self._secret, digest, hashlib.sha256).hexdigest()[:32],
            pool=pool.id,
            channel=message.requirements.channel,
            customer=message.customer,
            hold_ms=pool.policy.accepted_ms if auto_accept else pool.policy.offer_ms,
            accepted=auto_accept,
            idle_ms=pool.policy.idle_ms,
            waiting=waiting,
        )

    async def _replay(self, replica: SiteReplica, before: Replayed, *, replayed: bool) -> Held | InLine:
        """Return the ids of then, with the state of now; replayed: by the caller, not by our own connection."""
        site, now = replica.site, self._clocks.of(replica.site).now_ms()
        reservation_id = before.reservation
        if not reservation_id:
            contact = await self._contacts.contact(site, before.contact, now)
            if contact.id in replica.room or contact.state is ContactState.QUEUED:
                queued = self.place(replica, contact)
                return InLine(contact.id, queued, replayed=replayed)
            if contact.state not in (ContactState.RESERVED, ContactState.ASSIGNED, ContactState.CLOSED):
                raise ContactEnded(contact_name(site, contact.id), contact.state)
            reservation_id = contact.reservation
        reservation = await self._store.reservation(site, reservation_id, now)
        decision = await self._store.decision(site, reservation.decision)
        return Held(reservation, _chosen(decision.ranking, decision.agent), replayed=replayed)

    def place(self, replica: SiteReplica, contact: Contact) -> Queued:
        """Return a waiting contact's place in its pool's queue."""
        pool = replica.pools.get(contact.pool)
        score = contact.created_ms - (pool.policy.head_start_ms if pool else 0)
        now = self._clocks.of(replica.site).now_ms()
        return replica.room.place(contact.id, contact.pool, score, contact.waits_until_ms, now)

    async def _unmatched(
        self,
        replica: SiteReplica,
        pool: Pool,
        contact: str,
        read: Read,
        requirements: Requirements,
        explain: bool,
    ) -> Unmatched:
        left_out = replica.index.left_out(requirements)
        would_match: tuple[Candidate, ...] = ()
        if explain:
            anybody = await self._ranker.rank(replica, pool, read, requirements, ignore_availability=True)
            would_match = anybody.candidates
        return Unmatched(contact, _last_constraint(left_out), left_out, would_match)


def new_id() -> str:
    """Return an id nobody can guess, of 80 random bits."""
    return secrets.token_hex(10)


def _refusal(claim: Claim, refused: Refused) -> MatcherError:
    contact = contact_name(claim.site, claim.contact)
    match refused.why:
        case "reused":
            return RequestIdReused(claim.request_id)
        case "live":
            return ContactHeld(contact, reservation_name(claim.site, refused.detail))
        case "state":
            return ContactStateWrong(contact, refused.detail, "handed on")
        case _:
            return ContactEnded(contact, refused.detail)


def _chosen(ranking: Ranking, agent: str) -> Candidate:
    return next(candidate for candidate in ranking.candidates if candidate.agent == agent)


def _unheard(replica: SiteReplica, agent_id: str) -> Candidate:
    """Return an agent who is full as this replica knows, as a candidate of whom nothing else is said."""
    agent = replica.index.agent(agent_id)
    name = agent.profile.display_name if agent else ""
    return Candidate(agent_id, name, 0.0, 0.0, 0.0, 1.0, agent.idle_since_ms if agent else 0, ())


def _last_constraint(left_out: LeftOut) -> Constraint:
    """Return the constraint that left nobody; where somebody seemed free, the store found them full."""
    named = [constraint for constraint in Constraint if left_out.counts.get(constraint)]
    return named[-1] if named else Constraint.POOL
