"""Loop turns: one heavy step at a time, with time for arriving calls between two, in passes of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

from matcher.routing.loop_turns import MOST_ARRIVALS, PASSES, PASSES_IN_A_CROWD, LoopTurns


async def passes_of_turns(
    turns: LoopTurns, takers: int, each_pass: Callable[[int], None] = lambda _: None
) -> list[int]:
    """Let `takers` tasks ask for a turn at once; return the pass of the loop in which each got it."""
    granted: list[int] = []
    number = 0

    async def taker() -> None:
        await turns.take()
        granted.append(number)

    tasks = [asyncio.create_task(taker()) for _ in range(takers)]
    while len(granted) < takers:
        each_pass(number)
        await asyncio.sleep(0)
        number += 1
    await asyncio.gather(*tasks)
    return [at - granted[0] for at in granted]


async def test_one_task_continues_in_a_turn_and_the_loop_runs_between_two() -> None:
    """Of four tasks the first continues at once, and each other as soon as one more call could be accepted."""
    granted = await passes_of_turns(LoopTurns(), 4)
    assert {later - earlier for earlier, later in pairwise(granted)} <= {PASSES, PASSES + 1}


async def test_a_turn_waits_for_arriving_calls_but_not_forever() -> None:
    """While a call arrives at every pass, the next turn is delayed, until MOST_ARRIVALS calls have arrived."""
    turns = LoopTurns()
    _, second = await passes_of_turns(turns, 2, lambda _: turns.arrived(crowded=False))
    assert PASSES + MOST_ARRIVALS <= second <= 2 * PASSES + MOST_ARRIVALS


async def test_while_calls_wait_for_admission_the_next_turn_comes_later() -> None:
    """After an arrival that other calls wait behind, the next turn comes only after many passes of the loop."""
    turns = LoopTurns()
    _, second = await passes_of_turns(turns, 2, lambda number: turns.arrived(crowded=True) if number == 1 else None)
    assert PASSES_IN_A_CROWD <= second <= PASSES + PASSES_IN_A_CROWD


async def test_a_cancelled_task_delays_no_turn() -> None:
    """A task that is cancelled while it waits for a turn delays no other task."""
    turns = LoopTurns()
    await turns.take()
    cancelled, following = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    cancelled.cancel()
    await following
    assert cancelled.cancelled()
