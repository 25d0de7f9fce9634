"""The commands of supervisors and desks: lists, streams, touches and heartbeats."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from tests.cli.command import Result, matcher, printed, running
from tests.people import hire, person
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Yield a client of a fresh site where Bea serves c-1 and c-2 waits."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees.")})
        await client.route(BEES, contact_id="c-1", auto_accept=True)
        await client.route(BEES, contact_id="c-2", wait=True)
        yield client


async def typed(client: MatcherClient, *arguments: str) -> Result:
    """Run a command against the client's site."""
    return await matcher(*arguments, "--server", client.target, "--site", client.site)


async def test_contacts_are_listed_shown_watched_and_canceled(desk: MatcherClient) -> None:
    """The output is lines for people and JSON for programs; a watch ends when its contact has ended."""
    listed = await typed(desk, "contacts", "list", "--json")
    assert [(contact["name"].rpartition("/")[2], contact["state"]) for contact in listed.documents()] == [
        ("c-1", "CONTACT_ASSIGNED"),
        ("c-2", "CONTACT_QUEUED"),
    ]
    waiting = await typed(desk, "contacts", "list", "--state", "queued", "--pool", "default")
    assert [line.split()[-2] for line in waiting.out.splitlines() if line.startswith("c-2")] == ["1"]
    assert waiting.out.endswith("1 contact\n")
    shown = await typed(desk, "contacts", "show", "c-2")
    assert "nobody free" in shown.out
    canceled = (await typed(desk, "contacts", "cancel", "c-2", "--json")).documents()[0]
    assert (canceled["state"], canceled["cause"]) == ("CONTACT_CANCELED", "CAUSE_CANCELED")
    watched = await typed(desk, "contacts", "watch", "c-2", "--json")
    assert [step["cause"] for step in watched.documents()] == ["CAUSE_NOBODY_FREE", "CAUSE_CANCELED"]
    rest = await typed(desk, "contacts", "watch", "c-2", "--after", "1")
    assert rest.out.splitlines()[0].endswith("c-2 2 CANCELED canceled")
    unknown = await typed(desk, "contacts", "watch", "nobody")
    assert (unknown.code, unknown.err.startswith("error: CONTACT_NOT_FOUND: ")) == (1, True)


async def test_a_watch_with_progress_prints_the_place_in_the_queue(desk: MatcherClient) -> None:
    """The place follows the step at once; the watch ends when its contact has ended."""
    options = ("--progress", "--server", desk.target, "--site", desk.site)
    async with running("contacts", "watch", "c-2", *options) as watch:
        assert (await printed(watch.stdout)).endswith("c-2 1 QUEUED nobody free")
        assert " c-2 1 position 1 in the queue; at most until " in await printed(watch.stdout)
        await desk.cancel_contact("c-2")
        assert (await printed(watch.stdout)).endswith("c-2 2 CANCELED canceled")
        assert await watch.wait() == 0


async def test_events_are_printed_from_a_token_on(desk: MatcherClient) -> None:
    """The events after a keep-alive's token come in order, for people one line each."""
    async for keep_alive in desk.watch_events():
        token = keep_alive.resume_token
        break
    await desk.cancel_contact("c-2")
    await desk.cancel_contact("c-1")
    result = await typed(desk, "events", "--pool", "default", "--resume", token, "--count", "2", "--json")
    steps = [answer["event"] for answer in result.documents() if "event" in answer]
    assert [step["contact"].rpartition("/")[2] for step in steps] == ["c-2", "c-1"]
    lines = (await typed(desk, "events", "--resume", token, "--count", "2")).out.splitlines()
    assert [line.split()[1:4] for line in lines] == [["c-2", "2", "CANCELED"], ["c-1", "2", "CANCELED"]]
    assert (await typed(desk, "events", "--pool", "nowhere")).err.startswith("error: POOL_NOT_FOUND: ")


async def test_a_desk_shows_its_reservation_touches_it_and_is_kept_alive(desk: MatcherClient) -> None:
    """The desk shows the reservation; a touch returns it; a heartbeat says when the next heartbeat is due."""
    result = await typed(desk, "desk", "bea", "--count", "1", "--json")
    held = result.documents()[0]["reservation"]
    assert (held["state"], held["contact"]) == ("ACCEPTED", desk.name("contacts", "c-1"))
    assert " ACCEPTED c-1 chat until " in (await typed(desk, "desk", "bea", "--count", "1")).out
    touched = await typed(desk, "touch", held["name"], "--json")
    assert json.loads(touched.out)["state"] == "ACCEPTED"
    alive = await typed(desk, "beat", "bea", "--for", "60")
    assert alive.out.startswith("bea is ONLINE; the next heartbeat is due at ")
    assert "next heartbeat due" in (await typed(desk, "agents", "get", "bea")).out
    assert (await typed(desk, "agents", "set-status", "bea", "away")).code == 0
    assert (await desk.agent("bea")).status == roster.AWAY
