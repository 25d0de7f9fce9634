"""RouteMessages: several messages are decided together, as a platform sees it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import PASTIMES, hire, loads, person
from tests.processes import Server
from tests.system.conftest import Pair

BEES = "The smoker for my bees arrived with a dent."
TRAINS = "I missed the steam train, and my photographs with it."


def request(contact: str, text: str, **fields: object) -> pb.RouteMessageRequest:
    """Return one message of several."""
    return pb.RouteMessageRequest(contact_id=contact, message=pb.Message(text=text), **fields)  # type: ignore[arg-type]


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site with a bee keeper and a train photographer, who take one chat each."""
    async with service.client(await service.site()) as client:
        people = {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")}
        await hire(client, people)
        yield client


def meant(answers: Sequence[pb.RouteMessageResponse]) -> float:
    """Return the sum of the affinities at or above the floor."""
    return sum(one.candidate.affinity for one in answers if one.reservation.basis == pb.AFFINITY)


async def test_messages_together_get_closer_agents_than_one_by_one(service: Server) -> None:
    """Sixteen messages for sixteen agents with two pastimes each: as many get an agent, with a greater sum."""
    crew = {f"a{n:02}": person(f"I love {PASTIMES[n]}.", f"I love {PASTIMES[(7 * n + 3) % 20]}.") for n in range(16)}
    texts = [
        f"My parcel is late. I wanted it for {PASTIMES[(3 * n) % 20]}, or {PASTIMES[(7 * n) % 20]}." for n in range(16)
    ]
    answers = {}
    for way in ("one by one", "together"):
        async with service.client(await service.site()) as client:
            await hire(client, crew)
            if way == "together":
                results = await client.route_many(request(f"c{n:02}", text) for n, text in enumerate(texts))
                answers[way] = [result.response for result in results]
            else:
                answers[way] = [await client.route(text, contact_id=f"c{n:02}") for n, text in enumerate(texts)]
            assert await loads(client, crew) == dict.fromkeys(crew, 1)
    for answer, text in zip(answers["together"], texts, strict=True):
        assert all(0 <= reason.start < reason.end <= len(text) for reason in answer.candidate.reasons)
    assert meant(answers["together"]) > meant(answers["one by one"])


async def test_two_messages_with_the_same_best_agent_get_one_each(desk: MatcherClient) -> None:
    """The first fits both agents, the second only the bee keeper: one by one the first would get her."""
    texts = {"a": f"{BEES} {TRAINS}", "b": BEES}
    await desk.update_agent(roster.Agent(name="tom", interests=["I photograph steam trains."]))
    results = await desk.route_many([request(contact, text) for contact, text in texts.items()])
    assert {one.contact_id: one.response.reservation.agent.rpartition("/")[2] for one in results} == {
        "a": "tom",
        "b": "bea",
    }
    decision = await desk.decision(results[0].response.decision)
    assert decision.agent.endswith("/agents/tom")
    assert any(candidate.agent == decision.agent for candidate in decision.candidates)


async def test_an_error_of_one_item_does_not_change_the_others(desk: MatcherClient) -> None:
    """No text, no such pool, a reserved contact: each has its own status, and costs the others no agent."""
    await desk.create_agent("kim", person("I play the cello."))
    held = await desk.route("I play the cello.", contact_id="held")
    results = await desk.route_many(
        [
            request("z", TRAINS),
            request("empty", " "),
            request("nowhere", BEES, pool="gone"),
            request("held", BEES),
            request("bad id!", BEES),
            request("a", BEES),
        ]
    )
    assert [one.contact_id for one in results] == ["z", "empty", "nowhere", "held", "bad id!", "a"]
    assert [one.WhichOneof("result") for one in results] == ["response", *["status"] * 4, "response"]
    assert results[0].response.reservation.agent == desk.name("agents", "tom")
    assert results[5].response.reservation.agent == desk.name("agents", "bea")
    errors = [MatcherCallError.of_status(one.status) for one in results[1:5]]
    assert [one.reason for one in errors] == ["FIELDS_INVALID", "POOL_NOT_FOUND", "CONTACT_HELD", "FIELDS_INVALID"]
    assert [wrong.field for wrong in errors[0].violations] == ["message.text"]
    assert errors[2].metadata["reservation"] == held.reservation.name
    assert [wrong.field for wrong in errors[3].violations] == ["contact_id"]


async def test_a_repeated_batch_gets_the_same_answers(desk: MatcherClient) -> None:
    """Each item replays by its own request_id, also alone; another text under an id is the error of that item."""
    batch = [request("a", BEES, request_id="r-a"), request("b", TRAINS, request_id="r-b")]
    first = await desk.route_many(batch)
    assert [one.response.replayed for one in first] == [False, False]
    again = await desk.route_many(reversed(batch))
    assert [one.response.replayed for one in again] == [True, True]
    assert {one.response.reservation.name for one in again} == {one.response.reservation.name for one in first}
    alone = await desk.route(BEES, contact_id="a", request_id="r-a")
    assert (alone.replayed, alone.reservation.name) == (True, first[0].response.reservation.name)
    other = await desk.route_many([request("a", TRAINS, request_id="r-a"), batch[1]])
    assert MatcherCallError.of_status(other[0].status).reason == "REQUEST_ID_REUSED"
    assert other[1].response.replayed
    assert await loads(desk, ["bea", "tom"]) == {"bea": 1, "tom": 1}


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        ([], "requests"),
        ([request(f"c{n}", BEES) for n in range(257)], "requests"),
        ([request("a", BEES), request("b", BEES), request("a", TRAINS)], "requests[2].contact_id"),
        ([request("a", BEES), request("b", BEES, parent="sites/another")], "requests[1].parent"),
    ],
    ids=["no message", "more than 256", "a contact twice", "another site"],
)
async def test_a_request_that_is_no_batch_is_refused(
    desk: MatcherClient, batch: list[pb.RouteMessageRequest], field: str
) -> None:
    """The error names the field, and nothing is reserved."""
    with pytest.raises(MatcherCallError) as failed:
        await desk.route_many(batch)
    assert failed.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [wrong.field for wrong in failed.value.violations] == [field]
    assert await loads(desk, ["bea", "tom"]) == {"bea": 0, "tom": 0}


