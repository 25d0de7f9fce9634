"""Returning customers: they meet the agent again who served them well."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
TRAINS = "I missed the steam train, and my photographs with it."
PEOPLE = {
    "bea": person("I keep honey bees."),
    "tom": person("I photograph steam trains."),
}


async def leads_back(client: MatcherClient, kept: timedelta = timedelta(0)) -> None:
    """Let the default pool lead customers back for an hour, and keep their contacts for that agent for so long."""
    pool = roster.Pool(name=client.name("pools", "default"), relationship_duration=Duration(seconds=3600))
    pool.relationship_wait.FromTimedelta(kept)
    await client.update_pool(pool, ["relationship_duration", "relationship_wait"])


async def talk(client: MatcherClient, text: str, customer: str, **said: object) -> pb.RouteMessageResponse:
    """Route, accept and complete a conversation."""
    answer = await client.route(text, customer=customer, auto_accept=True)
    await client.complete(answer.reservation.name, **said)  # type: ignore[arg-type]  # the test's own words
    return answer


async def test_a_returning_customer_meets_the_agent_who_served_them_well(service: Server) -> None:
    """A customer whom bea helped is led back to her whatever the message says; a bad conversation ends that."""
    async with service.client(await service.site()) as client:
        await hire(client, PEOPLE)
        await leads_back(client)
        await talk(client, BEES, "ann", resolved=True)
        again = await talk(client, TRAINS, "ann")
        assert (again.reservation.agent, again.reservation.basis) == (client.name("agents", "bea"), pb.RELATIONSHIP)
        stranger = await talk(client, TRAINS, "bob")
        assert (stranger.reservation.agent, stranger.reservation.basis) == (client.name("agents", "tom"), pb.AFFINITY)
        await talk(client, TRAINS, "ann", resolved=False)
        broken = await talk(client, TRAINS, "ann")
        assert (broken.reservation.agent, broken.reservation.basis) == (client.name("agents", "tom"), pb.AFFINITY)


async def test_a_rating_leads_back_and_an_exclusion_does_not(service: Server) -> None:
    """A rating of four or five stars leads back; an agent that the request excludes does not get the contact."""
    async with service.client(await service.site()) as client:
        await hire(client, PEOPLE)
        await leads_back(client)
        await talk(client, BEES, "ann", rating=5)
        away = await client.route(TRAINS, customer="ann", excluded_agents=["bea"])
        assert away.reservation.agent == client.name("agents", "tom")
        back = await client.route(TRAINS, customer="ann")
        assert back.reservation.basis == pb.RELATIONSHIP


async def test_a_new_person_under_a_removed_agent_s_id_does_not_inherit_the_customers(service: Server) -> None:
    """Another gets the id: the API shows another uid, and the customer goes to an agent who fits the message."""
    async with service.client(await service.site()) as client:
        await hire(client, PEOPLE)
        await leads_back(client)
        served = await talk(client, BEES, "ann", resolved=True)
        former = await client.agent("bea")
        assert served.reservation.agent_uid == former.uid
        await client.delete_agent("bea")
        await hire(client, {"bea": PEOPLE["bea"]})
        assert (await client.agent("bea")).uid not in {"", former.uid}
        again = await talk(client, TRAINS, "ann")
        assert (again.reservation.agent, again.reservation.basis) == (client.name("agents", "tom"), pb.AFFINITY)
        decision = await client.decision(served.reservation.decision)
        assert (decision.agent, decision.agent_uid) == (former.name, former.uid)
        assert decision.pool_uid == (await client.pool("default")).uid != ""
        uids = {site.name: site.uid async for site in client.sites()}
        assert uids[client.parent]


async def test_handles_that_are_linked_are_one_customer(service: Server) -> None:
    """A customer served well by mail is known on the phone once the handles are linked, in any order of links."""
    async with service.client(await service.site()) as client:
        await hire(client, PEOPLE)
        await leads_back(client)
        await talk(client, BEES, "ann@mail", resolved=True)
        await talk(client, TRAINS, "ann-social", resolved=True)
        assert await client.link_customer("ann-phone", "ann-social") == 2
        assert await client.link_customer("ann@mail", "ann-phone") == 3
        on_phone = await talk(client, BEES, "ann-phone")
        assert on_phone.reservation.basis == pb.RELATIONSHIP
        assert on_phone.reservation.agent == client.name("agents", "tom"), "the agent who served them well last"


async def test_a_contact_is_kept_for_the_busy_agent_who_knows_the_customer_and_only_so_long(service: Server) -> None:
    """Until relationship_wait is over only that agent gets the contact; after that, any agent does."""
    async with service.client(await service.site()) as client:
        await hire(client, PEOPLE)
        await leads_back(client, timedelta(seconds=3600))
        await talk(client, BEES, "ann", resolved=True)
        busy = await client.route(BEES, auto_accept=True)
        kept = await client.route(TRAINS, customer="ann", contact_id="kept", wait=True)
        assert kept.WhichOneof("outcome") == "queued"
        await client.complete(busy.reservation.name)

        async def held() -> bool:
            return (await client.contact("kept")).state == pb.CONTACT_RESERVED

        await wait_until(held, "the contact is offered")
        offer = await client.reservation((await client.contact("kept")).reservation)
        assert (offer.agent, offer.basis) == (client.name("agents", "bea"), pb.RELATIONSHIP)

        await leads_back(client, timedelta(seconds=2))
        late = await client.route(TRAINS, customer="ann", contact_id="late", wait=True)
        assert late.WhichOneof("outcome") == "queued"

        async def went_on() -> bool:
            return (await client.contact("late")).state == pb.CONTACT_RESERVED

        await wait_until(went_on, "the contact goes to another")
        offer = await client.reservation((await client.contact("late")).reservation)
        assert (offer.agent, offer.basis) == (client.name("agents", "tom"), pb.AFFINITY)


async def test_preferred_agents_come_first_in_their_order(service: Server) -> None:
    """The request's preferred agents come before affinity; if none of them is free, affinity decides."""
    async with service.client(await service.site()) as client:
        await hire(client, PEOPLE)
        first = await client.route(TRAINS, preferred_agents={"nobody": None, "bea": None})
        assert (first.reservation.agent, first.reservation.basis) == (client.name("agents", "bea"), pb.PREFERRED)
        second = await client.route(TRAINS, preferred_agents={"bea": None})
        assert (second.reservation.agent, second.reservation.basis) == (client.name("agents", "tom"), pb.AFFINITY)
