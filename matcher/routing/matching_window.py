"""A pool's matching window: routes that arrive within it are decided together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from matcher.errors import MatcherError
from matcher.model import Outcome
from matcher.model.requests import RouteRequest
from matcher.replica.site_registry import SiteRegistry
from matcher.routing.batch_router import MOST_AT_ONCE, BatchRouter, RouteResult
from matcher.routing.router import Router

DECIDING_SECONDS: Final = 0.25
"""The part of a call's own time that is kept for the decision; at most half of its time."""
MOST_WAITING: Final = 4 * MOST_AT_ONCE
"""Calls that wait for a window to end, or for its decision; a further call is routed alone."""

_PoolKey: TypeAlias = "tuple[str, str]"


@dataclass(slots=True, repr=False)
class _Window:
    """The calls of a pool that are decided together, and when."""

    due: float
    timer: asyncio.TimerHandle
    calls: list[tuple[RouteRequest, asyncio.Future[RouteResult]]] = field(default_factory=list)


class MatchingWindows:
    """Routes messages: at once where the pool has no window, else together with the other messages of the window.

    A window begins with its first call. It ends early where a call would time out before the end, or where as many
    calls wait as are decided at once.
    """

    def __init__(self, router: Router, batch_router: BatchRouter, sites: SiteRegistry) -> None:
        self._router = router
        self._batch_router = batch_router
        self._sites = sites
        self._windows: dict[_PoolKey, _Window] = {}
        self._deciding: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._closed = False

    async def route(
        self,
        site: str,
        request: RouteRequest,
        *,
        seconds_left: float | None = None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Decide which agent takes the message; raise what the router raises.

        seconds_left: how long the caller waits, None: for ever. on_wait: called when the call begins to wait for other
        calls.
        """
        replica = await self._sites.replica(site)
        pool = await replica.pools.pool(request.message.requirements.pool)
        window_ms = pool.policy.matching_window_ms
        if not window_ms or self._closed or self._waiting >= MOST_WAITING:
            return await self._router.route(site, request)
        on_wait()
        self._waiting += 1
        try:
            result = await self._join((site, pool.id), window_ms / 1000, request, seconds_left)
        finally:
            self._waiting -= 1
        if isinstance(result, MatcherError):
            raise result
        return result

    async def route_many(
        self, site: str, requests: Sequence[RouteRequest], *, seconds_left: float | None = None
    ) -> list[RouteResult]:
        """Decide all messages together, without a window; return the result of each, in their order."""
        return await self._batch_router.route(site, requests, in_turn=True, seconds_left=seconds_left)

    async def close(self) -> None:
        """End all windows now and decide their calls; a later call is routed alone."""
        self._closed = True
        for key in tuple(self._windows):
            self._end(key)
        await asyncio.gather(*self._deciding, return_exceptions=True)

    def _join(
        self, key: _PoolKey, window_seconds: float, request: RouteRequest, seconds_left: float | None
    ) -> asyncio.Future[RouteResult]:
        loop = asyncio.get_running_loop()
        now = loop.time()
        window = self._windows.get(key)
        if window is None:
            timer = loop.call_later(window_seconds, self._end, key)
            window = self._windows[key] = _Window(now + window_seconds, timer)
        if seconds_left is not None:
            latest = now + seconds_left - min(DECIDING_SECONDS, seconds_left / 2)
            if latest < window.due:
                window.timer.cancel()
                window.due, window.timer = latest, loop.call_at(latest, self._end, key)
        future: asyncio.Future[RouteResult] = loop.create_future()
        window.calls.append((request, future))
        if len(window.calls) >= MOST_AT_ONCE:
            self._end(key)
        return future

    def _end(self, key: _PoolKey) -> None:
        window = self._windows.pop(key)
        window.timer.cancel()
        # In the context of none of the calls: it decides for all of them.
        decide = self._decide(key[0], window)
        task = asyncio.create_task(decide, name=f"decide for {len(window.calls)}", context=Context())
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decide(self, site: str, window: _Window) -> None:
        calls = [
            (request, future) for request, future in window.calls if not future.done()
        ]  # done: the caller went away
        try:
            results = await self._batch_router.route(site, [request for request, _ in calls])
        except Exception as error:  # noqa: BLE001 - every caller gets it
            for _, future in calls:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in zip(calls, results, strict=True):
                if not future.done():
                    future.set_result(result)
