"""The assigner: gives a contact to one agent by hand, above the capacity and against constraints where asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from matcher.errors import (
    ContactMoved,
    ContactNotFound,
    ContactStateWrong,
    DecisionNotFound,
    FieldsInvalid,
    FieldViolation,
    ReservationNotFound,
)
from matcher.index import unmet_by_profile
from matcher.model import (
    DEFAULT_POOL,
    Agent,
    Basis,
    Candidate,
    Comparison,
    Constraint,
    Contact,
    LeftOut,
    Message,
    Part,
    Pool,
    Ranking,
    Requirements,
    ReservedOutcome,
    Wait,
    WhenOverloaded,
    WouldBe,
)
from matcher.model.lifecycle import ContactState
from matcher.model.requests import AssignRequest, RouteRequest
from matcher.model.resource_names import contact_name
from matcher.ranking.relaxation import relax_requirements
from matcher.replica.site_registry import SiteRegistry
from matcher.routing.encoded_message import encode_or_fall_back
from matcher.routing.message_reading import read_message
from matcher.routing.ranker import Ranker, RankOptions, RankRequest
from matcher.routing.reserver import Reserver
from matcher.store.by_hand import ByHand
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.reservations import ReservationRef, ReservationStore, ReserveKind
from matcher.store.roster import RosterStore
from matcher.store.schema import ASSIGNED_SINCE
from matcher.store.sealer import NotOpened, Sealer, WaitingMessage, WaitingText

ASSIGN_TRIES: Final = 8
"""How often an assignment reads a contact or an agent that changes meanwhile."""
OF_THE_PROFILE: Final = frozenset({Constraint.LANGUAGE, Constraint.SKILL})
"""The constraints that are checked here; the store checks the others at the moment of the assignment."""


class Assigner:
    """Assigns contacts by hand."""

    def __init__(
        self,
        store: ReservationStore,
        contacts: ContactStore,
        roster: RosterStore,
        sites: SiteRegistry,
        clocks: Clocks,
        ranker: Ranker,
        reserver: Reserver,
        sealer: Sealer,
    ) -> None:
        self._sealer = sealer
        self._store = store
        self._contacts = contacts
        self._roster = roster
        self._sites = sites
        self._clocks = clocks
        self._ranker = ranker
        self._reserver = reserver

    async def assign(self, site: str, request: AssignRequest) -> ReservedOutcome:
        """Give a contact to an agent; a contact or an agent that changes meanwhile is read again.

        Raises AgentNotFound, PoolNotFound, AgentFull, ConstraintsUnmet, ContactHeld, ContactEnded, RequestIdReused,
        FieldsInvalid, ContactStateWrong.
        """
        for _ in range(ASSIGN_TRIES - 1):
            with suppress(ContactMoved, ReservationNotFound):
                return await self._assign(site, request)
        return await self._assign(site, request)

    async def _assign(self, site: str, request: AssignRequest) -> ReservedOutcome:
        replica, now = await self._sites.replica(site), self._clocks.of(site).now_ms()
        contact: Contact | None = None
        with suppress(ContactNotFound):
            contact = await self._contacts.contact(site, request.contact_id, now)
        if contact is not None and not request.scope.reaches((contact.pool,)):
            raise ContactNotFound(contact_name(site, contact.id))
        own_pool = contact.queued_in or contact.pool if contact else DEFAULT_POOL
        pool = await replica.pools.pool(request.pool_id or own_pool)
        message = await self._message(site, request, contact, pool)
        (agent,) = await self._roster.agents(site, [request.agent])
        began_ms = contact.created_ms if contact else now
        required, relaxed = relax_requirements(message.requirements, began_ms, now)
        offered = contact is not None and contact.state is ContactState.RESERVED
        draw = contact.draw if contact else await self._reserver.drawn(replica, pool, request.contact_id)
        basis = Basis.ASSIGNED if self._store.schema >= ASSIGNED_SINCE else Basis.TRANSFER
        # A person has decided: the encoder's state must not stand in the way.
        patient = replace(pool, policy=replace(pool.policy, when_overloaded=WhenOverloaded.FALLBACK))
        encoded = await encode_or_fall_back(replica, patient, message)
        own_choice = await self._own_choice(
            RankRequest(replica, pool, encoded, required, message.preferred, draw), contact
        )
        ranking = replace(
            await self._rank(RankRequest(replica, pool, encoded, message.requirements), request.agent, basis),
            basis=basis,
            left_out=LeftOut({}),
            relaxed=relaxed,
            actor=request.actor,
            comparison=Comparison(draw, Part.ASSIGNED, own_choice),
        )
        terms = ByHand(
            sequence=contact.sequence if contact else 0,
            profile_version=agent.profile_version if agent else 0,
            unmet=_unmet(agent, required) if agent else (),
            ignored=request.ignored,
            replaces=request.message is not None,
            over_capacity=request.over_capacity,
            actor=request.actor,
            reason=request.reason,
        )
        reserve = replace(
            self._reserver.reserve_request(site, pool, _as_route(request, message, contact, now)),
            how=ReserveKind.ASSIGN,
            by_hand=terms,
            handed_on=await self._offer(site, contact) if offered and contact else None,
            draw=draw,
        )
        return await self._reserver.hold_only(replica, reserve, ranking)

    async def _offer(self, site: str, contact: Contact) -> ReservationRef:
        return await self._store.reference(site, contact.reservation)

    async def _message(self, site: str, request: AssignRequest, contact: Contact | None, pool: Pool) -> Message:
        """Return the message of the request, else what is stored of the contact's."""
        given = request.message
        if contact is None:
            message = given or Message("", "", Requirements())
            return await read_message(replace(message, requirements=replace(message.requirements, pool=pool.id)))
        message = given or await self._stored(site, contact)
        own = {"customer": contact.customer, "channel": contact.channel}
        channel = "" if request.keeps_channel else message.requirements.channel
        asked = {"customer": message.customer, "channel": channel} if given else own
        if given and (wrong := [name for name, value in asked.items() if value not in ("", own[name])]):
            raise FieldsInvalid([FieldViolation(f"message.{name}", "differs from the contact's own") for name in wrong])
        requirements = replace(message.requirements, pool=pool.id, channel=contact.channel, only="")
        return await read_message(replace(message, customer=contact.customer, requirements=requirements))

    async def _stored(self, site: str, contact: Contact) -> Message:
        """Return what a contact requires, and its text while it waits."""
        sealed, stored = await self._contacts.said(site, contact.id)
        said = self._sealer.open(site, contact.id, sealed) if sealed else WaitingText("", kept=())
        if isinstance(said, NotOpened):
            wanted = "assigned: its message cannot be opened; give another one"
            raise ContactStateWrong(contact_name(site, contact.id), contact.state, wanted)
        if isinstance(said, WaitingMessage):
            return said.message
        return said.message(contact.customer, stored.requirements(contact.pool, contact.channel))

    async def _own_choice(self, request: RankRequest, contact: Contact | None) -> WouldBe:
        """Return whom the service itself would choose now; of an offered contact, whom the service chose."""
        site = request.replica.site
        if contact is not None and contact.state is ContactState.RESERVED:
            with suppress(DecisionNotFound):
                offer = await self._store.reservation(site, contact.reservation, self._clocks.of(site).now_ms())
                candidates = (await self._store.decision(site, offer.decision)).ranking.candidates
                affinity = next((one.affinity for one in candidates if one.agent == offer.agent), 0.0)
                return WouldBe(offer.agent, offer.basis, affinity)
        excluded = request.requirements.excluded | set(contact.excluded if contact else ())
        request = replace(request, requirements=replace(request.requirements, excluded=excluded))
        ranking = await self._ranker.rank_all(request, RankOptions(most=1))
        best = next(iter(ranking.candidates), None)
        return WouldBe(best.agent, ranking.basis, best.affinity) if best else WouldBe("", ranking.basis, 0.0)

    async def _rank(self, request: RankRequest, agent: str, basis: Basis) -> Ranking:
        """Return the ranking of the one agent, with the words that meet the agent's interests."""
        replica, required = request.replica, request.requirements
        anybody = Requirements(required.pool, required.channel)
        ranking = await self._ranker.rank_named(replace(request, requirements=anybody), agent, basis)
        if ranking.candidates:
            return ranking
        known = replica.index.agent(agent)
        total = known.profile.capacity.total if known else 0
        used = sum(hold.cost for hold in known.holds) / max(total, 1) if known else 0.0
        name, idle_since_ms = (known.profile.display_name, known.idle_since_ms) if known else ("", 0)
        return replace(ranking, candidates=(Candidate(agent, name, 0.0, 0.0, 0.0, used, idle_since_ms, ()),))


def _unmet(agent: Agent, required: Requirements) -> Sequence[Constraint]:
    unmet = [constraint for constraint in unmet_by_profile(agent.profile, required) if constraint in OF_THE_PROFILE]
    return [Constraint.EXCLUDED, *unmet] if agent.id in required.excluded else unmet


def _as_route(request: AssignRequest, message: Message, contact: Contact | None, now_ms: int) -> RouteRequest:
    """Return the assignment as a route; wait: a contact that waits keeps a new text for the rest of its wait."""
    wait = None
    if request.message is not None and contact is not None and contact.waits_until_ms:
        wait = Wait(max(0, contact.waits_until_ms - now_ms))
    return RouteRequest(
        message,
        contact_id=request.contact_id,
        request_id=request.request_id,
        digest=request.digest,
        auto_accept=request.accepted,
        wait=wait,
        scope=request.scope,
    )
