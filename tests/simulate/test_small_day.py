"""A day of some seconds on three servers: a server and the store are killed, and no law is broken."""

from __future__ import annotations

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import small


async def test_a_day_with_crashes_loses_no_contact_and_serves_none_twice() -> None:
    """Every contact is served, is canceled or has waited its time, and all capacity is free at the end."""
    plan = small()
    played = await play(plan)
    verdict = judge(played.records)
    assert played.failures == []
    assert verdict.clean, verdict.breaches
    figures = verdict.figures
    assert (figures["replicas_killed"], figures["stores_restarted"]) == (1, 1)
    answers = ("declined", "expired", "no_first_response", "agent_removed", "assigned", "transfers")
    assert figures["queued_control"], "no control contact waited"
    for figure in (*answers, "queued", "gave_up", "replayed_answers", "affinities_read"):
        assert figures[figure], f"the day had none of: {figure}"
