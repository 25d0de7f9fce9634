"""The reserver: asks the store for a reservation, and again while agents are full; at last it lets the contact wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from matcher.errors import (
    ContactEnded,
)
from matcher.model import (
    Basis,
    Candidate,
    Constraint,
    Draw,
    LeftOut,
    Message,
    Pool,
    QueuedOutcome,
    Ranking,
    ReservedOutcome,
)
from matcher.model.lifecycle import ContactState
from matcher.model.requests import RouteRequest
from matcher.model.resource_names import contact_name, new_id
from matcher.ranking.comparison import draw_arm
from matcher.replica.queue_places import new_place, replayed_place
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.ranker import LEAST_UTILIZED, Ranker, RankOptions, RankRequest, shortlist_of
from matcher.routing.refusals import refusal_of
from matcher.routing.reserve_requests import ContactToReserve, RequestKey, new_reserve_request
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.keyring.secret_keys import LONGEST_WAIT_MS
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.requirements import encode_requirements
from matcher.store.reservations import (
    Enqueued,
    Full,
    OtherArm,
    Refused,
    Replayed,
    ReservationStore,
    ReserveAnswer,
    Reserved,
    ReserveRequest,
    Shortlist,
    WaitTerms,
)
from matcher.store.schema import TEXT_ALONE_SINCE
from matcher.store.sealer import Sealer, WaitingMessage, WaitingText
from matcher.telemetry.tracing import parent_to_keep, step

MOST_IN_A_RESERVE: Final = 64
"""Candidates of each reserve after the first."""
CATCH_UP_SECONDS: Final = 0.5
ROSTER_SECONDS: Final = 0.1
"""Before answering "unmatched", wait this long for roster events that the store knows and this process does not.
Reading such events takes milliseconds; a full reload of the roster takes longer than a caller should wait."""
NO_CANDIDATES: Final = Shortlist(Basis.FALLBACK, LEAST_UTILIZED, b"", ())
"""Asks the store only whether the request was answered before, and whether its contact is held or has ended."""

_HAS_HAD_AN_AGENT: Final = frozenset(
    {ContactState.RESERVED, ContactState.ASSIGNED, ContactState.CLOSED, ContactState.RETURNED}
)

_FIRST: Final = RankOptions(pending_last=True, count_left_out=True)
_NEXT: Final = RankOptions(most=MOST_IN_A_RESERVE, pending_last=True, count_left_out=True)


@dataclass(frozen=True, slots=True)
class Choice:
    """The agent that a batch chose for a message; the ranking contains the agent."""

    ranking: Ranking
    agent: str


@dataclass(frozen=True, slots=True)
class NobodyFree:
    """The outcome that no agent has free capacity and the contact may not wait."""

    contact: str
    left_out: LeftOut
    """The agents by what kept each from the contact when the store, or the search, left the agent out."""


HoldOutcome: TypeAlias = "ReservedOutcome | QueuedOutcome | NobodyFree"


class _DrawnBefore(Exception):
    """The contact is known, and has another arm than the request."""

    def __init__(self, draw: Draw | None) -> None:
        super().__init__()
        self.draw = draw


class Reserver:
    """Makes reserve requests and carries them through."""

    def __init__(
        self,
        store: ReservationStore,
        contacts: ContactStore,
        clocks: Clocks,
        ranker: Ranker,
        keys: ServiceKeys,
        *,
        on_ranked: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Take the parts; keys: they seal what waits, and make the digests that recognise a repeated request.

        on_ranked: called with the number of eligible agents.
        """
        self._store = store
        self._contacts = contacts
        self._clocks = clocks
        self._ranker = ranker
        self._keys = keys
        self._sealer = Sealer(keys)
        self._on_ranked = on_ranked

    async def drawn(self, replica: SiteReplica, pool: Pool, contact: str) -> Draw | None:
        """Return the arm that a new contact is given; None where the pool compares nothing."""
        share = pool.policy.control_share
        return draw_arm(await replica.salt.read(), contact, share) if share else None

    def reserve_request(
        self,
        site: str,
        pool: Pool,
        request: RouteRequest,
        reading: Message | None = None,
        encoded: EncodedMessage | None = None,
    ) -> ReserveRequest:
        """Return the reserve request of a route; new ids where the route names none.

        reading: the request's message as it was read; None: as the request has it. encoded: the same, encoded; where
        the contact waits, its vectors are sealed with its text.
        """
        message, wait = reading or request.message, request.wait
        contact = ContactToReserve(
            site,
            request.contact_id or new_id(),
            pool,
            message.requirements.channel,
            message.customer,
            request.auto_accept,
        )
        waiting = None
        if wait is not None:
            most_ms = pool.policy.wait_ms if wait.most_ms is None else wait.most_ms
            until_ms = self._clocks.of(site).now_ms() + _kept_ms(pool, most_ms)
            alone = self._store.schema >= TEXT_ALONE_SINCE
            vectors = encoded.to_keep() if encoded else None
            said = WaitingText.of(message, vectors) if alone else WaitingMessage(message, request.auto_accept)
            sealed = self._sealer.seal(site, contact.id, said, until_ms)
            waiting = WaitTerms(most_ms, pool.policy.head_start_ms, sealed)
        digest, *former = self._keys.request_digests(request.digest)
        key = RequestKey(
            request.request_id or new_id(), own=not request.request_id, digest=digest, former_digests=tuple(former)
        )
        return new_reserve_request(
            contact,
            key,
            waiting=waiting,
            requirements=encode_requirements(
                message, auto_accept=request.auto_accept, trace=parent_to_keep() if waiting else ""
            ),
            only=message.requirements.only,
            scope=request.scope.packed(),
        )

    async def answered(self, replica: SiteReplica, reserve: ReserveRequest) -> ReservedOutcome | QueuedOutcome | None:
        """Return the answer that the request was given before, None for a new request; nothing is held.

        Raises RequestIdReused, ContactHeld, ContactEnded, ContactStateWrong, ContactMoved, FieldsInvalid where the
        message has another customer or channel than the contact, or what the store raises.
        """
        match await self._store.reserve(reserve, NO_CANDIDATES):
            case Replayed() as before:
                return await self._replay(replica, before, replayed=True)
            case Refused() as refused:
                raise refusal_of(reserve, refused)
        return None

    async def hold_only(self, replica: SiteReplica, reserve: ReserveRequest, ranking: Ranking) -> ReservedOutcome:
        """Hold capacity of the one candidate of a ranking, and of no other agent.

        Raises as `hold` does, or AgentNotFound, AgentFull, ConstraintsUnmet.
        """
        answer = await self._reserve(replica, reserve, shortlist_of(replica, ranking))
        if isinstance(answer, Refused):
            raise refusal_of(reserve, answer)
        if isinstance(answer, Reserved):
            replica.apply_reserved(reserve, answer)
            return ReservedOutcome(answer.reservation, ranking.candidates[0], False, ranking.degraded)
        assert isinstance(answer, Replayed)  # an assignment by hand never waits, and says by an error why it is refused
        replayed = await self._replay(replica, answer, replayed=not reserve.own_request)
        assert isinstance(replayed, ReservedOutcome)
        return replayed

    async def hold(self, request: RankRequest, reserve: ReserveRequest, choice: Choice | None = None) -> HoldOutcome:
        """Hold capacity of an agent for a contact, or let the contact wait if it may.

        choice: the agent to ask the store for first. A contact that is known already keeps the arm it has: where the
        request has drawn another one, the agents are ranked again.
        Raises RequestIdReused, ContactHeld, ContactEnded, ContactStateWrong, ContactMoved, FieldsInvalid as
        `answered` does, or what the ranker and the store raise.
        """
        try:
            return await self._hold(request, reserve, choice)
        except _DrawnBefore as before:
            return await self._hold(replace(request, draw=before.draw), replace(reserve, draw=before.draw))

    async def _hold(self, request: RankRequest, reserve: ReserveRequest, choice: Choice | None = None) -> HoldOutcome:
        replica = request.replica
        ranking = choice.ranking if choice else await self._rank_first(request, reserve)
        self._on_ranked(ranking.eligible)
        ranking = _noting_unknown(request, ranking)
        shortlist = shortlist_of(replica, ranking, only=choice.agent if choice else None)
        tried, looked_again = dict[str, Constraint | None](), False
        while True:
            match await self._reserve(replica, reserve, shortlist):
                case Reserved(reservation) as reserved:
                    replica.apply_reserved(reserve, reserved)
                    chosen = _chosen(ranking, reservation.agent)
                    unknown = request.unknown_preferred
                    return ReservedOutcome(reservation, chosen, False, ranking.degraded, unknown)
                case Enqueued(score, waits_until_ms) as enqueued:
                    now = self._clocks.of(reserve.site).now_ms()
                    replica.losses.note_enqueued(reserve, enqueued, now)
                    required = replace(request.requirements, pool=request.pool.id)
                    place = new_place(replica, reserve.contact, required, score, waits_until_ms, now)
                    replica.throttle.hurry()
                    return QueuedOutcome(reserve.contact, place, False, request.unknown_preferred)
                case Replayed() as before:
                    answer = await self._replay(replica, before, replayed=not reserve.own_request)
                    if isinstance(answer, QueuedOutcome):
                        return replace(answer, unknown_preferred=request.unknown_preferred)
                    return answer
                case Refused() as refused:
                    raise refusal_of(reserve, refused)
                case Full() as full:
                    if not shortlist.candidates and looked_again:
                        return NobodyFree(reserve.contact, ranking.left_out)
                    # Also after an empty shortlist: an agent may be free of whom this process does not know yet.
                    looked_again = True
                    tried.update(full.refused)
                    ranking = await self._rank_next(request, reserve, tried, full)
                    ranking = _noting_unknown(request, ranking)
                    if not ranking.candidates and not reserve.may_queue:
                        return NobodyFree(reserve.contact, ranking.left_out)
                    shortlist = shortlist_of(replica, ranking)

    async def _reserve(self, replica: SiteReplica, reserve: ReserveRequest, shortlist: Shortlist) -> ReserveAnswer:
        first = shortlist.candidates[0][0] if shortlist.candidates else ""
        replica.pending.begin(first)
        try:
            with step("reserve"):
                answer = await self._store.reserve(
                    reserve, shortlist, or_wait=reserve.may_queue and not shortlist.candidates
                )
        finally:
            replica.pending.end(first)
        if isinstance(answer, OtherArm):
            raise _DrawnBefore(answer.draw)
        return answer

    async def _rank_first(self, request: RankRequest, reserve: ReserveRequest) -> Ranking:
        """Rank for the first reserve: a preferred agent with free capacity, else the agents closest by affinity."""
        index, requirements = request.replica.index, request.requirements
        if request.first:
            await self._ranker.turn()
            ranking = await self._ranker.rank_preferred(request)
            if ranking is not None:
                return replace(ranking, left_out=index.left_out(requirements))
        ranking = await self._ranker.rank(request, _FIRST)
        if reserve.may_queue and request.is_kept():
            # The contact is kept for a preferred agent who is busy: no other agent is asked for yet.
            ranking = replace(ranking, candidates=())
        return ranking

    async def _rank_next(
        self, request: RankRequest, reserve: ReserveRequest, tried: Mapping[str, Constraint | None], full: Full
    ) -> Ranking:
        """Rank the agents for whom the store was not asked yet; empty once all eligible agents known here are full.

        An agent who is full in this replica need not be tried once the replica has applied what the store knew when it
        answered. Until then the agent may have free capacity of which the replica has not heard.

        tried: the agents whom the store refused, and what kept each from the contact then; None: the agent is gone.
        """
        replica, requirements = request.replica, request.requirements
        caught_up = await replica.catch_up(CATCH_UP_SECONDS, load=full.load_event)
        knew_roster = replica.has_reached(roster=full.roster_event)
        left = replace(request, requirements=replace(requirements, excluded=requirements.excluded | tried.keys()))
        ranking = await self._ranker.rank(left, _NEXT)
        if caught_up and not ranking.candidates and not reserve.may_queue and not knew_roster:
            # Where the roster was known, a second search would give the same result.
            await replica.catch_up(ROSTER_SECONDS, roster=full.roster_event)
            ranking = await self._ranker.rank(left, _NEXT)
        ranking = replace(ranking, left_out=_with_refused(left, ranking.left_out, tried))
        if reserve.may_queue and request.is_kept():
            return replace(ranking, candidates=())
        if ranking.candidates or caught_up:
            return ranking
        known_full = replica.index.eligible_but_full(left.requirements)[:MOST_IN_A_RESERVE]
        return replace(ranking, candidates=tuple(_full_candidate(replica, agent) for agent in known_full))

    async def _replay(
        self, replica: SiteReplica, before: Replayed, *, replayed: bool
    ) -> ReservedOutcome | QueuedOutcome:
        """Return the ids of the first answer with the state of now.

        replayed: the caller sent the request again; False: only our own connection did.
        """
        site, now = replica.site, self._clocks.of(replica.site).now_ms()
        reservation_id = before.reservation
        if not reservation_id:
            contact = await self._contacts.contact(site, before.contact, now)
            if contact.queued_in or contact.id in replica.queue or contact.state is ContactState.QUEUED:
                return QueuedOutcome(contact.id, replayed_place(replica, contact, now), replayed=replayed)
            if contact.state not in _HAS_HAD_AN_AGENT:
                raise ContactEnded(contact_name(site, contact.id), contact.state)
            reservation_id = contact.reservation
        reservation = await self._store.reservation(site, reservation_id, now)
        decision = await self._store.decision(site, reservation.decision)
        ranking = decision.ranking
        chosen, unknown = _chosen(ranking, decision.agent), ranking.unknown_preferred
        return ReservedOutcome(reservation, chosen, replayed, ranking.degraded, unknown)


