"""The router: turns a request into an outcome by encoding the message, ranking the agents and reserving one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from matcher.errors import (
    AgentNotFound,
    ContactMoved,
    ContactNotFound,
    ContactStateWrong,
    FieldsInvalid,
    FieldViolation,
)
from matcher.listening.listener import Listener, Said
from matcher.model import (
    Candidate,
    Constraint,
    Contact,
    Draw,
    LeftOut,
    Message,
    Outcome,
    Pool,
    QueuedOutcome,
    Requirements,
    ReservedOutcome,
    Suggestion,
    Unmatched,
    Wait,
)
from matcher.model.lifecycle import ContactState
from matcher.model.requests import RouteRequest, SuggestRequest, TransferRequest
from matcher.model.resource_names import agent_name, contact_name, new_id
from matcher.model.scope import Scope, scope_of_call
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import EncodedMessage, encode_message, encode_or_fall_back
from matcher.routing.message_reading import read_message
from matcher.routing.ranker import Ranker, RankOptions, RankRequest, unknown_preferred
from matcher.routing.reserver import Choice, NobodyFree, Reserver
from matcher.routing.returning_customers import ReturningCustomers, nothing_said
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.outbox import OutboxStore
from matcher.store.reservations import ReservationRef, ReservationStore, ReserveKind, ReserveRequest
from matcher.store.roster import RosterStore

MOST_LEFT_OUT: Final = 1_000
TRANSFER_TRIES: Final = 4
"""How often a transfer reads a contact that goes on to another agent meanwhile."""

_EVERYBODY: Final = RankOptions(ignore_availability=True)


@dataclass(frozen=True, slots=True, repr=False)
class BatchDecision:
    """What a batch decided for one message; choice None: no agent was left, and the message is routed alone."""

    encoded: EncodedMessage
    choice: Choice | None = None


class Router:
    """Finds the free agent with the closest affinity and holds capacity of the agent."""

    def __init__(
        self,
        store: ReservationStore,
        contacts: ContactStore,
        customers: CustomerStore,
        roster: RosterStore,
        sites: SiteRegistry,
        clocks: Clocks,
        ranker: Ranker,
        reserver: Reserver,
        outbox: OutboxStore,
        listener: Listener | None = None,
    ) -> None:
        """Take the parts; listener: hears what new contacts bring up, in pools that listen."""
        self._store = store
        self._contacts = contacts
        self.returning = ReturningCustomers(customers, clocks)
        self._roster = roster
        self._sites = sites
        self._clocks = clocks
        self._ranker = ranker
        self._reserver = reserver
        self._listener = listener
        self._outbox = outbox

    async def route(self, site: str, request: RouteRequest, decided: BatchDecision | None = None) -> Outcome:
        """Decide which agent takes the message and hold capacity of the agent; where nobody is free, queue the contact.

        decided: what a batch decided; where the chosen agent is full by now, the message is routed alone.
        Raises FieldsInvalid where too much of the text is to be compared, or where a contact that is routed again has
        another customer or channel, SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what
        encoder and store raise.
        """
        try:
            return await self._route(site, request, decided)
        except FieldsInvalid as refused:
            # Only a contact that is known, on another channel than the default one, is decided twice.
            return await self._route(site, await self.on_own_channel(site, request, refused))

    async def on_own_channel(self, site: str, request: RouteRequest, refused: FieldsInvalid) -> RouteRequest:
        """Return the request on the contact's own channel, where the store refused the default one of its message.

        Raises `refused` where the message names its channel, or is refused for something else.
        """
        if not request.keeps_channel or all(wrong.field != "message.channel" for wrong in refused.violations):
            raise refused
        contact = await self._contacts.contact(site, request.contact_id, self._clocks.of(site).now_ms())
        if not request.scope.reaches((contact.pool,)):
            raise ContactNotFound(contact_name(site, contact.id))
        requirements = replace(request.message.requirements, channel=contact.channel)
        return replace(request, message=replace(request.message, requirements=requirements), keeps_channel=False)

    async def _route(self, site: str, request: RouteRequest, decided: BatchDecision | None = None) -> Outcome:
        replica = await self._sites.replica(site)
        pool = await replica.pools.pool(request.message.requirements.pool)
        message, profile = await self.returning.met(
            replica, pool, await read_message(request.message), decided=decided is not None
        )
        if profile is None and decided is None and request.message.is_wordless:
            # A repeat is answered as before, also where the customer's interests were forgotten meanwhile.
            if (before := await self.answered(site, request)) is not None:
                return before
            raise nothing_said()
        encoded = decided.encoded if decided else await encode_or_fall_back(replica, pool, message, profile)
        request, draw = await self.drawn(replica, pool, request)
        reserve = self._reserver.reserve_request(site, pool, request, message, encoded)
        reserve = replace(reserve, draw=draw) if draw else reserve
        to_rank = RankRequest(replica, pool, encoded, message.requirements, message.preferred, draw)
        match await self._reserver.hold(to_rank, reserve, decided.choice if decided else None):
            case NobodyFree() as nobody:
                return await self._unmatched(to_rank, nobody, explain=request.explain_unmatched)
            case outcome:
                if self._listener and pool.policy.listening and not outcome.replayed:
                    self._listener.hear(replica, pool, _said(message, encoded, outcome))
                return outcome

    async def transfer(self, site: str, request: TransferRequest) -> Outcome:
        """Hand on a contact that an agent has accepted; the old hold ends only when the new one stands, or is accepted.

        A contact that another agent accepts between the read and the reserve is read again.
        Raises ContactNotFound, ContactStateWrong, PoolNotFound, RequestIdReused, AgentNotFound, FieldsInvalid where the
        named agent has the contact, or ContactHeld where another agent is offered the contact of an earlier transfer.
        """
        for _ in range(TRANSFER_TRIES - 1):
            with suppress(ContactMoved):
                return await self._transfer(site, request)
        return await self._transfer(site, request)

    async def _transfer(self, site: str, request: TransferRequest) -> Outcome:
        """Hand on a contact from the agent who has it when it is read. Raises ContactMoved if that changes."""
        replica = await self._sites.replica(site)
        contact = await self._contacts.contact(site, request.contact_id, self._clocks.of(site).now_ms())
        if not request.scope.reaches((contact.pool,)):
            raise ContactNotFound(contact_name(site, contact.id))
        pool = await replica.pools.pool(request.pool_id or contact.pool)
        held = (
            await self._store.reference(site, contact.reservation) if contact.state is ContactState.ASSIGNED else None
        )
        message = await read_message(_message_to_hand_on(request, contact, pool, held))
        reserve = self._transfer_request(site, pool, request, message)
        if held is None:
            # The store replays an answer that the request was given before; else it refuses the contact's state.
            if (replayed := await self._reserver.answered(replica, reserve)) is not None:
                return replayed
            raise ContactStateWrong(contact_name(site, contact.id), contact.state, "handed on")
        if request.agent == held.agent or (request.agent and request.agent not in replica.index):
            before = await self._reserver.answered(replica, replace(reserve, handed_on=held))
            if before is not None:
                return before
            await self._check_named(site, request.agent, held)
        profile = None if request.agent else await self.returning.profile(replica, pool, contact.customer)
        encoded = await encode_or_fall_back(replica, pool, message, profile)
        # The sealed message does not exclude the agents to whom the contact was offered before: the store knows until
        # when each of them is excluded while the contact waits.
        excluded = message.requirements.excluded | _excluded_by(contact, replica)
        requirements = replace(message.requirements, excluded=excluded)
        to_rank = RankRequest(replica, pool, encoded, requirements, message.preferred, contact.draw)
        policy = await replica.pools.policy(held.pool)
        reserve = replace(
            reserve,
            handed_on=held,
            handed_on_wrap_up_ms=policy.wrap_up_after_transfer_ms,
            keeps_agent=request.keeps_agent,
        )
        match await self._reserver.hold(to_rank, reserve):
            case NobodyFree() as nobody:
                return await self._unmatched(to_rank, nobody, explain=False)
            case outcome:
                return outcome

    async def drawn(self, replica: SiteReplica, pool: Pool, request: RouteRequest) -> tuple[RouteRequest, Draw | None]:
        """Return the request with the id that its contact will have, and the contact's arm; None: it is given none."""
        if not pool.policy.control_share:
            return request, None
        request = request if request.contact_id else replace(request, contact_id=new_id())
        return request, await self._reserver.drawn(replica, pool, request.contact_id)

    async def answered(self, site: str, request: RouteRequest) -> ReservedOutcome | QueuedOutcome | None:
        """Return the answer that the request was given before, None for a new request; nothing is held.

        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what the store raises.
        """
        if not (request.request_id or request.contact_id):
            return None
        replica = await self._sites.replica(site)
        pool = await replica.pools.pool(request.message.requirements.pool)
        reserve = self._reserver.reserve_request(site, pool, replace(request, wait=None))
        answer = await self._reserver.answered(replica, reserve)
        if isinstance(answer, QueuedOutcome):
            return replace(answer, unknown_preferred=unknown_preferred(replica, request.message.preferred))
        return answer

    async def suggest(self, site: str, request: SuggestRequest) -> Suggestion:
        """Rank agents for the message and hold nothing."""
        replica = await self._sites.replica(site)
        pool = request.on_trial(await replica.pools.pool(request.message.requirements.pool))
        message, profile = await self.returning.met(replica, pool, await read_message(request.message))
        if profile is None and request.message.is_wordless:
            raise nothing_said()
        encoded = await encode_message(replica, message, pool, profile)
        ranking = await self._ranker.rank_all(
            RankRequest(replica, pool, encoded, message.requirements, message.preferred),
            RankOptions(
                request.most,
                ignore_availability=request.ignore_availability,
                count_left_out=not request.explain_left_out,
            ),
        )
        ranking = replace(ranking, unknown_preferred=unknown_preferred(replica, request.message.preferred))
        if request.explain_left_out:
            left_out = replica.index.left_out(message.requirements, name_agents=MOST_LEFT_OUT)
            ranking = replace(ranking, left_out=_reached(scope_of_call(), replica, left_out))
        spans = encoded.units.spans[: ranking.units]
        return Suggestion(ranking, tuple((span.start, span.end) for span in spans), pool.policy.profile_weight)

    async def _check_named(self, site: str, agent: str, held: ReservationRef) -> None:
        """Check that a transfer names an agent who exists and does not have the contact already."""
        if agent == held.agent:
            raise FieldsInvalid([FieldViolation("agent", "has the contact already")])
        # This process may not have heard yet of an agent who was created a moment ago.
        if await self._roster.agents(site, [agent]) == [None]:
            raise AgentNotFound(agent_name(site, agent))

    def _transfer_request(self, site: str, pool: Pool, request: TransferRequest, message: Message) -> ReserveRequest:
        wait = request.wait or Wait()
        routed = RouteRequest(
            message, request.contact_id, request.request_id, request.digest, wait=wait, scope=request.scope
        )
        reserve = replace(self._reserver.reserve_request(site, pool, routed), how=ReserveKind.TRANSFER)
        if request.wait is None and request.keeps_agent:
            return replace(reserve, waiting=None)
        if reserve.waiting is not None and request.wait is None:
            # The old hold ends with the transfer. So the contact must be able to wait where the new agent declines.
            reserve = replace(reserve, waiting=replace(reserve.waiting, at_once=False))
        return reserve

    async def _unmatched(self, request: RankRequest, nobody: NobodyFree, *, explain: bool) -> Unmatched:
        would_match: tuple[Candidate, ...] = ()
        if explain:
            would_match = (await self._ranker.rank(replace(request, draw=None), _EVERYBODY)).candidates
        reason = _last_constraint(nobody.left_out)
        channel = request.requirements.channel
        await self._outbox.note_unmatched(request.replica.site, nobody.contact, request.pool.id, channel, reason)
        lacking = request.replica.index.unmet_skills(request.requirements) if reason is Constraint.SKILL else {}
        return Unmatched(nobody.contact, reason, nobody.left_out, would_match, request.unknown_preferred, lacking)


