"""Tests of the matching window: which calls are decided together, and when."""

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
from matcher.routing.matching_window import MOST_WAITING, MatchingWindows

FOR_EVER_MS = 10_000_000


@dataclass
class Doubles:
    """Pools with windows, and a router and a batch router that note what they are asked to route."""

    windows_ms: dict[str, int]
    together: list[list[str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    fault: Exception | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    deciding: asyncio.Event = field(default_factory=asyncio.Event)

    def windows(self) -> MatchingWindows:
        """Return windows over these doubles."""
        doubles: Any = self
        self.go_on.set()
        return MatchingWindows(doubles, _BatchRouterDouble(self), doubles)  # type: ignore[arg-type]

    async def replica(self, _site: str) -> Doubles:
        """Be the site registry."""
        return self

    @property
    def pools(self) -> Doubles:
        """Be a replica."""
        return self

    async def pool(self, pool: str) -> Pool:
        """Be the replica's pools."""
        return Pool(pool, PoolPolicy(matching_window_ms=self.windows_ms[pool]), 1, 0, 0)

    async def route(self, _site: str, request: RouteRequest) -> Unmatched:
        """Be the router."""
        self.alone.append(request.contact_id)
        return unmatched(request.contact_id)


@dataclass
class _BatchRouterDouble:
    doubles: Doubles

    async def route(self, _site: str, requests: Sequence[RouteRequest]) -> list[Unmatched | MatcherError]:
        contacts = [request.contact_id for request in requests]
        self.doubles.together.append(contacts)
        self.doubles.deciding.set()
        await self.doubles.go_on.wait()
        if self.doubles.fault is not None:
            raise self.doubles.fault
        return [ContactHeld("c", "r") if contact == "held" else unmatched(contact) for contact in contacts]


def unmatched(contact: str) -> Unmatched:
    """Return an outcome that names the contact."""
    return Unmatched(contact, Constraint.STATUS, LeftOut({}))


def request_of(contact: str, pool: str = "default") -> RouteRequest:
    """Return the request of one call."""
    return RouteRequest(Message("We sail.", "", Requirements(pool=pool)), contact_id=contact)


async def started(
    windows: MatchingWindows, *requests: RouteRequest, seconds_left: float | None = None
) -> list[asyncio.Task[Any]]:
    """Start calls, and return them once all of them wait in windows."""
    waiting = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(windows.route("default", request, seconds_left=seconds_left, on_wait=waiting.release))
        for request in requests
    ]
    for _ in tasks:
        await waiting.acquire()
    await asyncio.sleep(0)
    return tasks


async def test_calls_within_the_window_are_decided_together() -> None:
    """Three calls of one pool are one decision when the window ends; another pool's call is a decision of its own."""
    doubles = Doubles({"default": 20, "other": 20})
    requests = (request_of("a"), request_of("b"), request_of("x", "other"), request_of("c"))
    tasks = await started(doubles.windows(), *requests)
    assert [(await task).contact for task in tasks] == ["a", "b", "x", "c"]
    assert sorted(doubles.together) == [["a", "b", "c"], ["x"]]
    assert doubles.alone == []


async def test_without_a_window_no_call_waits_for_others() -> None:
    """A pool whose window is 0 routes every call by itself, at once."""
    doubles = Doubles({"default": 0})
    windows = doubles.windows()
    for contact in ("a", "b"):
        outcome = await windows.route("default", request_of(contact))
        assert outcome.contact == contact  # type: ignore[union-attr]
    assert (doubles.alone, doubles.together) == (["a", "b"], [])


async def test_a_call_that_would_time_out_before_the_end_of_the_window_ends_it() -> None:
    """The window lasts for hours; a call with 50 ms left is answered in time, and the others with it."""
    doubles = Doubles({"default": FOR_EVER_MS})
    windows = doubles.windows()
    patient = await started(windows, request_of("a"), request_of("b"))
    hurried = await started(windows, request_of("c"), seconds_left=0.05)
    async with asyncio.timeout(10):
        assert [(await task).contact for task in (*patient, *hurried)] == ["a", "b", "c"]
    assert doubles.together == [["a", "b", "c"]]


async def test_a_full_window_ends_at_once() -> None:
    """With 256 calls the decision is made, however long the window; the next call begins another window."""
    doubles = Doubles({"default": FOR_EVER_MS})
    windows = doubles.windows()
    tasks = await started(windows, *(request_of(str(number)) for number in range(MOST_AT_ONCE + 1)))
    await asyncio.gather(*tasks[:-1])
    assert [len(batch) for batch in doubles.together] == [MOST_AT_ONCE]
    assert not tasks[-1].done()
    await windows.close()
    assert (await tasks[-1]).contact == str(MOST_AT_ONCE)


async def test_closing_loses_no_call() -> None:
    """Waiting calls are decided at once, and close waits for them; a later call is routed alone."""
    doubles = Doubles({"default": FOR_EVER_MS})
    windows = doubles.windows()
    tasks = await started(windows, request_of("a"), request_of("b"))
    await windows.close()
    assert doubles.together == [["a", "b"]]
    assert [(await task).contact for task in tasks] == ["a", "b"]
    await windows.route("default", request_of("late"))
    assert doubles.alone == ["late"]


async def test_each_caller_gets_the_error_of_the_own_call_only() -> None:
    """One contact is held already: only its caller gets the error. A fault of the decision reaches every caller."""
    doubles = Doubles({"default": 20})
    windows = doubles.windows()
    fine, held = await started(windows, request_of("a"), request_of("held"))
    assert (await fine).contact == "a"
    with pytest.raises(ContactHeld):
        await held
    doubles.fault = RuntimeError("the decision failed")
    for task in await started(windows, request_of("b"), request_of("c")):
        with pytest.raises(RuntimeError, match="the decision failed"):
            await task


async def test_a_cancelled_call_is_not_decided() -> None:
    """A call cancelled within the window takes no agent; a call cancelled during the decision harms no other call."""
    doubles = Doubles({"default": FOR_EVER_MS})
    windows = doubles.windows()
    first, cancelled, last = await started(windows, request_of("a"), request_of("cancelled"), request_of("b"))
    cancelled.cancel()
    await asyncio.sleep(0)
    doubles.go_on.clear()
    closing = asyncio.create_task(windows.close())
    await doubles.deciding.wait()
    first.cancel()
    doubles.go_on.set()
    await closing
    assert doubles.together == [["a", "b"]]
    assert (await last).contact == "b"
    assert (first.cancelled(), cancelled.cancelled()) == (True, True)


async def test_the_number_of_waiting_calls_is_bounded() -> None:
    """Beyond 1024 waiting calls, calls are routed alone; when those are answered, calls wait in windows again."""
    doubles = Doubles({"default": FOR_EVER_MS})
    windows = doubles.windows()
    doubles.go_on.clear()
    tasks = await started(windows, *(request_of(str(number)) for number in range(MOST_WAITING)))
    await windows.route("default", request_of("beyond"))
    assert doubles.alone == ["beyond"]
    doubles.go_on.set()
    await asyncio.gather(*tasks)
    (again,) = await started(windows, request_of("again"))
    await windows.close()
    await again
    assert doubles.alone == ["beyond"]
