"""The router: encode, search, rank, reserve; and the reservation's life."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from matcher.clock import Clocks
from matcher.errors import (
    ContactEnded,
    ContactHeld,
    MatcherError,
    PoolNotFound,
    RequestIdReused,
)
from matcher.model import (
    Basis,
    Candidate,
    Constraint,
    Contact,
    Decision,
    Held,
    Hold,
    LeftOut,
    Message,
    Page,
    Pool,
    PoolPolicy,
    Ranking,
    Requirements,
    Reservation,
    Unmatched,
)
from matcher.names import contact_name, reservation_name
from matcher.ranking import LONGEST_IDLE, Ranker, Read
from matcher.ranking import offer as offer_of
from matcher.ranking import read as read_message
from matcher.replica import SiteReplica
from matcher.sites import Sites
from matcher.store.routing import Claim, Claimed, Full, Offer, Refused, Replayed, RoutingStore, Slot

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
        sites: Sites,
        clocks: Clocks,
        *,
        secret: bytes,
        default_tolerance: float,
        observe_candidates: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._sites = sites
        self._clocks = clocks
        self._secret = secret
        self._ranker = Ranker(default_tolerance)
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
        decided: Decided | None = None,
    ) -> Held | Unmatched:
        """Decide who takes the message and hold a slot of theirs.

        digest: what the request asks for; only a keyed digest of it is kept. decided: what a joint decision found;
        where its agent has no room any more, the message is routed alone.
        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what encoder and store raise.
        """
        replica = await self._sites.replica(site)
        pool = await replica.pool(message.requirements.pool)
        read = decided.read if decided else await read_message(replica, message)
        claim = self._claim(site, pool, message, contact_id, request_id, digest, auto_accept)
        if decided and decided.ranking and decided.agent:
            ranking = decided.ranking
            offer = offer_of(replica, ranking, only=decided.agent)
        else:
            ranking = await self._ranker.rank(replica, pool, read, message.requirements)
            ranking = replace(ranking, left_out=replica.index.left_out(message.requirements))
            offer = offer_of(replica, ranking)
        self._observe_candidates(ranking.eligible)
        tried: set[str] = set()
        while True:
            match await self._store.reserve(claim, offer):
                case Claimed(reservation, event):
                    hold = Hold(reservation.id, reservation.channel, reservation.cost, reservation.deadline_ms)
                    replica.held(hold, reservation.agent, event)
                    return Held(reservation, _chosen(ranking, reservation.agent), replayed=False)
                case Replayed() as before:
                    return await self._replay(site, before, replayed=bool(request_id))
                case Refused() as refused:
                    raise _refusal(claim, refused)
                case Full(load_event):
                    tried.update(agent for agent, _ in offer.candidates)
                    ranking = await self._next(replica, pool, read, message.requirements, tried, load_event)
                    if not ranking.candidates:
                        break
                    offer = offer_of(replica, ranking)
        return await self._unmatched(replica, pool, claim.contact, read, message.requirements, explain_unmatched)

    async def answered(
        self, site: str, message: Message, *, contact_id: str, request_id: str, digest: bytes, auto_accept: bool
    ) -> Held | None:
        """Return the answer that the request was given before, None for a new one: nothing is held.

        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what the store raises.
        """
        pool = await (await self._sites.replica(site)).pool(message.requirements.pool)
        claim = self._claim(site, pool, message, contact_id, request_id, digest, auto_accept)
        match await self._store.reserve(claim, NOBODY):
            case Replayed() as before:
                return await self._replay(site, before, replayed=True)
            case Refused() as refused:
                raise _refusal(claim, refused)
        return None

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

    async def accept(self, site: str, reservation: str, fence: int) -> Reservation:
        """Take an offer; fence 0: not checked."""
        slot, policy = await self._slot(site, reservation)
        return await self._store.accept(slot, fence, policy.accepted_ms)

    async def decline(
        self, site: str, reservation: str, fence: int, reason: str, retry_after_ms: int | None
    ) -> Reservation:
        """Turn an offer down; retry_after_ms None: never offered to the agent again."""
        slot, _ = await self._slot(site, reservation)
        return await self._store.decline(slot, fence, reason, retry_after_ms)

    async def renew(self, site: str, reservation: str, fence: int, duration_ms: int | None) -> Reservation:
        """Move a deadline on; duration_ms None: by the pool's accepted_duration."""
        slot, policy = await self._slot(site, reservation)
        return await self._store.renew(slot, fence, policy.accepted_ms if duration_ms is None else duration_ms)

    async def complete(self, site: str, reservation: str, fence: int) -> Reservation:
        """End a conversation."""
        slot, policy = await self._slot(site, reservation)
        return await self._store.complete(slot, fence, policy.wrap_up_ms)

    async def cancel(self, site: str, reservation: str, fence: int) -> Reservation:
        """Give a slot back."""
        slot, _ = await self._slot(site, reservation)
        return await self._store.cancel(slot, fence)

    async def reservation(self, site: str, reservation: str) -> Reservation:
        """Read a reservation."""
        await self._sites.replica(site)
        return await self._store.reservation(site, reservation, self._clocks.of(site).now_ms())

    async def reservations(self, site: str, agent: str | None, most: int, after: str) -> Page[Reservation]:
        """List live reservations by deadline, from `after` on; of one agent, where one is named."""
        await self._sites.replica(site)
        now = self._clocks.of(site).now_ms()
        if agent is None:
            return await self._store.reservations(site, most, after, now)
        return await self._store.reservations_of(site, agent, most, after, now)

    async def contact(self, site: str, contact: str) -> Contact:
        """Read a contact."""
        await self._sites.replica(site)
        return await self._store.contact(site, contact, self._clocks.of(site).now_ms())

    async def decision(self, site: str, decision: str) -> Decision:
        """Read the record of a decision."""
        await self._sites.replica(site)
        return await self._store.decision(site, decision)

    async def _next(
        self,
        replica: SiteReplica,
        pool: Pool,
        read: Read,
        requirements: Requirements,
        tried: set[str],
        load_event: int,
    ) -> Ranking:
        """Rank whom the store was not asked about yet; nobody, once every eligible agent known here had no room.

        Those who are full as this replica knows need no asking once it knows as much as the store did when it
        answered: until then a slot may have become free that it has not heard of.
        """
        caught_up = await replica.reached(load_event, CATCH_UP_SECONDS)
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
    ) -> Claim:
        return Claim(
            site=site,
            contact=contact_id or new_id(),
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
        )

    async def _replay(self, site: str, before: Replayed, *, replayed: bool) -> Held:
        """Return the ids of then, with the state of now; replayed: by the caller, not by our own connection."""
        reservation = await self._store.reservation(site, before.reservation, self._clocks.of(site).now_ms())
        decision = await self._store.decision(site, before.decision)
        return Held(reservation, _chosen(decision.ranking, decision.agent), replayed=replayed)

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

    async def _slot(self, site: str, reservation: str) -> tuple[Slot, PoolPolicy]:
        """Return a reservation's slot and the terms of its pool."""
        replica = await self._sites.replica(site)
        slot = await self._store.slot(site, reservation)
        try:
            return slot, (await replica.pool(slot.pool)).policy
        except PoolNotFound:
            # The pool went while the conversation lasted: the usual terms end it.
            return slot, PoolPolicy()


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
