"""A contact that waits is told how long only where somebody is online who could take it."""

from __future__ import annotations

import re

import pytest

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.cli.command import Person, printed, running
from tests.people import hire, person
from tests.processes import Server

NOBODY = "position 1 in the queue; nobody who could take it is online; at most until "


@pytest.fixture
async def site(service: Server) -> str:
    """Return a site where two contacts left the queue for Bea a moment ago, so that its pace is known."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"bea": person("I keep honey bees.", most=1)})
        first = (await client.route("My bees have swarmed.", auto_accept=True)).reservation
        for contact in ("c-1", "c-2"):
            await client.route("My bees have swarmed.", contact_id=contact, wait=True, auto_accept=True)
        for contact in ("c-1", "c-2"):
            await client.complete(first.name)
            first = await _held(client, contact)
    return site


async def _held(client: MatcherClient, contact: str) -> pb.Reservation:
    async for step in client.watch_contact(contact):
        if step.reservation:
            return await client.reservation(step.reservation)
    raise AssertionError(f"{contact} was not offered")


async def test_the_pace_of_before_promises_nothing_while_nobody_is_online(service: Server, site: str) -> None:
    """While Bea is busy the wait is estimated; once she is offline, or for a language she lacks, it is not."""
    typed = Person(service.target, site)
    async with service.client(site) as client:
        busy = await client.route("The hive is heavy.", contact_id="c-3", wait=True)
        assert busy.queued.HasField("estimated_wait")
        german = await client.route("The hive is heavy.", contact_id="c-4", wait=True, language="de")
        assert not german.queued.HasField("estimated_wait")
        assert not (await client.contact("c-4")).queued.HasField("estimated_wait")
        await client.set_agent_status("bea", roster.OFFLINE)
        offline = await client.route("The hive is heavy.", contact_id="c-5", wait=True)
        assert not offline.queued.HasField("estimated_wait")
        assert offline.queued.position == 3
        again = await client.contact("c-3")
        assert again.queued.position == 1
        assert not again.queued.HasField("estimated_wait")
    shown = await typed.types("contacts", "show", "c-3")
    assert NOBODY in " ".join(shown.out.split())
    assert NOBODY in " ".join((await typed.types("why", "c-3")).out.split())
    assert (await typed.types("contacts", "list")).out.count(", nobody online") >= 2
    narrow = (await typed.types("contacts", "list", environment={"COLUMNS": "80"})).out.splitlines()
    assert narrow[0].split() == ["contact", "state", "pool", "place", "created"]
    assert max(map(len, narrow)) <= 80
    async with running("contacts", "watch", "c-3", "--progress", "--server", service.target, "--site", site) as watch:
        while " position " not in (line := await printed(watch.stdout)):
            pass
        assert NOBODY in line
    routed = await typed.types("route", "The hive is heavy.", "--wait")
    assert "position 4 in the queue; nobody who could take it is online; " in routed.out


async def test_an_estimate_is_told_in_words(service: Server, site: str) -> None:
    """The command shows what the API says, and no zero after the point."""
    typed = Person(service.target, site)
    routed = await typed.types("route", "The hive is heavy.", "--wait")
    assert re.search(r"position 1 in the queue, for about [0-9.]+ s; at most until 2", routed.out)
