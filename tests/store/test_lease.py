"""The lease of the process that offers to those who wait."""

from __future__ import annotations

from tests.store.stage import Stage


async def test_the_lease_of_who_offers_is_one_process_s_until_it_ends(lawful: Stage) -> None:
    """The holder keeps it up; another is told how long to wait, and has it once it ended."""
    stage = lawful
    assert (await stage.contacts.lead(stage.site, "p1", 60_000)).held
    assert (await stage.contacts.lead(stage.site, "p1", 40)).held
    left = (await stage.contacts.lead(stage.site, "p2", 60_000)).number
    assert 0 < left <= 40
    await stage.passed(await stage.now_ms() + left)
    assert (await stage.contacts.lead(stage.site, "p2", 60_000)).held
    assert not (await stage.contacts.lead(stage.site, "p1", 60_000)).held
