"""A site as this process knows it: the roster and the load in memory, kept current by the store's streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.aio import Throttle, cancel_and_wait
from matcher.errors import StoreUnavailable
from matcher.index import SiteIndex
from matcher.model import Agent, ContactEvent, Hold, Pool
from matcher.model.lifecycle import ContactState
from matcher.replica.event_hub import EventHub
from matcher.replica.interest_vectors import ensure_vectors
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.own_writes import OwnWrites
from matcher.replica.pending_claims import PendingClaims
from matcher.replica.pools import SitePools
from matcher.replica.snapshot import read_site
from matcher.replica.waiting_queue import WaitingQueue
from matcher.store.change_stream import (
    AgentChanged,
    Change,
    ChangeStream,
    ContactStepped,
    FellBehind,
    HoldAdded,
    HoldRemoved,
    PoolChanged,
    Position,
    SiteRemoved,
    TimerSet,
    event_number,
)
from matcher.store.clock import Clock
from matcher.store.contacts import ContactStore
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Reserved, ReserveKind, ReserveRequest
from matcher.store.roster import RosterStore

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.2
READ_EVERY_SECONDS: Final = 0.01
"""How often the streams are read while things happen and nobody waits for them. Reading each event by itself cost 4 to
5 % of the CPU of a decision at the peak, 7 % at two thirds of it."""


class Closing(Protocol):
    """Is something that ends with the replica."""

    async def close(self) -> None:
        """End."""


class SiteReplica:
    """Follow one site; the index is only touched from the event loop."""

    def __init__(
        self,
        site: str,
        connection: StoreClient,
        roster: RosterStore,
        matching: ModelBundle,
        clock: Clock,
        contacts: ContactStore,
        observe_lag: Callable[[float], None],
        observe_reload: Callable[[], None],
        hub: EventHub | None = None,
    ) -> None:
        self.site = site
        self.hub = hub or EventHub(site)
        self.matching = matching
        self.index = SiteIndex(matching.scorers.default, matching.encoder.dimension)
        self.queue = WaitingQueue()
        self.underway = PendingClaims()
        self.removed = False
        self.deadline_moved = asyncio.Event()
        self.timers_moved = True
        """Whether a wait, a heartbeat or an idle conversation may end sooner than whoever looks after them knows."""
        self._connection = connection
        self._roster = roster
        self._clock = clock
        self._contacts = contacts
        self._observe_lag = observe_lag
        self._observe_reload = observe_reload
        self._position = Position(0, 0, "")
        self._load_told = 0
        """The last event of the load stream that the index was told, also while the rest of its batch waits."""
        self._freed: dict[str, int] = {}
        """Who may have become free for those who wait since somebody last asked, and when."""
        self._removed_ms: dict[str, int] = {}
        """When agents were removed, so that a write of our own from before does not bring them back."""
        self._ended: set[str] = set()
        """Reservations that this process ended and whose slots the streams have not freed yet."""
        self._own = OwnWrites()
        self.pools = SitePools(site, roster, matching, lambda: self.index)
        self.successor: SiteReplica | None = None
        """The replica by another model that answers in this one's place."""
        self._moved = asyncio.Event()
        self._current = asyncio.Event()
        self.throttle = Throttle(READ_EVERY_SECONDS)
        self.away: StoreUnavailable | None = None
        self._applying_since_ms: int | None = None
        self._beside: list[Closing] = []
        self._task = asyncio.create_task(self._keep_current(), name=f"follow {site}")

    async def ready(self, timeout_seconds: float) -> bool:
        """Wait until the site is read; tell whether it is."""
        if not self._current.is_set():
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._current.wait()
            except TimeoutError:
                return False
        return True

    @property
    def caught_up(self) -> bool:
        """Tell whether the site is read and changes are taken in as they come."""
        return self._current.is_set()

    def lag_ms(self) -> int:
        """Return how old the oldest change is that is known and not taken in."""
        since = self._applying_since_ms
        return 0 if since is None else max(0, self._clock.now_ms() - since)

    def has_applied(self, load_event: int = 0, roster_event: int = 0) -> bool:
        """Tell whether an event of the load stream, and one of the roster's, is applied here."""
        return self._position.load >= load_event and self._position.roster >= roster_event

    async def reached(self, load_event: int, timeout_seconds: float, roster_event: int = 0) -> bool:
        """Wait until an event of the load stream, and one of the roster's, is applied; tell whether both are."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not self.has_applied(load_event, roster_event):
                    self.throttle.hurry()
                    await self._moved.wait()
        return self.has_applied(load_event, roster_event)

    def beside(self, task: Closing) -> None:
        """Close another task with this replica."""
        self._beside.append(task)

    def take_freed(self) -> dict[str, int]:
        """Return who may have become free for those who wait since this was last asked, and when."""
        freed, self._freed = self._freed, {}
        return freed

    async def close(self) -> None:
        """Stop following."""
        for task in self._beside:
            await task.close()
        await self.pools.close()
        await cancel_and_wait(self._task)

    async def floor(self, pool: Pool) -> float:
        """Return the affinity floor in force: the pool's own, or that of its roster."""
        own = pool.policy.affinity_floor
        return await self.matching.floors.of(self.index, pool.id) if own is None else own

    def apply_reserved(self, request: ReserveRequest, answer: Reserved) -> None:
        """Apply a reservation that this process made before its events arrive; by then its contact may wait again."""
        made, replaced = answer.reservation, request.handed_on
        if event_number(answer.event) > self._load_told:
            if request.how in (ReserveKind.QUEUE, ReserveKind.MOVE):
                self.queue.serve(made.contact, made.created_ms)
            self._hold(made.agent, Hold(made.id, made.channel, made.cost, made.deadline_ms))
        if replaced is not None:
            self.apply_own_release(replaced.agent, replaced.reservation, made.created_ms)

    def apply_own_release(self, agent: str, reservation: str, idle_since_ms: int | None) -> None:
        """Take in the end of a hold that this process ended, before its event comes round: what ended stays so."""
        if self.index.holds(agent, reservation):  # else the news is here already, and maybe later news
            self._ended.add(reservation)
            self.index.free(agent, reservation, idle_since_ms)

    def knows_all_of(self, other: SiteReplica) -> bool:
        """Tell whether whatever another replica of the site has taken in, its own writes too, is known here."""
        mine, theirs = self._position, other._position
        return (
            self.caught_up
            and mine.roster >= theirs.roster
            and mine.load >= theirs.load
            and other._own.known_to(self.index)
        )

    def put(self, agent: Agent, vectors: NDArray[np.float32]) -> None:
        """Take in a write of this process's own making before its event comes round."""
        self._own.put(agent.id, agent.version)
        if agent.updated_ms > self._removed_ms.get(agent.id, 0):
            self._put(agent, (), vectors)

    def put_status(self, agent: Agent) -> None:
        """Take in a status of this process's own making before its event comes round."""
        self._own.put(agent.id, agent.version)
        self._put_status(agent)

    def _put_status(self, agent: Agent) -> None:
        known = self.index.agent(agent.id)
        if known is not None and known.version <= agent.version and known.profile_version == agent.profile_version:
            self.index.put_status(agent.id, agent.status, agent.idle_since_ms, agent.version)

    def remove(self, agent: str, version: int) -> None:
        """Take out an agent whom this process removed at a version; who was made anew since then stays."""
        self._own.removed(agent, version)
        known = self.index.agent(agent)
        if known is not None and known.version <= version:
            self.index.remove(agent)

    async def _keep_current(self) -> None:
        position: Position | None = None
        while not self.removed:
            changes = ChangeStream(self._connection, self.site)
            try:
                if position is None or not await changes.unbroken(position):
                    position, begin = None, await changes.end()
                    await self._read(begin)
                    position = begin
                self.away = None
                self._current.set()
                async for reached, batch in changes.follow(position):
                    self._load_told = reached.load
                    await self._apply(batch)
                    self._position = position = reached
                    self._moved.set()
                    self._moved = asyncio.Event()
                    if not batch:
                        await self._check_alive(changes, reached)
                    if self.removed:
                        break
                    if batch and not len(self.queue):  # whoever waits is offered at once to whom an event frees
                        await self.throttle.pause()
            except FellBehind:
                log.warning("fell behind the stream of changes; reading the site again", site=self.site)
                self._observe_reload()
                position = None
            except StoreUnavailable as fault:
                self.away = fault
                self._current.clear()
                log.warning("the store is away", site=self.site, why=fault.why)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                # Whatever it was, a site that is read anew is right; a follower that ended would be wrong for ever.
                log.exception("following failed; reading the site again", site=self.site)
                self._current.clear()
                position = None
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await changes.close()

    async def _check_alive(self, changes: ChangeStream, position: Position) -> None:
        """Notice a site that was removed, or made anew, while its streams said nothing."""
        if await changes.unbroken(position):
            return
        # Only now: the list of sites may lie on a server that is away while the site's own is there.
        if await self._roster.site_exists(self.site):
            raise FellBehind(self.site)
        self.removed = True

    async def _read(self, position: Position) -> None:
        """Read the site anew, as of a position of its streams or later."""
        read = await read_site(self.site, self._roster, self._contacts, self.matching, self._clock)
        self.index, self._position, self._load_told = read.index, position, position.load
        self.pools.reset(read.pools)
        self.queue.reset(read.queue)
        self._removed_ms.clear()
        self._ended.clear()
        self._timers_moved()
        self.hub.read_anew(position.load)

    async def _apply(self, batch: Sequence[Change]) -> None:
        if not batch:
            return
        try:
            agents: dict[str, int] = {}
            written: dict[str, int] = {}
            pools: set[str] = set()
            for change in batch:
                match change:
                    case AgentChanged(agent, version, at_ms):
                        self._applying_since_ms = self._applying_since_ms or at_ms
                        agents[agent], written[agent] = version, at_ms
                        if not version:
                            self._removed_ms[agent] = at_ms
                    case PoolChanged(pool):
                        pools.add(pool)
                    case SiteRemoved():
                        self.removed = True
                        return
                    case _:
                        self._take_in(change)
            await self._refresh_agents(agents)
            await self.pools.refresh(pools)
            for agent, at_ms in written.items():
                self._may_serve(agent, at_ms)
            if pools:
                self.queue.stir()
            self._observe_lag(self.lag_ms() / 1000)
            # Last, and without a pause before the position moves on: who compares two replicas sees one or the other.
            for agent, version in agents.items():
                self._own.heard_of(agent, version or (written[agent] + 1) * 1000)
        finally:
            self._applying_since_ms = None

    def _take_in(self, change: Change) -> None:
        """Take in a change that says all there is to know."""
        match change:
            case HoldAdded(agent, hold, at_ms):
                self._applying_since_ms = self._applying_since_ms or at_ms
                if hold.reservation not in self._ended:
                    self._hold(agent, hold)
                if not hold.cost:
                    self._may_serve(agent, at_ms)
                self.hub.slot_changed(agent, hold.reservation)
            case HoldRemoved(agent, reservation, idle_since_ms, at_ms):
                self._applying_since_ms = self._applying_since_ms or at_ms
                self._ended.discard(reservation)
                self.index.free(agent, reservation, idle_since_ms)
                self._may_serve(agent, at_ms)
                self.hub.slot_changed(agent, reservation)
            case ContactStepped(event, score):
                self.queue.take_in(change)
                if score is not None or self._sets_a_timer(event):
                    self._timers_moved()
                self.hub.stepped(event)
            case TimerSet():
                self._timers_moved()

    def _hold(self, agent: str, hold: Hold) -> None:
        """Take a slot; who waits for the earliest deadline is woken where this one is earlier."""
        earliest = self.index.next_deadline()
        self.index.hold(agent, hold)
        if earliest is None or hold.deadline_ms < earliest:
            self.deadline_moved.set()

    def _sets_a_timer(self, event: ContactEvent) -> bool:
        """Tell whether a step that leads to no queue sets a timer: for the conversation, or for the record."""
        pool = self.pools.known.get(event.pool)
        idles = pool is not None and pool.policy.idle_ms > 0
        return event.state is ContactState.QUEUED or (event.state is ContactState.ASSIGNED and idles)

    def _timers_moved(self) -> None:
        self.timers_moved = True
        self.deadline_moved.set()

    def _may_serve(self, agent: str, at_ms: int) -> None:
        """Note an agent who may have become free for somebody who waits."""
        if len(self.queue):
            self._freed[agent] = at_ms
            self.queue.stir()

    async def _refresh_agents(self, changed: dict[str, int]) -> None:
        known = {agent: self.index.agent(agent) for agent in changed}
        # Of this process's own making, or taken in before.
        stale = [
            agent
            for agent, version in changed.items()
            if not version or known[agent] is None or known[agent].version < version  # type: ignore[union-attr]
        ]
        if not stale:
            return
        found = await self._roster.agents(self.site, stale)
        profiles: list[Agent] = []
        for agent_id, agent in zip(stale, found, strict=True):
            before, now = known[agent_id], self.index.agent(agent_id)
            if agent is None:
                # Who was made anew by this process while the store was read has an event still to come.
                if now is not None and before is not None and now.version == before.version:
                    self.index.remove(agent_id)
            elif before is not None and before.profile_version == agent.profile_version:
                self._put_status(agent)
            else:
                profiles.append(agent)
        if profiles:
            leases = await self._roster.leases(self.site, [agent.id for agent in profiles], self._clock.now_ms())
            rows = await ensure_vectors(self._roster, self.site, self.matching.encoder, profiles)
            for agent, holds, vectors in zip(profiles, leases, rows, strict=True):
                self._put(agent, holds, vectors)

    def _put(self, agent: Agent, stored: Sequence[Hold], vectors: NDArray[np.float32]) -> None:
        """Write an agent over what is known, with the holds known here and those read from the store.

        What is free again of either is told by an event that is still to come.
        """
        known = self.index.agent(agent.id)
        if known is None or known.version <= agent.version:
            before = known.holds if known else ()
            idle_since_ms = max(agent.idle_since_ms, known.idle_since_ms if known else 0)
            holds = {hold.reservation: hold for hold in (*before, *stored) if hold.reservation not in self._ended}
            self.index.put(replace(agent, holds=tuple(holds.values()), idle_since_ms=idle_since_ms), vectors)
