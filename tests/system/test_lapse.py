"""Offers that no agent answers."""

from __future__ import annotations

from functools import partial

from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as pb
from matcher.v1 import routing_pb2 as routing
from tests.people import hire, person, wait_until
from tests.system.conftest import Pair

TEXT = "The frames for my bee hive came without nails."


async def an_agent_is_free(client: MatcherClient) -> bool:
    """Return whether a server ranks an agent of the pool."""
    return bool((await client.suggest(TEXT, pool="quick")).candidates)


async def has_expired(client: MatcherClient, reservation: str) -> bool:
    """Return whether a server reads an offer as expired."""
    return (await client.reservation(reservation)).state == routing.EXPIRED


async def test_an_unanswered_offer_lapses_by_itself(pair: Pair) -> None:
    """After a second the agent is free at both servers, and the contact is RETURNED."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        pool = await one.create_pool("quick", pb.Pool(offer_duration=Duration(seconds=3600)))
        await hire(one, {"maya": person("I keep honey bees.", pools=[pool.name])})
        long = await one.route(TEXT, pool="quick")
        for client in (one, other):
            full = await client.route(TEXT, pool="quick")
            assert full.unmatched.reason == routing.CONSTRAINT_CAPACITY
        await one.cancel(long.reservation.name)
        await one.update_pool(pb.Pool(name=pool.name, offer_duration=Duration(seconds=1)), ["offer_duration"])
        offered = await one.route(TEXT, pool="quick", contact_id="c-1")

        for client in (one, other):
            await wait_until(partial(has_expired, client, offered.reservation.name), "the offer expires")
            await wait_until(partial(an_agent_is_free, client), "the agent is free again")
            assert (await client.agent("maya")).load == 0

        assert (await other.contact("c-1")).state == routing.CONTACT_RETURNED
        contact = await one.contact("c-1")
        assert list(contact.excluded_agents) == [one.name("agents", "maya")]
        again = await other.route(TEXT, pool="quick", contact_id="c-1")
        assert again.WhichOneof("outcome") == "unmatched"
        next_offer = await one.route(TEXT, pool="quick", contact_id="c-2")
        assert next_offer.reservation.agent == one.name("agents", "maya")
        assert next_offer.reservation.fence > offered.reservation.fence


async def test_a_server_that_opens_the_site_later_knows_what_has_lapsed(pair: Pair) -> None:
    """A server that never followed the site reads the offer as expired, and offers the agent again."""
    site = await pair.one.site()
    async with pair.one.client(site) as one:
        await one.create_pool("quick", pb.Pool(offer_duration=Duration(seconds=1)))
        await hire(one, {"maya": person("I keep honey bees.", pools=[one.name("pools", "quick")])})
        offered = await one.route(TEXT, pool="quick", contact_id="c-1")
        await wait_until(partial(has_expired, one, offered.reservation.name), "the offer lapses")
    async with pair.other.client(site) as other:
        assert (await other.reservation(offered.reservation.name)).state == routing.EXPIRED
        assert (await other.contact("c-1")).state == routing.CONTACT_RETURNED
        assert (await other.route(TEXT, pool="quick")).reservation.agent == other.name("agents", "maya")
