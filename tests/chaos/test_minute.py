"""A minute of chaos with a fixed seed: three servers and a store are attacked, and no law is broken."""

from __future__ import annotations

from benchmarks.chaos import history as h
from benchmarks.chaos.checker import judge
from benchmarks.chaos.habits import Habits
from benchmarks.chaos.play import Attack, play
from tests.processes import model_cache

SEED = 7
SECONDS = 60.0
GENTLE = Habits(agents=5, rate=6.0)


async def test_a_minute_of_chaos_breaks_no_law() -> None:
    """Servers and store are killed, paused, cut off and filled; every answer of that minute is kept."""
    settings = {"MATCHER_MODEL_CACHE": str(model_cache())}
    played = await play(Attack(seed=SEED, seconds=SECONDS, habits=GENTLE, settings=settings))
    verdict = judge(played.records)
    assert verdict.breaches == ()
    assert played.failures == []
    assert played.logged == []
    assert len({record.what for record in played.records if isinstance(record, h.Fault)}) >= 2
    assert verdict.claims["holds_certain"] > 30
    assert verdict.claims["probes"] > 50
    assert verdict.claims["ledger_steps"] > 100
