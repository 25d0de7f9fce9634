"""Expiry of a site's deadlines: writes what follows from each when it has passed; the first replica does so."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from matcher.aio import BackgroundTasks, cancel_and_wait
from matcher.errors import MatcherError, ReservationNotFound
from matcher.model.lifecycle import Cause
from matcher.replica.site_replica import SiteReplica
from matcher.services.departures import AwayReason, handle_away
from matcher.store.clock import GRACE_MS, Clock
from matcher.store.contacts import ContactStore
from matcher.store.presence import PresenceStore, Timer, TimerKind
from matcher.store.reservations import ReservationStore

log = structlog.get_logger(__name__)

BATCH: Final = 100
AT_ONCE: Final = 16
"""Timers that are written together. One after the other, each waits for the store and for a turn of a busy loop: chaos
saw 10 to 16 a second, and waits that ended 17 s late."""
IDLE_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 0.02
LOOK_AGAIN_SECONDS: Final = 2.0
"""Longest sleep without a look at the store's clock: after a step of that clock a deadline may be late by this time."""
POSTPONED_SECONDS: Final = 30.0
"""How long a deadline that cannot be written, whatever its fault, is left aside for the others."""
RETRY_SECONDS: Final = 1.0
TIMER_READ_SECONDS: Final = 0.25
"""How soon the store is asked for the earliest timer after one was set. No timer is set for less than a second, and
many that are set at once cost one read."""


@dataclass(frozen=True, slots=True)
class ExpiryObserver:
    """Callbacks for metrics.

    on_lapse: a reservation lapsed, with the state that it was in. on_away: an agent was set AWAY. on_broken: a deadline
    could not be written and was left aside.
    """

    on_lapse: Callable[[str], None] = lambda _: None
    on_away: Callable[[AwayReason], None] = lambda _: None
    on_broken: Callable[[], None] = lambda: None


