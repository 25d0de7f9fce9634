"""Contacts that wait, as a platform and a customer see them."""

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
    """Return the state of a contact."""
    return (await client.contact(contact)).state


async def offered(client: MatcherClient, contact: str) -> pb.Contact:
    """Wait until a contact is offered to an agent."""

    async def is_offered() -> bool:
        return await state_of(client, contact) == pb.CONTACT_RESERVED

    await wait_until(is_offered, f"{contact} is offered")
    return await client.contact(contact)


async def test_a_contact_waits_and_is_offered_as_soon_as_an_agent_is_free(service: Server) -> None:
    """If no agent is free, the answer is a place in the queue; the first agent who is free gets the contact."""
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
    """The agent who declines gets no second offer; the contact goes to the other agent at once."""
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


async def test_an_agent_who_comes_online_gets_a_waiting_contact(service: Server) -> None:
    """A change of status is an event: the best of the waiting contacts is offered without polling."""
    async with service.client(await service.site()) as client:
        await hire(client, {"tom": person("I photograph steam trains.", status=roster.OFFLINE)})
        await asyncio.gather(
            client.route(BEES, contact_id="bees", wait=True), client.route(TRAINS, contact_id="trains", wait=True)
        )
        await client.set_agent_status("tom", roster.ONLINE)
        await offered(client, "trains")
        assert await state_of(client, "bees") == pb.CONTACT_QUEUED


async def test_a_requirement_lapses_and_the_contact_is_matched_again(service: Server) -> None:
    """A skill required for a second makes the contact wait that long; the decision names the relaxed requirement."""
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
        # Not before: a server knows the store's clock within half a round trip.
        assert decision.create_time.ToMilliseconds() - lapsed >= -250
        assert lapsed - held.create_time.ToMilliseconds() == 1000


async def test_a_transfer_frees_the_old_agent_only_when_the_new_one_is_reserved(service: Server) -> None:
    """While no agent is free the old agent keeps the contact; then the new one gets it, and the old one is free."""
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


async def test_a_waiting_contact_that_is_routed_again_has_the_new_message_and_the_old_age(service: Server) -> None:
    """Agents are compared with the contact's second message; its place in the queue stays."""
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


async def test_a_transfer_to_a_named_agent_reserves_no_other(service: Server) -> None:
    """The named agent is reserved, with the basis TRANSFER; if she is not available, nothing changes."""
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


async def test_only_an_accepted_contact_can_be_transferred(service: Server) -> None:
    """An unanswered offer cannot be transferred; an unknown contact is not found."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")})
        await client.route(BEES, contact_id="c")
        with pytest.raises(MatcherCallError) as refused:
            await client.transfer("c", agent="tom")
        assert refused.value.reason == "CONTACT_STATE_WRONG"
        with pytest.raises(MatcherCallError) as unknown:
            await client.transfer("nobody-knows", agent="tom")
        assert unknown.value.reason == "CONTACT_NOT_FOUND"


async def test_a_transferred_contact_waits_if_the_new_agent_declines(service: Server) -> None:
    """The old agent is free by then; the contact goes to any agent of the pool but these two."""
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