async def test_a_message_without_an_agent_is_unmatched_or_waits(desk: MatcherClient) -> None:
    """Four messages, two agents: two get an agent; of the others one waits, and one is told that all are full."""
    await desk.route_many([request("a", BEES), request("b", TRAINS)])
    waiting, unmatched = await desk.route_many([request("c", BEES, wait=True), request("d", BEES)])
    assert waiting.response.WhichOneof("outcome") == "queued"
    assert waiting.response.queued.position == 1
    assert unmatched.response.WhichOneof("outcome") == "unmatched"
    assert unmatched.response.unmatched.reason == pb.CONSTRAINT_CAPACITY


async def test_a_preferred_agent_comes_first_in_a_batch(desk: MatcherClient) -> None:
    """The message about bees prefers Tom, who would else get the message about trains."""
    asks = request("b", BEES)
    asks.message.preferred_agents.add(agent="tom")
    trains, bees = await desk.route_many([request("a", TRAINS), asks])
    assert bees.response.reservation.agent == desk.name("agents", "tom")
    assert bees.response.reservation.basis == pb.PREFERRED
    assert trains.response.reservation.agent == desk.name("agents", "bea")


async def test_the_agent_who_knows_the_customer_comes_first_in_a_batch(desk: MatcherClient) -> None:
    """Tom served the customer well: the message about bees is led back to him, beside another about trains."""
    await desk.update_pool(
        roster.Pool(name="default", relationship_duration=Duration(seconds=3600)), ["relationship_duration"]
    )
    before = await desk.route(TRAINS, customer="ada", auto_accept=True)
    await desk.complete(before.reservation.name, resolved=True, rating=5)
    asks = request("b", BEES)
    asks.message.customer = "ada"
    trains, bees = await desk.route_many([request("a", TRAINS), asks])
    assert bees.response.reservation.agent == desk.name("agents", "tom")
    assert bees.response.reservation.basis == pb.RELATIONSHIP
    assert trains.response.reservation.agent == desk.name("agents", "bea")


async def test_a_batch_gives_an_agent_no_more_than_the_capacity_on_any_channel(desk: MatcherClient) -> None:
    """A chat costs 30, at most three; a call costs 100; the total is 100: two calls, four chats, two such agents."""
    channels = [
        roster.ChannelCapacity(channel="chat", cost=30, max=3),
        roster.ChannelCapacity(channel="voice", cost=100),
    ]
    for agent in ("bea", "tom"):
        await desk.update_agent(roster.Agent(name=agent, capacity=roster.Capacity(total=100, channels=channels)))
    batch = [request(f"c{n}", BEES) for n in range(6)]
    for one in batch[:2]:
        one.message.channel = "voice"
    results = await desk.route_many(batch)
    held = [one.response.reservation for one in results if one.response.HasField("reservation")]
    taken = {agent: [one.channel for one in held if one.agent.endswith(agent)] for agent in ("bea", "tom")}
    assert sorted(map(sorted, taken.values())) in ([["chat"] * 3, ["voice"]], [["chat"] * 3, ["chat"] * 3])
    assert all(load <= 100 for load in (await loads(desk, ["bea", "tom"])).values())


async def test_batches_at_two_servers_give_no_agent_twice(pair: Pair) -> None:
    """Four batches of thirty at once at each server for fifty agents: fifty get one, each another; none is lost."""
    site = await pair.one.site()
    agents = {f"agent-{n}": person(f"I love {PASTIMES[n % 20]} with team {n}.") for n in range(50)}

    async def batch(server: Server, number: int) -> list[pb.RouteMessagesResult]:
        async with server.client(site) as client:
            texts = [f"My order is late, I wanted it for {PASTIMES[n % 20]}." for n in range(30)]
            return await client.route_many(
                [request(f"b{number}-{n}", text) for n, text in enumerate(texts)], deadline=90
            )

    async with pair.one.client(site) as client:
        await hire(client, agents)
        halves = [batch(server, number) for number, server in enumerate([pair.one, pair.other] * 4)]
        answers = [one.response for results in await asyncio.gather(*halves) for one in results]
        assert Counter(answer.WhichOneof("outcome") for answer in answers) == {"reservation": 50, "unmatched": 190}
        assert {answer.reservation.agent for answer in answers if answer.HasField("reservation")} == {
            client.name("agents", agent) for agent in agents
        }
        assert await loads(client, agents) == dict.fromkeys(agents, 1)