class Expiry:
    """Sleep until a site's earliest deadline, then write what follows from it.

    The index knows the deadlines of reservations. The other timers are read from the store, when the earliest of them
    has passed or may have moved: the end of a contact's wait, of an agent's heartbeat, and of an idle conversation.
    """

    def __init__(
        self,
        replica: SiteReplica,
        store: ReservationStore,
        contacts: ContactStore,
        presence: PresenceStore,
        clock: Clock,
        observer: ExpiryObserver,
        tasks: BackgroundTasks | None = None,
    ) -> None:
        self._replica = replica
        self._store = store
        self._contacts = contacts
        self._presence = presence
        self._clock = clock
        self._observer = observer
        self._postponed: dict[str, float] = {}
        """Deadlines that could not be written, and until when each is left aside, by the event loop's clock."""
        self._timer_ms: float = math.inf
        self._read_timers_at: float = math.inf
        """When to read the earliest timer, by the event loop's clock."""
        self._task = (tasks or BackgroundTasks()).start(f"expire {replica.site}", self._run)

    async def close(self) -> None:
        """Stop the task."""
        await cancel_and_wait(self._task)

    async def _run(self) -> None:
        while not self._replica.removed:
            if not await self._replica.wait_ready(RETRY_SECONDS):
                continue
            try:
                left = await self._sweep()
                await self._sleep(AGAIN_SECONDS if left else IDLE_SECONDS)
            except MatcherError as fault:
                log.warning("deadlines could not be written; trying again", site=self._replica.site, why=str(fault))
                await asyncio.sleep(RETRY_SECONDS)

    async def _sweep(self) -> bool:
        """Write what follows from each deadline that has passed; return whether some are left to be retried soon.

        The first sweep also handles what lapsed while no process ran. What is left was early by the store's clock.
        """
        now = self._clock.now_ms()
        self._forget_postponed()
        try:
            while overdue := await self._overdue(now):
                written = [await self._unless_broken(reservation, self._expire(reservation)) for reservation in overdue]
                if not any(written):
                    return True
        finally:
            # Last: an agent whose conversation expired may have a wrap-up, which is written first.
            self._replica.index.lapse(now)
        return await self._settle_timers()

    async def _overdue(self, now: int) -> list[str]:
        """Return reservations whose deadline has passed, without those left aside."""
        overdue = await self._store.overdue(self._replica.site, now, BATCH + len(self._postponed))
        return [reservation for reservation in overdue if reservation not in self._postponed]

    async def _unless_broken(self, deadline: str, work: Awaitable[bool]) -> bool:
        """Return what `work` returns; a fault that only this deadline has must not stop the others: leave it aside."""
        try:
            return await work
        except MatcherError:
            raise
        except Exception:  # whatever is wrong with one record, the other deadlines are written
            self._postponed[deadline] = asyncio.get_running_loop().time() + POSTPONED_SECONDS
            log.exception("a deadline cannot be written; left aside", site=self._replica.site)
            self._observer.on_broken()
            return False

    def _forget_postponed(self) -> None:
        now = asyncio.get_running_loop().time()
        for deadline in [deadline for deadline, until in self._postponed.items() if until <= now]:
            del self._postponed[deadline]

    async def _expire(self, reservation: str) -> bool:
        """Write what follows from one deadline; return whether this process wrote it."""
        try:
            ref = await self._store.reference(self._replica.site, reservation)
        except ReservationNotFound:
            if not await self._store.forget_due(self._replica.site, reservation):
                # Its member of the deadlines names no reservation: it would be read again at once, for ever.
                raise LookupError("a deadline that names no reservation") from None
            return True
        policy = await self._replica.pools.policy(ref.pool)
        lapsed = await self._store.expire(ref, policy.max_missed, policy.after_expiry_ms)
        if lapsed is None:
            return False
        self._observer.on_lapse(lapsed.was)
        if lapsed.away:
            await self._handle_away(ref.agent, AwayReason.MISSED)
        return True

    async def _settle_timers(self) -> bool:
        """Write what follows from the timers that are due; return whether one was early by the store's clock."""
        self._replica.timers_moved, self._read_timers_at = False, math.inf
        before: list[Timer] = []
        while True:
            timers = await self._presence.timers(self._replica.site, BATCH)
            now = self._clock.now_ms()
            due = [timer for timer in timers if timer.due_ms + GRACE_MS <= now]
            self._timer_ms = timers[len(due)].due_ms if len(due) < len(timers) else math.inf
            due = [timer for timer in due if timer.key not in self._postponed]
            if not due or due == before:
                return bool(due)
            for first in range(0, len(due), AT_ONCE):
                some = due[first : first + AT_ONCE]
                works = (self._unless_broken(timer.key, self._settle(timer)) for timer in some)
                for written in await asyncio.gather(*works, return_exceptions=True):
                    if isinstance(written, BaseException):
                        raise written
            before = due

    async def _settle(self, timer: Timer) -> bool:
        site = self._replica.site
        match timer.kind:
            case TimerKind.CONTACT:
                await self._contacts.leave(site, timer.id, Cause.WAIT_EXPIRED)
            case TimerKind.BEAT:
                if await self._presence.miss_beat(site, timer.id):
                    await self._handle_away(timer.id, AwayReason.SILENT)
            case TimerKind.IDLE:
                try:
                    await self._store.rest(await self._store.reference(site, timer.id))
                except ReservationNotFound:
                    await self._presence.forget(site, timer)
        return True

    async def _handle_away(self, agent: str, reason: AwayReason) -> None:
        """Withdraw the offers of an agent who has just been set AWAY."""
        self._observer.on_away(reason)
        await handle_away(self._store, self._replica.site, agent, reason, self._clock.now_ms())

    async def _sleep(self, most_seconds: float) -> None:
        """Sleep until the earliest deadline, which may move meanwhile, or until the site has been read again.

        A new hold that is not due causes no call to the store: every route makes one.
        """
        loop = asyncio.get_running_loop()
        until, index = loop.time() + most_seconds, self._replica.index
        while (wait := min(until - loop.time(), self._due_in())) > 0:
            self._replica.deadline_moved.clear()
            with suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
                async with asyncio.timeout(min(wait, LOOK_AGAIN_SECONDS)):
                    await self._replica.deadline_moved.wait()
            if self._replica.index is not index:
                return

    def _due_in(self) -> float:
        """Return the seconds until the next deadline or timer read."""
        now = asyncio.get_running_loop().time()
        if self._replica.timers_moved:
            self._read_timers_at = min(self._read_timers_at, now + TIMER_READ_SECONDS)
        earliest_hold = self._replica.index.next_deadline()
        due = min(math.inf if earliest_hold is None else earliest_hold, self._timer_ms)
        return min(self._read_timers_at - now, (due + GRACE_MS - self._clock.now_ms()) / 1000)