def _said(message: Message, encoded: EncodedMessage, outcome: ReservedOutcome | QueuedOutcome) -> Said:
    """Return what a contact's decision has of its message, and who was held for the contact."""
    held = outcome.reservation if isinstance(outcome, ReservedOutcome) else None
    return Said(
        contact=outcome.contact if isinstance(outcome, QueuedOutcome) else outcome.reservation.contact,
        customer=message.customer,
        agent=held.agent if held else "",
        channel=message.requirements.channel,
        texts=encoded.texts,
        vectors=encoded.vectors,
        language=encoded.language,
    )


def _reached(scope: Scope, replica: SiteReplica, left_out: LeftOut) -> LeftOut:
    """Return the agents left out without the names of those whom the caller does not reach; they are counted."""
    if scope.pools is None:
        return left_out
    known = ((named, replica.index.agent(named[0])) for named in left_out.agents)
    return replace(
        left_out, agents=tuple(named for named, agent in known if agent and scope.reaches(agent.profile.pools))
    )


def _excluded_by(contact: Contact, replica: SiteReplica) -> set[str]:
    """Return the agents who are excluded from a contact; not a new agent under the id of one who was removed."""
    known = {agent: replica.index.agent(agent) for agent in contact.excluded}
    uids = contact.excluded_uids
    return {name for name, agent in known.items() if agent is None or not agent.is_another(uids.get(name, ""))}


def _message_to_hand_on(request: TransferRequest, contact: Contact, pool: Pool, held: ReservationRef | None) -> Message:
    """Return the message of a transfer: what the request says, but never the agent who holds the contact."""
    message = request.message or Message("", "", Requirements())
    requirements = replace(
        message.requirements,
        pool=pool.id,
        channel=contact.channel,
        excluded=message.requirements.excluded | ({held.agent} if held else set()),
        only=request.agent,
    )
    return replace(message, customer=contact.customer, requirements=requirements)


def _last_constraint(left_out: LeftOut) -> Constraint:
    """Return the last constraint that excluded agents; POOL where the site has no agent."""
    named = [constraint for constraint in Constraint if left_out.counts.get(constraint)]
    return named[-1] if named else Constraint.POOL
