"""A contact that waits, as a platform and a customer see it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from matcher.client import MatcherClient
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
        assert 0 <= decision.create_time.ToMilliseconds() - lapsed < 1000
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
