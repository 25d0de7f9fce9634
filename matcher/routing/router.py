"""The router: encode, search, rank, reserve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from matcher.model import (
    Basis,
    Candidate,
    Constraint,
    LeftOut,
    Message,
    Outcome,
    Pool,
    Preferred,
    QueuedOutcome,
    Ranking,
    Requirements,
    ReservedOutcome,
    Unmatched,
    Wait,
)
from matcher.model.lifecycle import AgentStatus, ContactState
from matcher.model.requests import RouteRequest, SuggestRequest, TransferRequest
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import EncodedMessage, encode_message
from matcher.routing.ranker import Ranker
from matcher.routing.reserver import Reserver
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.reservations import (
    ReservationRef,
    ReservationStore,
    ReserveKind,
)

MOST_LEFT_OUT: Final = 1_000


@dataclass(frozen=True, slots=True, repr=False)
class Decided:
    """What was decided for a message together with others: how it reads, and whom to ask first.

    agent: one of the ranking's candidates; None: nobody was left, and the message goes its way alone.
    """

    read: EncodedMessage
    ranking: Ranking | None = None
    agent: str | None = None


class Router:
    """Find the free agent with the closest affinity and hold a slot of theirs."""

    def __init__(
        self,
        store: ReservationStore,
        contacts: ContactStore,
        customers: CustomerStore,
        sites: SiteRegistry,
        clocks: Clocks,
        ranker: Ranker,
        claims: Reserver,
    ) -> None:
        self._store = store
        self._contacts = contacts
        self._customers = customers
        self._sites = sites
        self._clocks = clocks
        self._ranker = ranker
        self._claims = claims

    async def route(self, site: str, request: RouteRequest, decided: Decided | None = None) -> Outcome:
        """Decide which agent takes the message and hold capacity of theirs; where nobody can, let the contact wait.

        decided: what a joint decision found; where its agent has no free capacity any more, the message is routed
        alone.
        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what encoder and store raise.
        """
        replica = await self._sites.replica(site)
        pool = await replica.pools.pool(request.message.requirements.pool)
        message = await self.with_relationship(replica, pool, request.message)
        read = decided.read if decided else await encode_message(replica, message)
        claim = self._claims.claim(site, pool, replace(request, message=message))
        first = decided.ranking if decided and decided.agent else None
        only = decided.agent if decided else None
        outcome = await self._claims.hold(replica, pool, message, read, claim, first=first, only=only)
        if isinstance(outcome, str):
            return await self._unmatched(replica, pool, outcome, read, message.requirements, request.explain_unmatched)
        return outcome

    async def transfer(self, site: str, request: TransferRequest) -> Outcome:
        """Hand a contact on that an agent has accepted; the old hold ends only when the new one stands.

        Raises ContactNotFound, ContactStateWrong, PoolNotFound, RequestIdReused.
        """
        contact_id, message, wait = request.contact_id, request.message, request.wait
        replica = await self._sites.replica(site)
        before = await self._contacts.contact(site, contact_id, self._clocks.of(site).now_ms())
        asked = message.requirements if message else Requirements()
        pool = await replica.pools.pool(request.pool_id or before.pool)
        slot = await self._store.slot(site, before.reservation) if before.state is ContactState.ASSIGNED else None
        required = replace(
            asked,
            pool=pool.id,
            channel=before.channel,
            excluded=asked.excluded | ({slot.agent} if slot else set()),
            only=request.agent,
        )
        handed_on = Message(
            text=message.text if message else "",
            customer=before.customer,
            requirements=required,
            preferred=message.preferred if message else (),
        )
        read = await encode_message(replica, handed_on)
        routed = RouteRequest(handed_on, contact_id, request.request_id, request.digest, wait=wait or Wait())
        claim = self._claims.claim(site, pool, routed)
        if claim.waiting is not None and wait is None:
            # Once the old slot is free, an offer that comes to nothing must not leave the customer with nobody.
            claim = replace(claim, waiting=replace(claim.waiting, at_once=False))
        # Whom it must not come to for a while may have it later, where it waits: that the store knows.
        barred = replace(required, excluded=required.excluded | set(before.excluded))
        handed_on = replace(handed_on, requirements=barred)
        # A contact that no agent has accepted is refused by the store, after it has looked for an answer given before.
        handed_over = slot or ReservationRef(site, before.reservation, "-", contact_id, before.pool)
        outcome = await self._claims.hold(
            replica, pool, handed_on, read, replace(claim, how=ReserveKind.TRANSFER, handed_on=handed_over)
        )
        if isinstance(outcome, str):
            return await self._unmatched(replica, pool, outcome, read, handed_on.requirements, explain=False)
        return outcome

    async def link(self, site: str, handles: Sequence[str]) -> int:
        """Join the handles of one customer; return how many that customer has now."""
        await self._sites.replica(site)
        return await self._customers.link(site, handles)

    async def answered(self, site: str, request: RouteRequest) -> ReservedOutcome | QueuedOutcome | None:
        """Return the answer that the request was given before, None for a new one: nothing is held.

        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what the store raises.
        """
        if not (request.request_id or request.contact_id):
            return None
        replica = await self._sites.replica(site)
        pool = await replica.pools.pool(request.message.requirements.pool)
        claim = self._claims.claim(site, pool, replace(request, wait=None))
        return await self._claims.answered(replica, claim)

    async def with_relationship(self, replica: SiteReplica, pool: Pool, message: Message) -> Message:
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

    async def suggest(self, site: str, request: SuggestRequest) -> Ranking:
        """Rank agents for the message and hold nothing."""
        message = request.message
        replica = await self._sites.replica(site)
        pool = await replica.pools.pool(message.requirements.pool)
        read = await encode_message(replica, message)
        ranking = await self._ranker.rank(
            replica,
            pool,
            read,
            message.requirements,
            most=request.most,
            ignore_availability=request.ignore_availability,
            count_left_out=not request.explain_left_out,
        )
        if not request.explain_left_out:
            return ranking
        return replace(ranking, left_out=replica.index.left_out(message.requirements, name_agents=MOST_LEFT_OUT))

    async def _unmatched(
        self,
        replica: SiteReplica,
        pool: Pool,
        contact: str,
        read: EncodedMessage,
        requirements: Requirements,
        explain: bool,
    ) -> Unmatched:
        left_out = replica.index.left_out(requirements)
        would_match: tuple[Candidate, ...] = ()
        if explain:
            anybody = await self._ranker.rank(replica, pool, read, requirements, ignore_availability=True)
            would_match = anybody.candidates
        return Unmatched(contact, _last_constraint(left_out), left_out, would_match)


def _last_constraint(left_out: LeftOut) -> Constraint:
    """Return the constraint that left nobody; where somebody seemed free, the store found them full."""
    named = [constraint for constraint in Constraint if left_out.counts.get(constraint)]
    return named[-1] if named else Constraint.POOL