def _kept_ms(pool: Pool, most_ms: int) -> int:
    """Return for how long the text of a contact may be needed that may wait `most_ms`, as far as there are keys.

    Where the pool demands a first response, the contact may come back to the queue and wait as long again.
    """
    policy = pool.policy
    if not policy.first_response_ms:
        return most_ms
    return min(2 * most_ms + policy.offer_ms + policy.first_response_ms, LONGEST_WAIT_MS)


def _noting_unknown(request: RankRequest, ranking: Ranking) -> Ranking:
    """Return the ranking with the preferred agents who do not exist."""
    return replace(ranking, unknown_preferred=request.unknown_preferred) if request.preferred else ranking


def _with_refused(left: RankRequest, left_out: LeftOut, tried: Mapping[str, Constraint | None]) -> LeftOut:
    """Return the agents left out by their constraints: those whom the store refused by what the store said of them.

    left: the request without the agents who were tried; left_out: what its search left out, these agents among them.
    """
    counts = Counter(left_out.counts)
    for agent, refused in tried.items():
        for counted in (left.replica.index.unmet(agent, left.requirements) or ())[:1]:
            counts[counted] -= counts[counted] > 0
        if refused is not None:
            counts[refused] += 1
    return replace(left_out, counts={constraint: count for constraint, count in counts.items() if count})


def _chosen(ranking: Ranking, agent: str) -> Candidate:
    return next(candidate for candidate in ranking.candidates if candidate.agent == agent)


def _full_candidate(replica: SiteReplica, agent_id: str) -> Candidate:
    """Return an agent who is full in this replica as a candidate without affinity."""
    agent = replica.index.agent(agent_id)
    name = agent.profile.display_name if agent else ""
    return Candidate(agent_id, name, 0.0, 0.0, 0.0, 1.0, agent.idle_since_ms if agent else 0, ())
