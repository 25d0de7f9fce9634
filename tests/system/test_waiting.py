"""A contact that waits, as a platform and a customer see it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
TRAINS = "I missed the steam train, and my photographs with it."


async def state_of(client: MatcherClient, contact: str) -> int:
    """Return where a contact stands."""
    return (await client.contact(contact)).state


async def offered(client: MatcherClient, contact: str) -> pb.Contact:
    """Wait until a contact is offered to somebody."""

    async def is_offered() -> bool:
        return await state_of(client, contact) == pb.CONTACT_RESERVED

    await wait_until(is_offered, f"{contact} is offered")
    return await client.contact(contact)


async def test_a_contact_waits_and_is_offered_as_soon_as_an_agent_is_free(service: Server) -> None:
    """Where nobody is free the answer is a place in the queue; the first slot that frees is held for who waits."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees.")})
        first = await client.route(BEES, auto_accept=True)
        second = await client.route(BEES, contact_id="c-2", wait=True)
        third = await client.route(TRAINS, contact_id="c-3", wait=True)
        assert second.WhichOneof("outcome") == "queued"
        assert (second.queued.position, third.queued.position) == (1, 2)
        await client.complete(first.reservation.name)
        held = await offered(client, "c-2")
        offer = await client.reservation(held.reservation)
        assert (offer.agent, offer.basis) == (client.name("agents", "bea"), pb.AFFINITY)
        assert await state_of(client, "c-3") == pb.CONTACT_QUEUED


async def test_a_declined_offer_goes_on_to_the_next_agent(service: Server) -> None:
    """Who declines is not asked again; the contact goes to the other agent at once."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")})
        answer = await client.route(BEES, contact_id="c", wait=True)
        await client.decline(answer.reservation.name, reason="lunch")

        async def is_toms() -> bool:
            held = await client.contact("c")
            if held.state != pb.CONTACT_RESERVED:
                return False
            return (await client.reservation(held.reservation)).agent == client.name("agents", "tom")

        await wait_until(is_toms, "the contact is offered to tom")


async def test_an_agent_who_comes_online_takes_who_waits(service: Server) -> None:
    """A status is an event: nobody polls, and the best of those who wait is offered."""
    async with service.client(await service.site()) as client:
        await hire(client, {"tom": person("I photograph steam trains.", status=roster.OFFLINE)})
        await asyncio.gather(
            client.route(BEES, contact_id="bees", wait=True), client.route(TRAINS, contact_id="trains", wait=True)
        )
        await client.set_agent_status("tom", roster.ONLINE)
        await offered(client, "trains")
        assert await state_of(client, "bees") == pb.CONTACT_QUEUED


async def test_a_requirement_lapses_and_the_contact_is_matched_again(service: Server) -> None:
    """A skill that is required for a second only keeps the contact that long; the decision says what was relaxed."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees.")})
        await client.route(
            BEES,
            contact_id="c",
            wait=True,
            required_skills={"law": 3},
            skills_expire={"law": timedelta(seconds=1)},
        )
        held = await offered(client, "c")
        decision = await client.decision((await client.reservation(held.reservation)).decision)
        assert [one.skill for one in decision.relaxed] == ["law"]
        lapsed = decision.relaxed[0].time.ToMilliseconds()
        # A server knows the store's clock to half a round trip.
        assert -50 <= decision.create_time.ToMilliseconds() - lapsed < 1000
        assert lapsed - held.create_time.ToMilliseconds() == 1000


