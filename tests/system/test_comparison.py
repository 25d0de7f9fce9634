"""A pool that compares: control gets the least utilized agent, and each decision says what the other arm would do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
IDS = count()


async def compare(client: MatcherClient, share: float, *, forgo: bool = False) -> None:
    """Let a share of the new contacts of the default pool be control."""
    pool = roster.Pool(name="default", control_share=share, control_forgoes_relationships=forgo, affinity_floor=0.1)
    pool.relationship_duration.FromSeconds(3_600)
    fields = ["control_share", "control_forgoes_relationships", "relationship_duration", "affinity_floor"]
    await client.update_pool(pool, fields)


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site that compares: bea keeps bees and is busier than cy, who sings."""
    async with service.client(await service.site()) as client:
        bea, cy = person("I keep honey bees.", most=9), person("I sing in a choir.", most=9)
        await hire(client, {"bea": bea, "cy": cy})
        await client.route(BEES, contact_id="busy", preferred_agents={"bea": None}, auto_accept=True)
        await compare(client, 0.5)
        yield client


async def routed(client: MatcherClient, arm: pb.Arm.ValueType, **options: object) -> pb.RouteMessageResponse:
    """Route contacts until one has an arm; the others end at once."""
    for number in IDS:
        answer = await client.route(BEES, contact_id=f"c{number}", **options)  # type: ignore[arg-type]
        if (await client.contact(answer.contact)).arm == arm:
            return answer
        await client.cancel_contact(answer.contact)
    raise AssertionError


async def test_control_gets_the_least_utilized_agent_and_treatment_the_closest(desk: MatcherClient) -> None:
    """Both decisions say the arm, its probability, that they take part, and the choice of the other arm."""
    bea, cy = desk.name("agents", "bea"), desk.name("agents", "cy")
    control = await routed(desk, pb.ARM_CONTROL, auto_accept=True)
    assert (control.reservation.agent, control.reservation.basis) == (cy, pb.CONTROL)
    said = await desk.decision(control.decision)
    assert (said.arm, said.arm_probability, said.part) == (pb.ARM_CONTROL, 0.5, pb.PART_TOOK_PART)
    assert (said.would_be_agent, said.would_be_basis, said.would_be_affinity > 0.1) == (bea, pb.AFFINITY, True)
    await desk.complete(control.reservation.name)
    treatment = await routed(desk, pb.ARM_TREATMENT)
    assert (treatment.reservation.agent, treatment.reservation.basis) == (bea, pb.AFFINITY)
    said = await desk.decision(treatment.decision)
    assert (said.arm, said.arm_probability, said.part) == (pb.ARM_TREATMENT, 0.5, pb.PART_TOOK_PART)
    assert (said.would_be_agent, said.would_be_basis) == (cy, pb.AFFINITY)
    assert said.would_be_affinity < 0.1


async def test_an_arm_is_drawn_once(desk: MatcherClient) -> None:
    """It stays through a decline, another share, no share, and a transfer, and the same id has it again."""
    offer = await routed(desk, pb.ARM_CONTROL)
    name, known = offer.contact, (await desk.contact(offer.contact)).arm_probability
    contact_id = name.rpartition("/")[2]
    await desk.decline(offer.reservation.name)
    await compare(desk, 0.0)
    again = await desk.route(BEES, contact_id=contact_id, auto_accept=True)
    assert (again.reservation.agent, again.reservation.basis) == (desk.name("agents", "bea"), pb.CONTROL)
    moved = await desk.transfer(contact_id, text=BEES)
    assert moved.WhichOneof("outcome") == "unmatched"  # cy declined, and bea hands on
    await desk.create_agent("dan", person("I fish."))
    moved = await desk.transfer(contact_id, text=BEES)
    assert (moved.reservation.agent, moved.reservation.basis) == (desk.name("agents", "dan"), pb.CONTROL)
    contact = await desk.contact(contact_id)
    assert (contact.arm, contact.arm_probability) == (pb.ARM_CONTROL, known)
    new = await desk.route(BEES, contact_id="without")
    assert (await desk.contact("without")).arm == pb.ARM_UNSPECIFIED
    assert (await desk.decision(new.decision)).part == pb.PART_UNSPECIFIED


async def test_a_contact_that_began_before_the_comparison_has_no_arm(desk: MatcherClient) -> None:
    """Routed again while its pool compares, it is served as before, and stands in no comparison."""
    offer = await desk.route(BEES, contact_id="busy-2", preferred_agents={"bea": None})
    await desk.decline(offer.reservation.name)
    assert (await desk.contact("busy")).arm == pb.ARM_UNSPECIFIED
    await compare(desk, 0.0)
    early = await desk.route(BEES, contact_id="early")
    await desk.decline(early.reservation.name)
    await compare(desk, 0.5)
    again = await desk.route(BEES, contact_id="early")
    assert (await desk.contact("early")).arm == pb.ARM_UNSPECIFIED
    assert (await desk.decision(again.decision)).part == pb.PART_UNSPECIFIED


async def test_where_another_rule_chooses_the_decision_stands_outside(desk: MatcherClient) -> None:
    """A preferred agent, a transfer by name, an assignment by hand, which says whom the service would have chosen."""
    preferred = await routed(desk, pb.ARM_CONTROL, preferred_agents={"bea": None}, auto_accept=True)
    said = await desk.decision(preferred.decision)
    assert (said.basis, said.part, said.would_be_agent) == (pb.PREFERRED, pb.PART_PREFERRED, "")
    moved = await desk.transfer(preferred.contact, agent="cy")
    assert (await desk.decision(moved.decision)).part == pb.PART_TRANSFER
    given = await desk.assign("by-hand", "cy", text=BEES, actor="Eva", reason="She asked for him.")
    said = await desk.decision(given.decision)
    assert (said.part, said.actor, said.reason) == (pb.PART_ASSIGNED, "Eva", "She asked for him.")
    control = said.arm == pb.ARM_CONTROL
    own = (said.would_be_agent, said.would_be_basis)
    assert own == (desk.name("agents", "bea"), pb.AFFINITY) if not control else own[1] == pb.CONTROL
    offer = await desk.route(BEES, contact_id="offered", preferred_agents={"bea": None})
    taken = await desk.decision((await desk.assign("offered", "cy")).decision)
    assert (taken.would_be_agent, taken.would_be_basis) == (offer.reservation.agent, pb.PREFERRED)


