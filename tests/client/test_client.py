"""The client with a running service: every method once, as an integrator uses it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2, routing_pb2
from tests.processes import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "route.py"
TEXT = "We want to sail to the coast on Saturday."


@pytest.fixture
async def client(service: Server) -> AsyncIterator[MatcherClient]:
    """Yield a client with two channels and a site of its own, where Ana is ONLINE with capacity for two chats."""
    async with MatcherClient(service.target, site=await service.site(), channels=2) as client:
        channel = roster_pb2.ChannelCapacity(channel="chat", cost=1)
        ana = roster_pb2.Agent(
            display_name="Ana",
            interests=["I sail along the coast."],
            capacity=roster_pb2.Capacity(total=2, channels=[channel]),
            status=roster_pb2.ONLINE,
        )
        await client.create_agent("ana", ana)
        yield client


async def test_a_reservation_lives_from_route_to_completion(client: MatcherClient) -> None:
    """Route, accept, renew, read and complete, each with the fence; at the end Ana has no holds."""
    answer = await client.route(TEXT, contact_id="c-1", customer="42")
    offer = answer.reservation
    assert offer.agent == client.name("agents", "ana")
    accepted = await client.accept(offer.name, fence=offer.fence)
    assert accepted.state == routing_pb2.ACCEPTED
    renewed = await client.renew(offer.name, fence=offer.fence, duration=timedelta(days=1))
    assert renewed.expire_time.ToDatetime() > accepted.expire_time.ToDatetime()
    assert [reservation.name async for reservation in client.reservations(agent="ana")] == [offer.name]
    assert (await client.list_reservations()).reservations[0].name == offer.name
    assert (await client.complete(offer.name, fence=offer.fence)).state == routing_pb2.COMPLETED
    assert (await client.reservation(offer.name)).state == routing_pb2.COMPLETED
    assert (await client.contact("c-1")).state == routing_pb2.CONTACT_CLOSED
    assert (await client.decision(answer.decision)).agent == offer.agent
    assert (await client.agent("ana")).load == 0


async def test_the_same_request_id_is_the_same_reservation(client: MatcherClient) -> None:
    """A caller who repeats a call gets the first answer again, and there is one reservation."""
    first = await client.route(TEXT, request_id="r-1")
    again = await client.route(TEXT, request_id="r-1")
    assert again.reservation.name == first.reservation.name
    assert (first.replayed, again.replayed) == (False, True)
    assert (await client.agent("ana")).load == 1


async def test_a_declined_contact_is_not_offered_again_and_a_cancel_releases_the_agent(
    client: MatcherClient,
) -> None:
    """Decline and cancel release the agent; the declined contact finds no other agent."""
    first = await client.route(TEXT, contact_id="c-1")
    declined = await client.decline(first.reservation.name, reason="lunch", retry_after=timedelta(hours=1))
    assert (declined.state, declined.decline_reason) == (routing_pb2.DECLINED, "lunch")
    assert (await client.route(TEXT, contact_id="c-1")).WhichOneof("outcome") == "unmatched"
    second = await client.route(TEXT)
    assert (await client.cancel(second.reservation.name)).state == routing_pb2.CANCELED
    assert (await client.agent("ana")).load == 0


async def test_suggestions_reserve_no_agent_and_name_the_excluded_agents(client: MatcherClient) -> None:
    """The dry run ranks, explains and changes nothing."""
    await client.create_agent("ben", roster_pb2.Agent(display_name="Ben", interests=["I sail on the lake."]))
    ranked = await client.suggest(TEXT, explain_left_out=True)
    assert [candidate.display_name for candidate in ranked.candidates] == ["Ana"]
    assert [excluded.agent for excluded in ranked.left_out_agents] == [client.name("agents", "ben")]
    everybody = await client.suggest(TEXT, ignore_availability=True, max_candidates=5)
    assert {candidate.display_name for candidate in everybody.candidates} == {"Ana", "Ben"}
    none = await client.suggest(TEXT, excluded_agents=["ana"])
    assert list(none.candidates) == []
    assert (await client.agent("ana")).load == 0


async def test_an_agent_is_changed_listed_and_removed(client: MatcherClient) -> None:
    """A mask names the fields to change; a stale etag fails the change."""
    ana = await client.agent("ana")
    change = roster_pb2.Agent(name="ana", display_name="Ana Maria", etag=ana.etag)
    changed = await client.update_agent(change, ["display_name"])
    assert (changed.display_name, list(changed.interests)) == ("Ana Maria", list(ana.interests))
    with pytest.raises(MatcherCallError) as raised:
        await client.update_agent(change, ["display_name"])
    assert raised.value.reason == "ETAG_MISMATCH"
    drained = await client.set_agent_status("ana", roster_pb2.DRAINING)
    assert drained.status == roster_pb2.DRAINING
    assert [agent.name async for agent in client.agents(status=roster_pb2.ONLINE)] == []
    assert len((await client.list_agents(page_size=1)).agents) == 1
    await client.delete_agent("ana", force=True)
    with pytest.raises(MatcherCallError) as raised:
        await client.agent("ana")
    assert raised.value.reason == "AGENT_NOT_FOUND"
    assert raised.value.metadata["agent"] == client.name("agents", "ana")


async def test_an_import_answers_every_row(client: MatcherClient) -> None:
    """Every row is answered with its own number, and pruning removes the other agents."""
    good = roster_pb2.Agent(display_name="Cy", interests=["I dig."])
    rows = [roster_pb2.ImportRow(row=7, agent_id="cy", agent=good), roster_pb2.ImportRow(row=9, agent_id="dee")]
    answers = {answer.row: answer async for answer in client.import_agents(rows)}
    assert answers[7].action == roster_pb2.ImportAgentsResponse.CREATED
    assert answers[9].action == roster_pb2.ImportAgentsResponse.REJECTED
    assert MatcherCallError.of_status(answers[9].status).reason == "FIELDS_INVALID"
    again = [answer.action async for answer in client.import_agents(rows[:1], prune=True, max_removed=1)]
    assert again == [roster_pb2.ImportAgentsResponse.UNCHANGED, roster_pb2.ImportAgentsResponse.PRUNED]


async def test_an_import_into_a_site_that_does_not_exist_says_so(service: Server) -> None:
    """However many rows are on their way when the service ends the call: gRPC's own words for them are no reason."""
    person = roster_pb2.Agent(display_name="Cy", interests=["I dig."])
    rows = [roster_pb2.ImportRow(row=number + 1, agent_id=f"a{number}", agent=person) for number in range(2_000)]
    async with MatcherClient(service.target, site="nowhere") as client:
        for _ in range(20):
            with pytest.raises(MatcherCallError) as raised:
                assert [answer async for answer in client.import_agents(rows)] == []
            assert raised.value.reason == "SITE_NOT_FOUND"


