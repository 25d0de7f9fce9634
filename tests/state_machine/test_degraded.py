"""A pool that wants the longest idle agent where the encoder cannot take a message: who gets it, and what is told."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest

from matcher.encoder import Priority
from matcher.encoder.protocols import Vectors
from matcher.errors import EncoderOverloaded, MatcherError, ModelUnusable
from matcher.model import (
    Basis,
    Capacity,
    ChannelCapacity,
    Degraded,
    Message,
    Outcome,
    Preferred,
    Profile,
    QueuedOutcome,
    Requirements,
    ReservedOutcome,
    Unmatched,
    Wait,
    WhenOverloaded,
)
from matcher.model.lifecycle import AgentStatus, ContactState
from matcher.model.requests import RouteRequest, SuggestRequest, TransferRequest
from matcher.replica.affinity_floors import AffinityFloors
from matcher.routing.batch_router import BatchRouter
from matcher.routing.loop_turns import LoopTurns
from matcher.routing.ranker import Ranker
from matcher.routing.search_batcher import SearchBatcher
from matcher.store.redis.client import StoreClient
from tests.state_machine.sealed import forget_vectors
from tests.state_machine.service_instance import TOLERANCE, ServiceInstance
from tests.state_machine.stored import Stored
from tests.state_machine.words import WordEncoder

FULL = EncoderOverloaded(queued=9, limit=8)
BROKEN = ModelUnusable("a batch failed with RuntimeError")


class FaultyEncoder(WordEncoder):
    """An encoder that fails for messages while it has a fault."""

    fingerprint = "00000000000000fd"

    def __init__(self) -> None:
        self.fault: MatcherError | None = None

    async def encode(
        self, texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        """Encode texts, or fail."""
        if self.fault is not None and priority is Priority.ROUTE:
            raise self.fault
        return await super().encode(texts, english=english, priority=priority)


@dataclass
class Desk:
    """A site whose default pool falls back; Ann has been idle for longest, and Bob loves roses."""

    site: str
    service: ServiceInstance
    encoder: FaultyEncoder
    connection: StoreClient

    async def hire(self, agent: str, interest: str, **fields: object) -> None:
        """Add an agent with capacity for one chat."""
        capacity = Capacity(1, {"chat": ChannelCapacity(1)})
        profile = replace(Profile("", (interest,), capacity=capacity), **fields)  # type: ignore[arg-type]
        await self.service.agents.create_agent(self.site, agent, profile, AgentStatus.ONLINE)

    async def route(self, contact: str, requirements: Requirements | None = None, **fields: object) -> Outcome:
        """Route a message about roses."""
        request = RouteRequest(Message("roses", "", requirements or Requirements()), contact_id=contact)
        return await self.service.router.route(self.site, replace(request, **fields))  # type: ignore[arg-type]

    async def held(self, contact: str, **fields: object) -> ReservedOutcome:
        """Route a message that gets an agent."""
        outcome = await self.route(contact, **fields)  # type: ignore[arg-type]
        assert isinstance(outcome, ReservedOutcome)
        return outcome

    async def serve(self) -> None:
        """Let the dispatcher offer what it can."""
        await self.service.catch_up(self.site, (await Stored.read(self.connection, self.site)).ends)
        await (await self.service.dispatcher(self.site)).serve()


@pytest.fixture
async def desk(store_url: str) -> AsyncIterator[Desk]:
    """Give the site."""
    connection, encoder = StoreClient(store_url), FaultyEncoder()
    await connection.start()
    floors, site = await AffinityFloors.open(encoder), f"s{secrets.token_hex(6)}"
    service = await ServiceInstance.open(connection, encoder, floors)
    await service.site_service.create_site(site)
    policy = {"affinity_floor": 0.0, "when_overloaded": WhenOverloaded.FALLBACK}
    await service.pools.update_pool(site, "default", policy, "")
    desk = Desk(site, service, encoder, connection)
    await desk.hire("ann", "trains")
    await desk.hire("bob", "roses")
    yield desk
    await service.close()
    await service.site_service.delete_site(site, force=True)
    await floors.close()
    await connection.close()


async def test_with_a_sound_encoder_nothing_is_degraded(desk: Desk) -> None:
    """The closest agent gets the message."""
    held = await desk.held("c")
    assert (held.reservation.agent, held.reservation.basis, held.degraded) == ("bob", Basis.AFFINITY, None)


@pytest.mark.parametrize(("fault", "why"), [(FULL, Degraded.ENCODER_FULL), (BROKEN, Degraded.ENCODER_BROKEN)])
async def test_the_longest_idle_agent_gets_the_message_and_everything_says_why(
    desk: Desk, fault: MatcherError, why: Degraded
) -> None:
    """The answer, its repeat, and the decision."""
    desk.encoder.fault = fault
    held = await desk.held("c", request_id="r-1", digest=b"1")
    assert (held.reservation.agent, held.reservation.basis, held.degraded) == ("ann", Basis.FALLBACK, why)
    desk.encoder.fault = None
    again = await desk.held("c", request_id="r-1", digest=b"1")
    assert (again.replayed, again.degraded) == (True, why)
    decision = await desk.service.reservations.decision(desk.site, held.reservation.decision)
    assert (decision.ranking.degraded, decision.ranking.basis) == (why, Basis.FALLBACK)
    assert decision.ranking.units == 0


async def test_what_was_set_aside_of_a_mail_is_told_all_the_same(desk: Desk) -> None:
    """The quote was found without the encoder."""
    desk.encoder.fault = FULL
    mail = Message("I love roses.\n\nOn Monday, Bob wrote:\n> Do you like trains?\n", "", Requirements())
    degraded = await desk.held("c", message=mail)
    decision = await desk.service.reservations.decision(desk.site, degraded.reservation.decision)
    desk.encoder.fault = None
    compared = await desk.held("d", message=mail)
    other = await desk.service.reservations.decision(desk.site, compared.reservation.decision)
    assert decision.ranking.set_aside == other.ranking.set_aside != ()


@pytest.mark.parametrize("fault", [FULL, BROKEN])
async def test_a_pool_refuses_unless_it_chose_otherwise(desk: Desk, fault: MatcherError) -> None:
    """The caller gets the encoder's error, and nobody is reserved."""
    await desk.service.pools.update_pool(desk.site, "default", {"when_overloaded": None}, "")
    desk.encoder.fault = fault
    with pytest.raises(type(fault)):
        await desk.route("c")
    desk.encoder.fault = None
    assert (await desk.held("c")).degraded is None


