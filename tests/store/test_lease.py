"""The leader lease: one process at a time offers to the queue."""

from __future__ import annotations

from tests.store.stage import Stage


async def test_the_leader_lease_belongs_to_one_process_until_it_ends(lawful: Stage) -> None:
    """The leader extends its lease; another process gets the time to wait, and the lease after its end."""
    stage = lawful
    assert (await stage.contacts.lead(stage.site, "p1", 60_000)).held
    assert (await stage.contacts.lead(stage.site, "p1", 40)).held
    left = (await stage.contacts.lead(stage.site, "p2", 60_000)).number
    assert 0 < left <= 40
    await stage.passed(await stage.now_ms() + left)
    assert (await stage.contacts.lead(stage.site, "p2", 60_000)).held
    assert not (await stage.contacts.lead(stage.site, "p1", 60_000)).held
