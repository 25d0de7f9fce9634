"""A matching window: who is decided together, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from matcher.errors import ContactHeld, MatcherError
from matcher.model import Constraint, LeftOut, Message, Pool, PoolPolicy, Requirements, Unmatched
from matcher.model.requests import RouteRequest
from matcher.routing.batch_router import MOST_AT_ONCE
from matcher.routing.matching_window import MOST_GATHERED, MatchingWindows

FOR_EVER_MS = 10_000_000


@dataclass
class House:
    """Pools with windows, a router and a joint decision that note what they were asked."""

    windows: dict[str, int]
    together: list[list[str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    fault: Exception | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    deciding: asyncio.Event = field(default_factory=asyncio.Event)

    def gathering(self) -> MatchingWindows:
        """Put it together."""
        doubles: Any = self
        self.go_on.set()
        return MatchingWindows(doubles, _Together(self), doubles)  # type: ignore[arg-type]

    async def replica(self, _site: str) -> House:
        """Be the sites."""
        return self

    @property
    def pools(self) -> House:
        """Be a replica."""
        return self

    async def pool(self, pool: str) -> Pool:
        """Be the pools it knows."""
        return Pool(pool, PoolPolicy(matching_window_ms=self.windows[pool]), 1, 0, 0)

    async def route(self, _site: str, request: RouteRequest) -> Unmatched:
        """Be the router."""
        self.alone.append(request.contact_id)
        return unmatched(request.contact_id)


@dataclass
class _Together:
    house: House

    async def route(self, _site: str, asked: Sequence[RouteRequest]) -> list[Unmatched | MatcherError]:
        self.house.together.append([one.contact_id for one in asked])
        self.house.deciding.set()
        await self.house.go_on.wait()
        if self.house.fault is not None:
            raise self.house.fault
        return [ContactHeld("c", "r") if one.contact_id == "held" else unmatched(one.contact_id) for one in asked]


def unmatched(contact: str) -> Unmatched:
    """Return an outcome that names the contact."""
    return Unmatched(contact, Constraint.STATUS, LeftOut({}))


def asked(contact: str, pool: str = "default") -> RouteRequest:
    """Return what one call asks for."""
    return RouteRequest(Message("We sail.", "", Requirements(pool=pool)), contact_id=contact)


async def gathered(
    gathering: MatchingWindows, *calls: RouteRequest, seconds_left: float | None = None
) -> list[asyncio.Task[Any]]:
    """Start calls, and return them once all of them wait for others."""
    waiting = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(gathering.route("default", one, seconds_left=seconds_left, gathered=waiting.release))
        for one in calls
    ]
    for _ in tasks:
        await waiting.acquire()
    await asyncio.sleep(0)
    return tasks


async def test_calls_within_the_window_are_decided_together() -> None:
    """Three calls of one pool are one decision when the window ends, another pool's call is one of its own."""
    house = House({"default": 20, "other": 20})
    tasks = await gathered(house.gathering(), asked("a"), asked("b"), asked("x", "other"), asked("c"))
    assert [(await task).contact for task in tasks] == ["a", "b", "x", "c"]
    assert sorted(house.together) == [["a", "b", "c"], ["x"]]
    assert house.alone == []


async def test_without_a_window_nobody_waits_for_others() -> None:
    """A pool whose window is 0 routes every call by itself, at once."""
    house = House({"default": 0})
    gathering = house.gathering()
    for contact in ("a", "b"):
        assert (await gathering.route("default", asked(contact))).contact == contact  # type: ignore[union-attr]
    assert (house.alone, house.together) == (["a", "b"], [])


async def test_a_call_that_would_not_see_the_end_of_the_window_ends_it() -> None:
    """The window lasts for hours; one who waits for 50 ms at most is answered in time, and the others with them."""
    house = House({"default": FOR_EVER_MS})
    gathering = house.gathering()
    patient = await gathered(gathering, asked("a"), asked("b"))
    hurried = await gathered(gathering, asked("c"), seconds_left=0.05)
    async with asyncio.timeout(10):
        assert [(await task).contact for task in (*patient, *hurried)] == ["a", "b", "c"]
    assert house.together == [["a", "b", "c"]]


async def test_a_full_window_ends_at_once() -> None:
    """With 256 calls the decision is made, however long the window; the next call begins another."""
    house = House({"default": FOR_EVER_MS})
    gathering = house.gathering()
    tasks = await gathered(gathering, *(asked(str(number)) for number in range(MOST_AT_ONCE + 1)))
    await asyncio.gather(*tasks[:-1])
    assert [len(batch) for batch in house.together] == [MOST_AT_ONCE]
    assert not tasks[-1].done()
    await gathering.close()
    assert (await tasks[-1]).contact == str(MOST_AT_ONCE)


async def test_closing_loses_no_call() -> None:
    """Who was gathered is decided at once, and close waits for it; who comes later is routed alone."""
    house = House({"default": FOR_EVER_MS})
    gathering = house.gathering()
    tasks = await gathered(gathering, asked("a"), asked("b"))
    await gathering.close()
    assert house.together == [["a", "b"]]
    assert [(await task).contact for task in tasks] == ["a", "b"]
    await gathering.route("default", asked("late"))
    assert house.alone == ["late"]


async def test_everyone_hears_what_became_of_their_own_call() -> None:
    """One contact is held already: only its caller gets the error. A fault of the decision reaches every caller."""
    house = House({"default": 20})
    gathering = house.gathering()
    fine, held = await gathered(gathering, asked("a"), asked("held"))
    assert (await fine).contact == "a"
    with pytest.raises(ContactHeld):
        await held
    house.fault = RuntimeError("the decision failed")
    for task in await gathered(gathering, asked("b"), asked("c")):
        with pytest.raises(RuntimeError, match="the decision failed"):
            await task


async def test_whoever_goes_away_is_not_decided_for() -> None:
    """A caller who gives up within the window takes no agent; one who gives up during the decision harms nobody."""
    house = House({"default": FOR_EVER_MS})
    gathering = house.gathering()
    first, gone, last = await gathered(gathering, asked("a"), asked("gone"), asked("b"))
    gone.cancel()
    await asyncio.sleep(0)
    house.go_on.clear()
    closing = asyncio.create_task(gathering.close())
    await house.deciding.wait()
    first.cancel()
    house.go_on.set()
    await closing
    assert house.together == [["a", "b"]]
    assert (await last).contact == "b"
    assert (first.cancelled(), gone.cancelled()) == (True, True)


async def test_what_is_gathered_is_bounded() -> None:
    """Beyond 1024 calls that wait, calls are routed alone; when those are answered, calls are gathered again."""
    house = House({"default": FOR_EVER_MS})
    gathering = house.gathering()
    house.go_on.clear()
    tasks = await gathered(gathering, *(asked(str(number)) for number in range(MOST_GATHERED)))
    await gathering.route("default", asked("beyond"))
    assert house.alone == ["beyond"]
    house.go_on.set()
    await asyncio.gather(*tasks)
    (again,) = await gathered(gathering, asked("again"))
    await gathering.close()
    await again
    assert house.alone == ["beyond"]
