"""A step back of the store's clock: nothing is held twice, nobody is overtaken, and deadlines come late by the step."""

from __future__ import annotations

from typing import Final

import pytest

from matcher.store.reservations import Full, Reserved
from tests.store.laws import broken_laws, repairs
from tests.store.stage import KEEP_MS, LONG_MS, Stage
from tests.store.stepping import HOUR_MS, step_back

STEP_MS: Final = KEEP_MS // 2
"""The lifetimes of keys go by the true clock: a record must outlive the step."""


@pytest.mark.parametrize("lapsed", [False, True])
async def test_what_was_held_before_the_step_is_not_held_twice_after_it(
    plain_stage: Stage, monkeypatch: pytest.MonkeyPatch, lapsed: bool
) -> None:
    """A live hold stays; one that had lapsed unwritten holds again, as much longer. The sweep comes early."""
    stage = plain_stage
    await stage.put("ann")
    held = await stage.hold("ann", contact="c", hold_ms=1 if lapsed else LONG_MS)
    if lapsed:
        await stage.passed(held.deadline_ms)
    await step_back(monkeypatch, stage.connection, STEP_MS)
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    assert await stage.expire(held.id) == ""
    assert list(await stage.lease("ann")) == [f"{held.id}|chat|1".encode()]
    assert await broken_laws(stage) == []
    assert await repairs(stage) == []
    await stage.routing.cancel(stage.reference(held), 0)
    assert isinstance(await stage.reserve(stage.claim("ann")), Reserved)


async def test_an_idle_agent_who_was_earmarked_before_the_step_is_free_after_it(
    plain_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The five seconds of an earmark do not become half a minute in which a new message finds the agent full."""
    stage = plain_stage
    await stage.line_up("waits")
    await stage.put("ann", 2)
    await step_back(monkeypatch, stage.connection, STEP_MS)
    assert isinstance(await stage.reserve(stage.claim("ann", contact="new")), Reserved)


async def test_a_contact_that_comes_after_the_step_overtakes_nobody_who_waited_before_it(
    plain_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its place is behind theirs, also when an offer of it came to nothing; its own wait is no longer for that."""
    stage = plain_stage
    await stage.put("ann", 2)
    await stage.line_up("first")
    before = await stage.now_ms()
    await step_back(monkeypatch, stage.connection, STEP_MS)
    queued = await stage.line_up("second")
    assert await stage.in_line() == ["first", "second"]
    assert queued.waits_until_ms < before + LONG_MS
    held = await stage.hold("ann", contact="third", waiting=stage.waiting())
    await stage.routing.decline(stage.reference(held), 0, "", None)
    assert await stage.in_line() == ["first", "second", "third"]
    assert await broken_laws(stage) == []


async def test_a_leader_lease_from_before_the_step_keeps_no_queue_waiting(plain_stage: Stage) -> None:
    """It would last an hour, and its process may be dead; a lease of the usual length is still respected."""
    stage = plain_stage
    await stage.raw("SET", stage.keys.dispatcher, "dead", "PX", HOUR_MS)
    assert (await stage.contacts.lead(stage.site, "alive", 60_000)).held
    assert not (await stage.contacts.lead(stage.site, "other", 60_000)).held
