"""One heavy step a turn, and room for arrivals between two; measured in passes of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

from matcher.routing.loop_turns import MOST_ARRIVALS, PASSES, PASSES_IN_A_CROWD, LoopTurns


async def passes_of_turns(
    turns: LoopTurns, takers: int, each_pass: Callable[[int], None] = lambda _: None
) -> list[int]:
    """Let so many ask at once; return in which pass of the loop each had its turn."""
    had: list[int] = []
    number = 0

    async def taker() -> None:
        await turns.take()
        had.append(number)

    asking = [asyncio.create_task(taker()) for _ in range(takers)]
    while len(had) < takers:
        each_pass(number)
        await asyncio.sleep(0)
        number += 1
    await asyncio.gather(*asking)
    return [one - had[0] for one in had]


async def test_one_goes_on_a_turn_and_the_loop_runs_between() -> None:
    """Of four answered at once the first goes on at once, each other as soon as one more call could come in."""
    had = await passes_of_turns(LoopTurns(), 4)
    assert {later - earlier for earlier, later in pairwise(had)} <= {PASSES, PASSES + 1}


async def test_a_turn_waits_for_those_who_are_coming_in_but_not_for_ever() -> None:
    """While a call comes in at every pass, the next turn is put off, until as many as one turn waits for are in."""
    turns = LoopTurns()
    _, second = await passes_of_turns(turns, 2, lambda _: turns.arrived(crowded=False))
    assert PASSES + MOST_ARRIVALS <= second <= 2 * PASSES + MOST_ARRIVALS


async def test_where_calls_stand_in_line_a_turn_listens_longer() -> None:
    """After an arrival behind which others stand, the next turn comes only when the loop had many passes for them."""
    turns = LoopTurns()
    _, second = await passes_of_turns(turns, 2, lambda number: turns.arrived(crowded=True) if number == 1 else None)
    assert PASSES_IN_A_CROWD <= second <= PASSES + PASSES_IN_A_CROWD


async def test_a_turn_goes_past_who_has_gone() -> None:
    """A caller who gives up while waiting for a turn delays nobody."""
    turns = LoopTurns()
    await turns.take()
    gone, next_one = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    gone.cancel()
    await next_one
    assert gone.cancelled()
