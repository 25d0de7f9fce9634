"""Deadlines: what lapses is written down when its time has come, by whichever replica is first."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from matcher.aio import cancel_and_wait
from matcher.errors import MatcherError, ReservationNotFound
from matcher.model.lifecycle import Cause
from matcher.replica.site_replica import SiteReplica
from matcher.services.offers import withdraw_pending
from matcher.store.clock import Clock
from matcher.store.contacts import ContactStore
from matcher.store.presence import PresenceStore, Timer, TimerKind
from matcher.store.reservations import ReservationStore

log = structlog.get_logger(__name__)

BATCH: Final = 100
GRACE_MS: Final = 5
"""The local estimate of the store's clock may run ahead by this; a verb that comes early changes nothing."""
IDLE_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.25
"""How soon the store is asked for the earliest timer after one was set: none is set for less than a second, and many
that are set at once cost one look."""


@dataclass(frozen=True, slots=True)
class ExpiryObserver:
    """Who is told of what the sweeper does: a reservation that lapsed, by its state; an agent sent away, and why."""

    lapsed: Callable[[str], None] = lambda _: None
    sent_away: Callable[[str], None] = lambda _: None


class Expiry:
    """Sleep until a site's earliest deadline, then write what follows from it.

    A reservation's deadline is known here as the index has it. The end of a contact's wait, of an agent's heartbeat and
    of a conversation's liveliness is asked for in the store, when the earliest one known has come or may have moved.
    """

    def __init__(
        self,
        replica: SiteReplica,
        store: ReservationStore,
        contacts: ContactStore,
        presence: PresenceStore,
        clock: Clock,
        seen: ExpiryObserver,
    ) -> None:
        self._replica = replica
        self._store = store
        self._contacts = contacts
        self._presence = presence
        self._clock = clock
        self._seen = seen
        self._timer_ms: float = math.inf
        self._look_at: float = math.inf
        """When to ask for the earliest timer, by the event loop's clock."""
        self._task = asyncio.create_task(self._run(), name=f"expire {replica.site}")

    async def close(self) -> None:
        """Stop."""
        await cancel_and_wait(self._task)

    async def _run(self) -> None:
        while not self._replica.removed:
            if not await self._replica.ready(RETRY_SECONDS):
                continue
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
        now = self._clock.now_ms()
        self._replica.index.lapse(now)
        while overdue := await self._store.overdue(self._replica.site, now, BATCH):
            written = [await self._expire(reservation) for reservation in overdue]
            if not any(written):
                return True
        return await self._settle_timers()

    async def _expire(self, reservation: str) -> bool:
        """Write what follows from one deadline; tell whether this process was the one."""
        try:
            slot = await self._store.slot(self._replica.site, reservation)
        except ReservationNotFound:
            await self._store.forget_due(self._replica.site, reservation)
            return True
        policy = await self._replica.pools.policy(slot.pool)
        lapsed = await self._store.expire(slot, policy.max_missed)
        if lapsed is None:
            return False
        self._seen.lapsed(lapsed.was)
        if lapsed.away:
            await self._sent_away(slot.agent, "missed")
        return True

    async def _settle_timers(self) -> bool:
        """Write what follows from the timers that are due; tell whether one was early by the store's clock."""
        self._replica.timers_moved, self._look_at = False, math.inf
        before: list[Timer] = []
        while True:
            timers = await self._presence.timers(self._replica.site, BATCH)
            now = self._clock.now_ms()
            due = [timer for timer in timers if timer.due_ms + GRACE_MS <= now]
            self._timer_ms = timers[len(due)].due_ms if len(due) < len(timers) else math.inf
            if not due or due == before:
                return bool(due)
            for timer in due:
                await self._settle(timer)
            before = due

    async def _settle(self, timer: Timer) -> None:
        site = self._replica.site
        match timer.kind:
            case TimerKind.CONTACT:
                await self._contacts.leave(site, timer.id, Cause.WAIT_EXPIRED)
            case TimerKind.BEAT:
                if await self._presence.miss_beat(site, timer.id):
                    await self._sent_away(timer.id, "silent")
            case TimerKind.IDLE:
                try:
                    await self._store.rest(await self._store.slot(site, timer.id))
                except ReservationNotFound:
                    await self._presence.forget(site, timer)

    async def _sent_away(self, agent: str, why: str) -> None:
        """Take back what an agent was offered who has just been sent away."""
        site = self._replica.site
        self._seen.sent_away(why)
        withdrawn = await withdraw_pending(self._store, site, agent, Cause.AGENT_LEFT, self._clock.now_ms())
        log.info("agent sent away", site=site, agent=agent, why=why, offers_withdrawn=withdrawn)

    async def _sleep(self, most_seconds: float) -> None:
        """Sleep until the earliest deadline, which may move meanwhile, or until the site has been read anew.

        A hold that is new and not due asks nothing of the store: every route makes one.
        """
        loop = asyncio.get_running_loop()
        until, index = loop.time() + most_seconds, self._replica.index
        while (wait := min(until - loop.time(), self._due_in())) > 0:
            self._replica.deadline_moved.clear()
            with suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
                async with asyncio.timeout(wait):
                    await self._replica.deadline_moved.wait()
            if self._replica.index is not index:
                return

    def _due_in(self) -> float:
        """Return in how many seconds there is something to do."""
        now = asyncio.get_running_loop().time()
        if self._replica.timers_moved:
            self._look_at = min(self._look_at, now + LOOK_SECONDS)
        held = self._replica.index.next_deadline()
        due = min(math.inf if held is None else held, self._timer_ms)
        return min(self._look_at - now, (due + GRACE_MS - self._clock.now_ms()) / 1000)
