"""Deadlines: what lapses is written down when its time has come, by whichever replica is first."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from matcher.clock import Clock
from matcher.errors import MatcherError, PoolNotFound, ReservationNotFound
from matcher.model import PoolPolicy
from matcher.replica import SiteReplica
from matcher.store.routing import RoutingStore
from matcher.tasks import end

log = structlog.get_logger(__name__)

BATCH: Final = 100
GRACE_MS: Final = 5
"""The local estimate of the store's clock may run ahead by this; a verb that comes early changes nothing."""
IDLE_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 1.0


class Expiry:
    """Sleep until a site's earliest deadline, then free the slots here and write the consequences in the store."""

    def __init__(self, replica: SiteReplica, store: RoutingStore, clock: Clock, lapsed: Callable[[str], None]) -> None:
        self._replica = replica
        self._store = store
        self._clock = clock
        self._lapsed = lapsed
        self._task = asyncio.create_task(self._run(), name=f"expire {replica.site}")

    async def close(self) -> None:
        """Stop."""
        await end(self._task)

    async def _run(self) -> None:
        while not self._replica.removed:
            try:
                left = await self._sweep()
                await self._sleep(AGAIN_SECONDS if left else IDLE_SECONDS)
            except MatcherError as fault:
                log.warning("deadlines wait for the store", site=self._replica.site, why=str(fault))
                await asyncio.sleep(RETRY_SECONDS)

    async def _sweep(self) -> bool:
        """Write what is overdue; tell whether something is left to be looked at again in a moment.

        At the start that is what lapsed while nobody looked. What is left was early by the store's clock.
        """
        if not self._replica.caught_up:
            return False
        now = self._clock.now_ms()
        self._replica.index.lapse(now)
        while overdue := await self._store.overdue(self._replica.site, now, BATCH):
            written = [await self._expire(reservation) for reservation in overdue]
            if not any(written):
                return True
        return False

    async def _expire(self, reservation: str) -> bool:
        """Write what follows from one deadline; tell whether this process was the one."""
        try:
            slot = await self._store.slot(self._replica.site, reservation)
        except ReservationNotFound:
            await self._store.forget_due(self._replica.site, reservation)
            return True
        lapsed = await self._store.expire(slot, await self._max_missed(slot.pool))
        if lapsed is None:
            return False
        self._lapsed(lapsed.was)
        return True

    async def _max_missed(self, pool: str) -> int:
        try:
            return (await self._replica.pool(pool)).policy.max_missed
        except PoolNotFound:
            return PoolPolicy().max_missed

    async def _sleep(self, most_seconds: float) -> None:
        """Sleep until the earliest deadline, which may move meanwhile, or until the site has been read anew.

        A hold that is new and not due asks nothing of the store: every route makes one.
        """
        loop = asyncio.get_running_loop()
        until, index, current = loop.time() + most_seconds, self._replica.index, self._replica.caught_up
        while (wait := min(until - loop.time(), self._due_in())) > 0:
            self._replica.deadline_moved.clear()
            with suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
                async with asyncio.timeout(wait):
                    await self._replica.deadline_moved.wait()
            if not current or self._replica.index is not index:
                return

    def _due_in(self) -> float:
        due = self._replica.index.next_deadline()
        return math.inf if due is None else (due + GRACE_MS - self._clock.now_ms()) / 1000
