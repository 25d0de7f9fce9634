"""A contact that waits is told how long only where somebody is online who could take it."""

from __future__ import annotations

import re
from datetime import timedelta

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


async def test_a_contact_whom_nobody_may_take_says_why(service: Server, site: str) -> None:
    """Bea is online: nothing is said of her being offline where she is excluded, lacks a skill, or does no mails."""
    typed = Person(service.target, site)
    async with service.client(site) as client:
        await client.route("The hive is heavy.", contact_id="c-3", wait=True, excluded_agents=["bea"])
        await client.route("The hive is heavy.", contact_id="c-4", wait=True, required_skills={"law": 3})
    excluded = await typed.types("contacts", "show", "c-3")
    assert "position 1 in the queue; everybody in the pool is excluded; at most until " in " ".join(
        excluded.out.split()
    )
    unskilled = await typed.types("why", "c-4")
    assert "in the queue; nobody who may take it has the skills; at most until " in " ".join(unskilled.out.split())
    assert (await typed.types("contacts", "list")).out.count(", nobody can") == 2
    mail = await typed.types("route", "The hive is heavy.", "--channel", "mail", "--wait")
    assert "in the queue; nobody who may take it serves the channel; " in mail.out


async def test_a_refusal_names_the_language_or_the_skills_that_leave_nobody(service: Server, site: str) -> None:
    """Bea knows tax at 2: law is what leaves nobody, or tax at 3, or French; in a transfer, too."""
    typed = Person(service.target, site)
    async with service.client(site) as client:
        skilled = roster.Agent(name="bea", skills=[roster.Skill(skill="tax", level=2)])
        await client.update_agent(skilled, ["skills"])
        clever = person("I press flowers.", most=0)
        clever.skills.add(skill="law", level=5)
        await hire(client, {"ana": clever})
    law = await typed.types("route", "My hive.", "--skill", "tax:2", "--skill", "music:3")
    assert "no agent can take the message now: nobody who may take it has the skills: music 3\n" in law.out
    both = await typed.types("route", "My hive.", "--skill", "tax:2", "--skill", "law:5")
    assert "nobody who may take it has the skills: tax 2, law 5\n" in both.out
    french = await typed.types("route", "My hive.", "--language", "French")
    assert "nobody who may take it speaks the language: French\n" in french.out


async def test_why_shows_what_a_waiting_contact_requires_and_until_when(service: Server, site: str) -> None:
    """A language for ten minutes, a skill for ever, a preferred agent for a minute, and who is excluded."""
    typed = Person(service.target, site)
    async with service.client(site) as client:
        await hire(client, {name: person("I press flowers.", status=roster.OFFLINE) for name in ("ana", "ben")})
        await client.route(
            "The hive is heavy.",
            contact_id="c-3",
            wait=True,
            language="fr",
            language_expires=timedelta(minutes=10),
            required_skills={"law": 3, "tax": 1},
            skills_expire={"tax": timedelta(hours=1)},
            preferred_agents={"bea": timedelta(minutes=1), "ana": None},
            excluded_agents=["ben"],
        )
        contact = await client.contact("c-3")
    began = contact.create_time.ToDatetime()
    in_ten, in_sixty, in_one = (f"{began + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ}" for n in (10, 60, 1))
    for command in (("why",), ("contacts", "show")):
        shown = " ".join((await typed.types(*command, "c-3")).out.split())
        assert f"requires language fr until {in_ten} " in shown
        assert f"requires skills law 3, tax 1 until {in_sixty} " in shown
        assert f"prefers bea and waits for the agent until {in_one}, ana " in shown
        assert " excludes ben " in shown
