"""Preferred agents: whom a contact waits for, and for how long, when the agent cannot come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
HOUR = timedelta(hours=1)


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site with ana and ben, who take one chat each."""
    async with service.client(await service.site()) as client:
        await hire(client, {name: person("I keep honey bees.") for name in ("ana", "ben")})
        yield client


async def agent_of(client: MatcherClient, contact: str) -> str:
    """Wait until a waiting contact is offered; return the agent's id."""

    async def is_offered() -> bool:
        return (await client.contact(contact)).state == pb.CONTACT_RESERVED

    await wait_until(is_offered, f"{contact} is offered")
    held = await client.reservation((await client.contact(contact)).reservation)
    return held.agent.rpartition("/")[2]


@pytest.mark.parametrize(
    "why", ["offline", "away", "draining", "never there", "removed", "in another pool", "unskilled"]
)
async def test_an_agent_who_cannot_come_is_not_waited_for(desk: MatcherClient, why: str) -> None:
    """The contact is offered to a free agent at once, though it would be kept for an hour; who is unknown is told."""
    needed = {"law": 1} if why == "unskilled" else {}
    match why:
        case "offline" | "away" | "draining":
            await desk.set_agent_status("ana", roster.AgentStatus.Value(why.upper()))
        case "never there" | "removed":
            await desk.delete_agent("ana")
        case "in another pool":
            await desk.create_pool("night", roster.Pool())
            moved = roster.Agent(name="ana", pools=[desk.name("pools", "night")])
            await desk.update_agent(moved, ["pools"])
        case _:
            skilled = roster.Agent(name="ben", skills=[roster.Skill(skill="law", level=1)])
            await desk.update_agent(skilled, ["skills"])
    if why == "never there":
        await desk.set_agent_status("ben", roster.ONLINE)
    answer = await desk.route(BEES, wait=True, preferred_agents={"ana": HOUR}, required_skills=needed)
    assert answer.reservation.agent.rpartition("/")[2] == "ben"
    unknown = [desk.name("agents", "ana")] if why in {"never there", "removed"} else []
    assert list(answer.unknown_preferred_agents) == unknown
    assert list((await desk.decision(answer.decision)).unknown_preferred_agents) == unknown


async def test_an_agent_who_is_merely_busy_is_waited_for(desk: MatcherClient) -> None:
    """The contact waits though another agent is free, and comes to the preferred agent."""
    busy = await desk.route(BEES, preferred_agents={"ana": None}, auto_accept=True)
    asked = await desk.route(BEES, contact_id="c", wait=True, preferred_agents={"ana": HOUR})
    assert asked.WhichOneof("outcome") == "queued"
    await desk.complete(busy.reservation.name)
    assert await agent_of(desk, "c") == "ana"


@pytest.mark.parametrize("ends", ["goes offline", "is removed", "changes pools"])
async def test_a_contact_that_waits_for_an_agent_who_leaves_is_offered_to_others_at_once(
    desk: MatcherClient, ends: str
) -> None:
    """Ana is busy and then cannot come any more: ben, who was free all the while, gets the contact."""
    await desk.route(BEES, preferred_agents={"ana": None}, auto_accept=True)
    asked = await desk.route(BEES, contact_id="c", wait=True, preferred_agents={"ana": HOUR})
    assert asked.WhichOneof("outcome") == "queued"
    match ends:
        case "goes offline":
            await desk.set_agent_status("ana", roster.OFFLINE)
        case "is removed":
            await desk.delete_agent("ana", force=True)
        case _:
            await desk.create_pool("night", roster.Pool())
            await desk.update_agent(roster.Agent(name="ana", pools=[desk.name("pools", "night")]), ["pools"])
    assert await agent_of(desk, "c") == "ben"


async def test_unknown_preferred_agents_are_told_whatever_the_outcome(desk: MatcherClient) -> None:
    """Reserved, repeated, waiting or unmatched: the answer names the preferred agents who do not exist."""
    nobody = [desk.name("agents", "nobody")]
    first = await desk.route(BEES, request_id="r-1", preferred_agents={"nobody": HOUR, "ben": None})
    again = await desk.route(BEES, request_id="r-1", preferred_agents={"nobody": HOUR, "ben": None})
    await desk.set_agent_status("ana", roster.OFFLINE)
    waits = [await desk.route(BEES, request_id="r-2", wait=True, preferred_agents={"nobody": HOUR}) for _ in range(2)]
    unmatched = await desk.route(BEES, preferred_agents={"nobody": HOUR})
    suggested = await desk.suggest(BEES, preferred_agents=["nobody", "ben"])
    assert list(suggested.unknown_preferred_agents) == [desk.name("agents", "nobody")]
    assert (first.reservation.agent, again.replayed) == (desk.name("agents", "ben"), True)
    assert [answer.WhichOneof("outcome") for answer in (*waits, unmatched)] == ["queued", "queued", "unmatched"]
    for answer in (first, again, *waits, unmatched):
        assert list(answer.unknown_preferred_agents) == nobody


async def test_a_customer_does_not_wait_for_an_agent_who_has_gone_home(desk: MatcherClient) -> None:
    """The pool keeps returning customers for the agent who served them: not while that agent is offline."""
    pool = roster.Pool(name="default")
    pool.relationship_duration.FromSeconds(3600)
    pool.relationship_wait.FromSeconds(3600)
    await desk.update_pool(pool, ["relationship_duration", "relationship_wait"])
    served = await desk.route(BEES, customer="zoe", preferred_agents={"ana": None}, auto_accept=True)
    await desk.complete(served.reservation.name, resolved=True)
    await desk.route(BEES, preferred_agents={"ana": None}, auto_accept=True)
    asked = await desk.route(BEES, contact_id="c", customer="zoe", wait=True)
    assert asked.WhichOneof("outcome") == "queued"
    await desk.set_agent_status("ana", roster.OFFLINE)
    assert await agent_of(desk, "c") == "ben"


async def test_without_waiting_what_lapses_later_is_required_now_and_nothing_is_kept(desk: MatcherClient) -> None:
    """A language, a skill and a preferred agent are taken with their durations; only a contact that waits uses them."""
    now = timedelta(0)
    await desk.route(BEES, contact_id="c-full", auto_accept=True, excluded_agents=["ben"])
    french = await desk.route(BEES, language="fr", language_expires=now)
    lawyer = await desk.route(BEES, required_skills={"law": 1}, skills_expire={"law": now})
    busy = await desk.route(BEES, preferred_agents={"ana": HOUR}, auto_accept=True)
    assert french.unmatched.reason == pb.CONSTRAINT_LANGUAGE
    assert lawyer.unmatched.reason == pb.CONSTRAINT_SKILL
    assert busy.reservation.agent.rpartition("/")[2] == "ben"
    await desk.complete(busy.reservation.name)
    await desk.route(BEES, contact_id="c-french", language="fr", language_expires=now, wait=True)
    assert await agent_of(desk, "c-french") == "ben"
