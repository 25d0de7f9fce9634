"""Claims on the store: hold a slot for a message, ask on while agents turn out to be full, let it wait at last."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from matcher.errors import ContactEnded, ContactHeld, ContactStateWrong, MatcherError, RequestIdReused
from matcher.model import (
    Basis,
    Candidate,
    Hold,
    Message,
    Pool,
    QueuedOutcome,
    Ranking,
    ReservedOutcome,
)
from matcher.model.lifecycle import ContactState
from matcher.model.requests import RouteRequest
from matcher.model.resource_names import contact_name, new_id, reservation_name
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.ranker import LONGEST_IDLE, Ranker, shortlist_of
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.reservations import (
    Enqueued,
    Full,
    Refused,
    Replayed,
    ReservationStore,
    Reserved,
    ReserveRequest,
    Shortlist,
    WaitTerms,
)
from matcher.store.sealer import Sealer, WaitingMessage

MOST_IN_A_CLAIM: Final = 64
CATCH_UP_SECONDS: Final = 0.5
ROSTER_SECONDS: Final = 0.1
"""How long a message that nobody takes, and that may not wait, waits for news of agents who came, or came online: to
read it takes milliseconds, while taking a whole roster in takes longer than anybody should wait."""
NOBODY: Final = Shortlist(Basis.FALLBACK, LONGEST_IDLE, b"", ())
"""Asks the store only whether a request was answered before, and whether its contact is held or has ended."""


class Reserver:
    """Make claims and carry them through."""

    def __init__(
        self,
        store: ReservationStore,
        contacts: ContactStore,
        clocks: Clocks,
        ranker: Ranker,
        sealer: Sealer,
        *,
        secret: bytes,
        observe_candidates: Callable[[int], None] = lambda _: None,
    ) -> None:
        """secret: of the digests by which a repeated request is known again."""
        self._store = store
        self._contacts = contacts
        self._clocks = clocks
        self._ranker = ranker
        self._sealer = sealer
        self._secret = secret
        self._observe_candidates = observe_candidates

    def claim(self, site: str, pool: Pool, request: RouteRequest) -> ReserveRequest:
        """Return what the store is asked for; ids that are not given are made."""
        message, wait = request.message, request.wait
        contact, waiting = request.contact_id or new_id(), None
        if wait is not None:
            waiting = WaitTerms(
                pool.policy.wait_ms if wait.most_ms is None else wait.most_ms,
                pool.policy.head_start_ms,
                self._sealer.seal(site, contact, WaitingMessage(message, request.auto_accept)),
            )
        return ReserveRequest(
            site=site,
            contact=contact,
            reservation=new_id(),
            decision=new_id(),
            request_id=request.request_id or new_id(),
            own_request=not request.request_id,
            digest=hmac.new(self._secret, request.digest, hashlib.sha256).hexdigest()[:32],
            pool=pool.id,
            channel=message.requirements.channel,
            customer=message.customer,
            hold_ms=pool.policy.accepted_ms if request.auto_accept else pool.policy.offer_ms,
            accepted=request.auto_accept,
            idle_ms=pool.policy.idle_ms,
            waiting=waiting,
        )

    async def answered(self, replica: SiteReplica, claim: ReserveRequest) -> ReservedOutcome | QueuedOutcome | None:
        """Return the answer that a claim's request was given before, None for a new one: nothing is held.

        Raises RequestIdReused, ContactHeld, ContactEnded, or what the store raises.
        """
        match await self._store.reserve(claim, NOBODY):
            case Replayed() as before:
                return await self._replay(replica, before, replayed=True)
            case Refused() as refused:
                raise _refusal(claim, refused)
        return None

    async def hold(
        self,
        replica: SiteReplica,
        pool: Pool,
        message: Message,
        read: EncodedMessage,
        claim: ReserveRequest,
        *,
        first: Ranking | None = None,
        only: str | None = None,
    ) -> ReservedOutcome | QueuedOutcome | str:
        """Hold a slot for a claim, or let it wait; where it may not and nobody has room, return the contact's id.

        first, only: what was decided before, and for which of its candidates.
        """
        ranking = first or await self._first(replica, pool, message, read, claim)
        self._observe_candidates(ranking.eligible)
        offer, tried, looked_again = shortlist_of(replica, ranking, only=only), set[str](), False
        while True:
            match await self._reserve(replica, claim, offer):
                case Reserved(reservation, event):
                    hold = Hold(reservation.id, reservation.channel, reservation.cost, reservation.deadline_ms)
                    replica.apply_own_hold(hold, reservation.agent, event)
                    if claim.handed_on is not None:
                        replica.apply_own_release(
                            claim.handed_on.agent, claim.handed_on.reservation, reservation.created_ms
                        )
                    return ReservedOutcome(reservation, _chosen(ranking, reservation.agent), replayed=False)
                case Enqueued(score, waits_until_ms):
                    now = self._clocks.of(claim.site).now_ms()
                    place = replica.queue.place(claim.contact, pool.id, score, waits_until_ms, now)
                    replica.throttle.hurry()
                    return QueuedOutcome(claim.contact, place, replayed=False)
                case Replayed() as before:
                    return await self._replay(replica, before, replayed=not claim.own_request)
                case Refused() as refused:
                    raise _refusal(claim, refused)
                case Full() as full:
                    if not offer.candidates and looked_again:
                        return claim.contact
                    # Where nobody was asked about, somebody may be free of whom this process has not heard yet.
                    looked_again = True
                    tried.update(agent for agent, _ in offer.candidates)
                    ranking = await self._next(replica, pool, message, read, claim, tried, full)
                    if not ranking.candidates and not claim.lines_up:
                        return claim.contact
                    offer = shortlist_of(replica, ranking)

    async def _reserve(
        self, replica: SiteReplica, claim: ReserveRequest, offer: Shortlist
    ) -> Reserved | Enqueued | Replayed | Full | Refused:
        likely = offer.candidates[0][0] if offer.candidates else ""
        replica.underway.begin(likely)
        try:
            return await self._store.reserve(claim, offer, or_wait=claim.lines_up and not offer.candidates)
        finally:
            replica.underway.end(likely)

    async def _first(
        self, replica: SiteReplica, pool: Pool, message: Message, read: EncodedMessage, claim: ReserveRequest
    ) -> Ranking:
        """Rank whom the store is asked about first: an agent who is preferred, else those with the closest affinity."""
        required = message.requirements
        if message.preferred:
            await self._ranker.turn()
            ranking = await self._ranker.preferred(replica, pool, read, required, message.preferred)
            if ranking is not None:
                return replace(ranking, left_out=replica.index.left_out(required))
        ranking = await self._ranker.rank(replica, pool, read, required, beside_others=True, count_left_out=True)
        if not required.only and claim.lines_up and any(one.kept_ms for one in message.preferred):
            # It is kept for an agent who is busy: nobody else is asked yet.
            ranking = replace(ranking, candidates=())
        return ranking

    async def _next(
        self,
        replica: SiteReplica,
        pool: Pool,
        message: Message,
        read: EncodedMessage,
        claim: ReserveRequest,
        tried: set[str],
        full: Full,
    ) -> Ranking:
        """Rank whom the store was not asked about yet; nobody, once every eligible agent known here had no room.

        Those who are full as this replica knows need no asking once it knows as much as the store did when it
        answered: until then a slot may have become free that it has not heard of.
        """
        caught_up = await replica.reached(full.load_event, CATCH_UP_SECONDS)
        requirements = message.requirements
        left = replace(requirements, excluded=requirements.excluded | tried)
        ranking = await self._ranker.rank(replica, pool, read, left, most=MOST_IN_A_CLAIM, beside_others=True)
        nobody = caught_up and not ranking.candidates and not claim.lines_up
        behind = nobody and not await replica.reached(0, 0.0, full.roster_event)
        if behind:  # else a second search would find what the first did
            await replica.reached(0, ROSTER_SECONDS, full.roster_event)
            ranking = await self._ranker.rank(replica, pool, read, left, most=MOST_IN_A_CLAIM, beside_others=True)
        ranking = replace(ranking, left_out=replica.index.left_out(requirements))
        if ranking.candidates or caught_up:
            return ranking
        known_full = replica.index.eligible_but_full(left)[:MOST_IN_A_CLAIM]
        return replace(ranking, candidates=tuple(_unheard(replica, agent) for agent in known_full))

    async def _replay(
        self, replica: SiteReplica, before: Replayed, *, replayed: bool
    ) -> ReservedOutcome | QueuedOutcome:
        """Return the ids of then, with the state of now; replayed: by the caller, not by our own connection."""
        site, now = replica.site, self._clocks.of(replica.site).now_ms()
        reservation_id = before.reservation
        if not reservation_id:
            contact = await self._contacts.contact(site, before.contact, now)
            if contact.line or contact.id in replica.queue or contact.state is ContactState.QUEUED:
                room, until_ms = replica.queue, contact.waits_until_ms
                # It may have come in through another replica a moment ago.
                place = room.place_of(contact.id, until_ms, now) or room.place(
                    contact.id, contact.line or contact.pool, contact.created_ms, until_ms, now
                )
                return QueuedOutcome(contact.id, place, replayed=replayed)
            if contact.state not in (ContactState.RESERVED, ContactState.ASSIGNED, ContactState.CLOSED):
                raise ContactEnded(contact_name(site, contact.id), contact.state)
            reservation_id = contact.reservation
        reservation = await self._store.reservation(site, reservation_id, now)
        decision = await self._store.decision(site, reservation.decision)
        return ReservedOutcome(reservation, _chosen(decision.ranking, decision.agent), replayed=replayed)


def _refusal(claim: ReserveRequest, refused: Refused) -> MatcherError:
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
