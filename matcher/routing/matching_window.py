"""A pool's matching window: single routes that come within it are decided together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from matcher.errors import MatcherError
from matcher.model import Outcome
from matcher.model.requests import RouteRequest
from matcher.replica.site_registry import SiteRegistry
from matcher.routing.batch_router import MOST_AT_ONCE, BatchRouter, RouteResult
from matcher.routing.router import Router

DECIDING_SECONDS: Final = 0.25
"""What is left of a call's own time for the decision; half of what it has, where that is less."""
MOST_GATHERED: Final = 4 * MOST_AT_ONCE
"""Calls that wait for windows, or for what was decided at their end; what comes beyond is routed alone."""

_Key: TypeAlias = "tuple[str, str]"


@dataclass(slots=True, repr=False)
class _Window:
    """The calls of a pool that are decided together, and when."""

    due: float
    timer: asyncio.TimerHandle
    calls: list[tuple[RouteRequest, asyncio.Future[RouteResult]]] = field(default_factory=list)


class MatchingWindows:
    """Route messages: at once where the pool has no window, else together with those that come within it.

    The window begins with the first call, and ends early where a call would not live to see its end, or where as many
    have come as are decided at once.
    """

    def __init__(self, router: Router, joint: BatchRouter, sites: SiteRegistry) -> None:
        self._router = router
        self._joint = joint
        self._sites = sites
        self._windows: dict[_Key, _Window] = {}
        self._deciding: set[asyncio.Task[None]] = set()
        self._gathered = 0
        self._closed = False

    async def route(
        self,
        site: str,
        asked: RouteRequest,
        *,
        seconds_left: float | None = None,
        gathered: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Decide who takes the message; raise what the router raises.

        seconds_left: how long the caller waits, None: for ever. gathered: told when the call begins to wait for others.
        """
        replica = await self._sites.replica(site)
        pool = await replica.pools.pool(asked.message.requirements.pool)
        window_ms = pool.policy.matching_window_ms
        if not window_ms or self._closed or self._gathered >= MOST_GATHERED:
            return await self._router.route(site, asked)
        gathered()
        self._gathered += 1
        try:
            ended = await self._join((site, pool.id), window_ms / 1000, asked, seconds_left)
        finally:
            self._gathered -= 1
        if isinstance(ended, MatcherError):
            raise ended
        return ended

    async def route_many(self, site: str, asked: Sequence[RouteRequest]) -> list[RouteResult]:
        """Decide for all messages together, at once; return what became of each, in their order."""
        return await self._joint.route(site, asked)

    async def close(self) -> None:
        """Decide at once for everybody who was gathered, and gather nobody from now on."""
        self._closed = True
        for key in tuple(self._windows):
            self._end(key)
        await asyncio.gather(*self._deciding, return_exceptions=True)

    def _join(
        self, key: _Key, seconds: float, asked: RouteRequest, seconds_left: float | None
    ) -> asyncio.Future[RouteResult]:
        loop = asyncio.get_running_loop()
        now = loop.time()
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(now + seconds, loop.call_later(seconds, self._end, key))
        if seconds_left is not None:
            latest = now + seconds_left - min(DECIDING_SECONDS, seconds_left / 2)
            if latest < window.due:
                window.timer.cancel()
                window.due, window.timer = latest, loop.call_at(latest, self._end, key)
        future: asyncio.Future[RouteResult] = loop.create_future()
        window.calls.append((asked, future))
        if len(window.calls) >= MOST_AT_ONCE:
            self._end(key)
        return future

    def _end(self, key: _Key) -> None:
        window = self._windows.pop(key)
        window.timer.cancel()
        task = asyncio.create_task(self._decide(key[0], window), name=f"decide for {len(window.calls)}")
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decide(self, site: str, window: _Window) -> None:
        calls = [(asked, future) for asked, future in window.calls if not future.done()]  # else its caller is gone
        try:
            ended = await self._joint.route(site, [asked for asked, _ in calls])
        except Exception as error:  # noqa: BLE001 - every caller is told, whatever it was
            for _, future in calls:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), outcome in zip(calls, ended, strict=True):
                if not future.done():
                    future.set_result(outcome)