async def test_control_keeps_relationships_unless_its_pool_says_otherwise(desk: MatcherClient) -> None:
    """Kept, both arms stand outside; forgone, control goes by load, and says who knows the customer."""
    first = await routed(desk, pb.ARM_TREATMENT, customer="zoe", preferred_agents={"bea": None}, auto_accept=True)
    await desk.complete(first.reservation.name, resolved=True)
    kept = await routed(desk, pb.ARM_CONTROL, customer="zoe", auto_accept=True)
    said = await desk.decision(kept.decision)
    assert (said.basis, said.part) == (pb.RELATIONSHIP, pb.PART_RELATIONSHIP)
    await compare(desk, 0.5, forgo=True)
    forgone = await routed(desk, pb.ARM_CONTROL, customer="zoe", auto_accept=True)
    said = await desk.decision(forgone.decision)
    assert (said.basis, said.agent, said.part) == (pb.CONTROL, desk.name("agents", "cy"), pb.PART_TOOK_PART)
    assert (said.would_be_agent, said.would_be_basis) == (desk.name("agents", "bea"), pb.RELATIONSHIP)
    known = await routed(desk, pb.ARM_TREATMENT, customer="zoe")
    said = await desk.decision(known.decision)
    assert (said.basis, said.part, said.would_be_basis) == (pb.RELATIONSHIP, pb.PART_TOOK_PART, pb.RELATIONSHIP)


async def test_in_a_batch_control_is_served_first_and_the_others_jointly(desk: MatcherClient) -> None:
    """Of two agents with one place each control takes the longest idle, also where the others would want that agent."""
    await hire(desk, {"bea": person("I keep honey bees."), "cy": person("I keep honey bees.")})
    arms: dict[pb.Arm.ValueType, list[str]] = {pb.ARM_CONTROL: [], pb.ARM_TREATMENT: []}
    while not (arms[pb.ARM_CONTROL] and arms[pb.ARM_TREATMENT]):
        answer = await desk.route(BEES, contact_id=f"c{next(IDS)}")
        arms[(await desk.contact(answer.contact)).arm].append(answer.contact.rpartition("/")[2])
        await desk.decline(answer.reservation.name)
    await hire(desk, {"bea": person("I sing.", most=2), "cy": person("I sing.", status=roster.OFFLINE)})
    await hire(desk, {"old": person("I keep honey bees."), "new": person("I sing in a choir.")})
    names = [arms[pb.ARM_TREATMENT][0], arms[pb.ARM_CONTROL][0]]
    message = pb.Message(text=BEES, excluded_agents=[desk.name("agents", "bea")])
    answers = await desk.route_many([pb.RouteMessageRequest(contact_id=one, message=message) for one in names])
    held = {one.contact_id: one.response.reservation for one in answers}
    assert {one: held[one].agent.rpartition("/")[2] for one in names} == {names[0]: "new", names[1]: "old"}
    assert (held[names[1]].basis, held[names[0]].basis) == (pb.CONTROL, pb.FALLBACK)


async def test_a_contact_that_waited_is_offered_by_its_arm(desk: MatcherClient) -> None:
    """Both wait; when capacity is free, control gets the least utilized agent, and the decisions take part."""
    for name in ("bea", "cy"):
        await desk.set_agent_status(name, roster.AWAY)
    waiting = {}
    for arm in (pb.ARM_CONTROL, pb.ARM_TREATMENT):
        waiting[arm] = (await routed(desk, arm, wait=True)).contact
    for name in ("bea", "cy"):
        await desk.set_agent_status(name, roster.ONLINE)

    async def offered() -> bool:
        states = [(await desk.contact(one)).state for one in waiting.values()]
        return states == [pb.CONTACT_RESERVED] * 2

    await wait_until(offered, "both contacts are offered")
    for arm, contact in waiting.items():
        reservation = await desk.reservation((await desk.contact(contact)).reservation)
        said = await desk.decision(reservation.decision)
        assert (said.arm, said.part) == (arm, pb.PART_TOOK_PART)
        assert said.basis == pb.CONTROL if arm == pb.ARM_CONTROL else said.basis in (pb.AFFINITY, pb.FALLBACK)
        assert said.would_be_agent


async def test_a_desk_is_told_neither_basis_nor_arm(desk: MatcherClient) -> None:
    """What WatchReservations sends of a control contact says nothing that an offer by affinity would not."""
    offer = await routed(desk, pb.ARM_CONTROL)
    assert offer.reservation.basis == pb.CONTROL
    async for change in desk.watch_reservations("cy"):
        reservation = change.reservation
        if reservation.name == offer.reservation.name:
            assert reservation.basis == pb.BASIS_UNSPECIFIED
            break


async def test_a_share_above_a_half_is_a_wrong_field(desk: MatcherClient) -> None:
    """Most contacts are served by affinity."""
    for share in (0.51, 1.5, -0.1, float("nan")):
        with pytest.raises(MatcherCallError) as refused:
            await compare(desk, share)
        assert refused.value.reason == "FIELDS_INVALID"
        assert "pool.control_share" in str(refused.value)