async def test_the_requirements_hold_all_the_same(desk: Desk) -> None:
    """Ann lacks the skill, so Bob gets the message; a message that nobody may have stays unmatched."""
    await desk.hire("cy", "trains", skills={"law": 3})
    desk.encoder.fault = FULL
    held = await desk.route("c", Requirements(skills={"law": 2}))
    assert isinstance(held, ReservedOutcome)
    assert held.reservation.agent == "cy"
    assert isinstance(await desk.route("d", Requirements(skills={"law": 2})), Unmatched)


async def test_a_preferred_agent_still_comes_first(desk: Desk) -> None:
    """The wish of the caller needs no encoder; the decision says that nothing was compared."""
    desk.encoder.fault = BROKEN
    message = Message("roses", "", Requirements(), (Preferred("bob", Basis.PREFERRED),))
    held = await desk.held("c", message=message)
    assert (held.reservation.agent, held.reservation.basis) == ("bob", Basis.PREFERRED)
    assert held.degraded is Degraded.ENCODER_BROKEN


async def test_a_transfer_falls_back_too_and_a_suggestion_does_not(desk: Desk) -> None:
    """A suggestion without affinities would suggest nothing: it gets the encoder's error."""
    held = await desk.held("c", auto_accept=True)
    desk.encoder.fault = FULL
    moved = await desk.service.router.transfer(
        desk.site, TransferRequest("c", message=Message("roses", "", Requirements()))
    )
    assert isinstance(moved, ReservedOutcome)
    assert (held.reservation.agent, moved.reservation.agent) == ("bob", "ann")
    assert moved.degraded is Degraded.ENCODER_FULL
    with pytest.raises(EncoderOverloaded):
        await desk.service.router.suggest(desk.site, SuggestRequest(Message("roses", "", Requirements()), 8))


async def test_a_batch_falls_back_message_by_message(desk: Desk) -> None:
    """Each gets an agent of its own, in the order of idleness."""
    desk.encoder.fault = FULL
    ranker = Ranker(TOLERANCE, SearchBatcher(LoopTurns()))
    batch = BatchRouter(desk.service.router, desk.service.sites, ranker)
    requests = [RouteRequest(Message("roses", "", Requirements()), contact_id=contact) for contact in ("c", "d")]
    results = await batch.route(desk.site, requests, in_turn=True)
    held = [result for result in results if isinstance(result, ReservedOutcome)]
    assert {one.reservation.agent for one in held} == {"ann", "bob"}
    assert [one.degraded for one in held] == [Degraded.ENCODER_FULL] * 2


async def test_a_contact_whose_vectors_were_kept_is_compared_while_the_encoder_is_broken(desk: Desk) -> None:
    """They were sealed with its text when it came: nothing has to be encoded, and nothing is degraded."""
    first, _ = await desk.held("a"), await desk.held("b")
    assert isinstance(await desk.route("c", wait=Wait()), QueuedOutcome)
    desk.encoder.fault = BROKEN
    (await desk.service.dispatcher(desk.site)).forget()
    await desk.service.reservations.cancel(desk.site, first.reservation.id, 0)
    await desk.serve()
    offered = await desk.service.contacts.contact(desk.site, "c")
    reservation = await desk.service.reservations.reservation(desk.site, offered.reservation)
    assert (await desk.service.reservations.decision(desk.site, reservation.decision)).ranking.degraded is None


async def test_a_contact_in_the_queue_is_offered_while_the_encoder_is_broken(desk: Desk) -> None:
    """The queue does not stand still; a contact that still waits when the encoder is sound again is compared.

    So is one whose vectors were sealed with its text; these were sealed by a version that kept none.
    """
    first, second = await desk.held("a"), await desk.held("b")
    for contact in ("c", "d"):
        assert isinstance(await desk.route(contact, wait=Wait()), QueuedOutcome)
    await forget_vectors(desk.connection, desk.service.queue, desk.site, ("c", "d"))
    desk.encoder.fault = BROKEN
    (await desk.service.dispatcher(desk.site)).forget()
    await desk.service.reservations.cancel(desk.site, first.reservation.id, 0)
    await desk.serve()
    offered = await desk.service.contacts.contact(desk.site, "c")
    assert offered.state is ContactState.RESERVED
    reservation = await desk.service.reservations.reservation(desk.site, offered.reservation)
    decision = await desk.service.reservations.decision(desk.site, reservation.decision)
    assert decision.ranking.degraded is Degraded.ENCODER_BROKEN
    desk.encoder.fault = None
    await desk.service.reservations.cancel(desk.site, second.reservation.id, 0)
    await desk.serve()
    offered = await desk.service.contacts.contact(desk.site, "d")
    reservation = await desk.service.reservations.reservation(desk.site, offered.reservation)
    decision = await desk.service.reservations.decision(desk.site, reservation.decision)
    assert decision.ranking.degraded is None