async def test_a_transfer_frees_the_old_agent_only_when_the_new_one_is_held(service: Server) -> None:
    """While nobody can take it the old agent holds it; then the new one does, and the old one is free."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")})
        first = await client.route(BEES, contact_id="c", auto_accept=True)
        busy = await client.route(TRAINS, auto_accept=True)
        asked = await client.transfer("c", text="somebody who likes steam trains", wait=True)
        assert asked.WhichOneof("outcome") == "queued"
        assert (await client.agent("bea")).load == 1
        assert await state_of(client, "c") == pb.CONTACT_ASSIGNED
        await client.complete(busy.reservation.name)
        moved = await offered(client, "c")
        assert (await client.reservation(moved.reservation)).agent == client.name("agents", "tom")
        assert (await client.agent("bea")).load == 0
        assert (await client.reservation(first.reservation.name)).state == pb.COMPLETED


async def test_who_routes_a_waiting_contact_anew_changes_what_it_says_and_keeps_its_age(service: Server) -> None:
    """The second message of the same contact is what agents are compared with; its place in line stays."""
    async with service.client(await service.site()) as client:
        await hire(client, {"tom": person("I photograph steam trains."), "bea": person("I keep honey bees.")})
        busy = [await client.route(text, auto_accept=True) for text in (BEES, TRAINS)]
        await client.route(TRAINS, contact_id="c", wait=True)
        await client.route(BEES, contact_id="later", wait=True)
        again = await client.route(BEES, contact_id="c", wait=True)
        assert again.queued.position == 1
        await asyncio.gather(*(client.complete(one.reservation.name) for one in busy))
        held = await offered(client, "c")
        decision = await client.decision((await client.reservation(held.reservation)).decision)
        assert {one.agent for one in decision.candidates} <= {
            client.name("agents", "bea"),
            client.name("agents", "tom"),
        }
        best = max(decision.candidates, key=lambda one: one.affinity)
        assert best.agent == client.name("agents", "bea")


async def test_a_transfer_to_an_agent_by_name_takes_nobody_else(service: Server) -> None:
    """The agent who is named is held, with the basis saying so; where she cannot, nothing changes."""
    async with service.client(await service.site()) as client:
        people = {
            "bea": person("I keep honey bees."),
            "tom": person("I photograph steam trains."),
            "zoe": person("Zen."),
        }
        await hire(client, people)
        await client.route(BEES, contact_id="c", auto_accept=True)
        await client.set_agent_status("zoe", roster.OFFLINE)
        nobody = await client.transfer("c", agent="zoe")
        assert nobody.WhichOneof("outcome") == "unmatched"
        assert (await client.contact("c")).state == pb.CONTACT_ASSIGNED
        await client.set_agent_status("zoe", roster.ONLINE)
        moved = await client.transfer("c", agent="zoe", request_id="t-1")
        assert (moved.reservation.agent, moved.reservation.basis) == (client.name("agents", "zoe"), pb.TRANSFER)
        again = await client.transfer("c", agent="zoe", request_id="t-1")
        assert again.replayed
        assert again.reservation == moved.reservation
        assert (await client.agent("bea")).load == 0


async def test_only_what_an_agent_has_accepted_can_be_handed_on(service: Server) -> None:
    """An offer that waits for its answer is declined, not transferred; an unknown contact is not found."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")})
        await client.route(BEES, contact_id="c")
        with pytest.raises(MatcherCallError) as refused:
            await client.transfer("c", agent="tom")
        assert refused.value.reason == "CONTACT_STATE_WRONG"
        with pytest.raises(MatcherCallError) as unknown:
            await client.transfer("nobody-knows", agent="tom")
        assert unknown.value.reason == "CONTACT_NOT_FOUND"


async def test_a_customer_who_was_handed_on_waits_where_the_new_agent_declines(service: Server) -> None:
    """The old agent is free by then: the contact goes to anybody of the pool but those two."""
    async with service.client(await service.site()) as client:
        interests = {"bea": "I keep honey bees.", "tom": "I photograph steam trains.", "zoe": "I sit in silence."}
        await hire(client, {name: person(interest) for name, interest in interests.items()})
        await client.route(BEES, contact_id="c", auto_accept=True)
        moved = await client.transfer("c", agent="tom")
        await client.decline(moved.reservation.name)

        async def is_zoes() -> bool:
            now = await client.contact("c")
            held = now.state == pb.CONTACT_RESERVED
            return held and (await client.reservation(now.reservation)).agent == client.name("agents", "zoe")

        await wait_until(is_zoes, "the contact is offered to zoe")
        assert (await client.agent("bea")).load == 0
