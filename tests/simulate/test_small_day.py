"""A day of seconds on three servers, one of them killed, and the store as well: no law is broken."""

from __future__ import annotations

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import small


async def test_a_day_with_crashes_loses_nobody_and_serves_nobody_twice() -> None:
    """Everybody who came is served, gives up or has waited as long as they may; all slots are there in the end."""
    plan = small()
    played = await play(plan)
    verdict = judge(played.records)
    assert played.failures == []
    assert verdict.clean, verdict.breaches
    figures = verdict.figures
    assert (figures["replicas_killed"], figures["stores_restarted"]) == (1, 1)
    for seen in ("queued", "declined", "expired", "transfers", "gave_up", "replayed_answers", "affinities_read"):
        assert figures[seen], f"the day had nothing of: {seen}"