async def test_pools_and_sites_come_and_go(client: MatcherClient) -> None:
    """Create, read, change, list and remove a pool and a site."""
    made = await client.create_pool("bills", roster_pb2.Pool(display_name="Bills", affinity_tolerance=0.1))
    assert (await client.pool("bills")).etag == made.etag
    changed = await client.update_pool(roster_pb2.Pool(name="bills"), ["affinity_tolerance"])
    assert not changed.HasField("affinity_tolerance")
    assert [pool.name.rpartition("/")[2] async for pool in client.pools()] == ["bills", "default"]
    assert len((await client.list_pools(page_size=1)).pools) == 1
    await client.delete_pool("bills")
    assert (await client.create_site(f"x-{client.site}")).name == f"sites/x-{client.site}"
    assert f"sites/x-{client.site}" in [site.name async for site in client.sites()]
    assert len((await client.list_sites(page_size=1)).sites) == 1
    await client.delete_site(f"x-{client.site}")
    await client.delete_site(client.site, force=True)
    assert client.parent not in [site.name async for site in client.sites()]


async def test_the_example_in_python_runs_as_it_is(service: Server) -> None:
    """The README's program ends without an error, here with no agent in the default site."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), TEXT),
        env={"MATCHER_TARGET": service.target},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert output
