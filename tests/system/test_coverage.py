"""Listening through the API: what customers bring up is counted, and nothing below ten customers is shown."""

from __future__ import annotations

from typing import Final

from matcher.client import MatcherClient
from matcher.v1 import coverage_pb2 as pb
from matcher.v1 import roster_pb2 as people
from tests.people import hire, person
from tests.processes import Server

CATS: Final = "My cat has torn the litter tray, and the kitten sleeps on the scratching post."
PASSWORD: Final = "I forgot my password and need a reset link."
FIRST_SECONDS: Final = 280.0
"""The first report of a server encodes the entries, where the model's folder does not have them yet."""


async def listening(client: MatcherClient, on: bool = True) -> None:
    """Let the default pool listen, or stop it."""
    changed = await client.update_pool(people.Pool(name="default", listening=on), ["listening"])
    assert changed.listening is on
    await client.coverage(deadline=FIRST_SECONDS)


async def told(client: MatcherClient, text: str, customers: range) -> None:
    """Route a message of each customer; each waits, where nobody is free."""
    for number in customers:
        await client.route(text, customer=f"c{number}", wait=True)


def entry_of(report: pb.GetCoverageResponse, entry: str) -> pb.CoverageEntry | None:
    """Return what is reported of an entry."""
    return next((found for found in report.entries if found.entry == entry), None)


async def test_what_ten_customers_bring_up_is_shown_and_what_nine_do_is_not(service: Server) -> None:
    """Nine who forgot their passwords are not shown; twelve with cats are, rounded, and that nobody shares cats."""
    async with service.client(await service.site()) as client:
        await hire(client, {"ann": person("playing chess")})
        await listening(client)
        await told(client, CATS, range(12))
        await told(client, PASSWORD, range(9))
        # One customer who writes three times is one customer.
        await told(client, PASSWORD, range(3))
        report = await client.coverage(deadline=FIRST_SECONDS)
        assert (report.contacts, report.days_heard, report.listening) == (25, 1, True)
        assert entry_of(report, "password-reset") is None
        cats = entry_of(report, "cats")
        assert cats is not None
        assert (cats.kind, cats.contacts, cats.most_customers) == (pb.COVERAGE_KIND_INTEREST, 10, 10)
        assert (cats.sharing_agents, cats.nobody_free, cats.this_week) == (0, 10, 10)
        assert not cats.rising
        assert not cats.HasField("week_before")
        assert [(one.agent, one.entry) for one in report.unasked] == [(f"{client.parent}/agents/ann", "chess")]
        # A tenth customer brings the password over the line.
        await told(client, PASSWORD, range(9, 10))
        theme = entry_of(await client.coverage(), "password-reset")
        assert theme is not None
        assert (theme.kind, theme.contacts, theme.sharing_agents) == (pb.COVERAGE_KIND_THEME, 15, 0)


async def test_a_pool_that_does_not_listen_counts_nothing(service: Server) -> None:
    """Off by default, and off again: what was heard before stays, nothing is added."""
    async with service.client(await service.site()) as client:
        await hire(client, {"ann": person("cats and kittens")})
        assert not (await client.pool("default")).listening
        await told(client, CATS, range(12))
        assert (await client.coverage(deadline=FIRST_SECONDS)).contacts == 0
        await listening(client)
        await told(client, CATS, range(12, 24))
        await listening(client, on=False)
        await told(client, CATS, range(24, 36))
        report = await client.coverage()
        assert (report.contacts, report.listening) == (10, False)
        cats = entry_of(report, "cats")
        assert cats is not None
        # Ann shares cats, and asks for nobody else: her interest is asked for.
        assert cats.sharing_agents == 1
        assert "cats" not in {one.entry for one in report.unasked}


async def test_a_repeated_request_and_a_contact_that_is_routed_again_count_once(service: Server) -> None:
    """Twelve contacts, each routed twice with one request id: twelve."""
    async with service.client(await service.site()) as client:
        await hire(client, {"ann": person("playing chess")})
        await listening(client)
        for _ in range(2):
            for number in range(12):
                await client.route(CATS, contact_id=f"k{number}", request_id=f"r{number}", wait=True)
        report = await client.coverage()
        cats = entry_of(report, "cats")
        assert report.contacts == 10
        assert cats is not None
        assert cats.contacts == 10
