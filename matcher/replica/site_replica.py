"""Replica of a site: its roster, holds, pools and queue in memory, kept current by the store's two event streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.aio import BackgroundTasks, Closing, Throttle, cancel_and_wait
from matcher.errors import SiteNotFound, StoreUnavailable
from matcher.index import SiteIndex
from matcher.model import Agent, ContactEvent, Hold, Pool
from matcher.model.lifecycle import ContactState
from matcher.model.resource_names import site_name
from matcher.replica.clock_steps import ClockSteps
from matcher.replica.event_hub import EventHub
from matcher.replica.interest_vectors import ensure_vectors
from matcher.replica.losses import Losses
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.own_writes import OwnWrites, Removals
from matcher.replica.pending_reserves import PendingReserves
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
    PlaceRepaired,
    PoolChanged,
    Position,
    PraiseGiven,
    SiteRemoved,
    TimerSet,
    event_number,
)
from matcher.store.clock import Clock
from matcher.store.contacts import ContactStore
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Reserved, ReserveKind, ReserveRequest
from matcher.store.roster import RosterStore
from matcher.store.salt import SiteSalt

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.2
READ_EVERY_SECONDS: Final = 0.01
"""How often the streams are read while nothing waits for events: read one by one they cost 4 to 7 % of a decision."""


class SiteReplica:
    """Follow one site. The index is changed by the event loop's thread only."""

    def __init__(
        self,
        site: str,
        connection: StoreClient,
        roster: RosterStore,
        matching: ModelBundle,
        clock: Clock,
        contacts: ContactStore,
        on_lag: Callable[[float], None],
        on_reload: Callable[[], None],
        hub: EventHub | None = None,
        tasks: BackgroundTasks | None = None,
        on_ignored: Callable[[], None] = lambda: None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """on_lag: gets the age (s) of a batch. on_reload: events were trimmed. on_ignored: one is unreadable."""
        self.site = site
        self.hub = hub or EventHub(site)
        self.matching = matching
        self.index = SiteIndex(matching.scorers.default, matching.encoder.dimension)
        self.queue = WaitingQueue()
        self.pending = PendingReserves()
        self.removed = False
        self.life = ""
        """The uid of the life of the site that this replica follows; "" until the site is read."""
        self.deadline_moved = asyncio.Event()
        self.timers_moved = True
        """Whether a contact's wait, a heartbeat or an idle conversation may end sooner than the expiry task knows."""
        self._connection = connection
        self._roster = roster
        self._clock = clock
        self._steps = ClockSteps(site, clock)
        self._contacts = contacts
        self.losses = Losses(site, contacts, self.hub, on_lost)
        self._on_lag = on_lag
        self._on_reload = on_reload
        self._on_ignored = on_ignored
        self._position = Position(0, 0, "", "")
        self._load_applied = 0
        """The last event of the load stream of the batch that is being applied, or was applied last."""
        self._removals = Removals()
        self._ended: set[str] = set()
        """Reservations that this process ended, until the event of that has been read."""
        self._own = OwnWrites()
        self.salt = SiteSalt(connection, site)
        self.pools = SitePools(site, roster, matching, lambda: self.index)
        self.successor: SiteReplica | None = None
        """The replica by another model that has replaced this one."""
        self._moved = asyncio.Event()
        self._current = asyncio.Event()
        self.throttle = Throttle(READ_EVERY_SECONDS)
        self.away: StoreUnavailable | None = None
        self.heard_at = time.monotonic()
        """When the store last answered the follower of the site's streams."""
        self._applying_since_ms: int | None = None
        self._attached: list[Closing] = []
        self._task = (tasks or BackgroundTasks()).start(f"follow {site}", self._keep_current)

    async def wait_ready(self, timeout_seconds: float) -> bool:
        """Wait until the site is read; return whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._current.wait()
        return self._current.is_set()

    @property
    def caught_up(self) -> bool:
        """Return whether the site is read and events are applied as they come."""
        return self._current.is_set()

    def lag_ms(self) -> int:
        """Return the age of the oldest event that is read and not applied, in ms."""
        since = self._applying_since_ms
        return 0 if since is None else max(0, self._clock.now_ms() - since)

    def has_reached(self, *, load: int = 0, roster: int = 0) -> bool:
        """Return whether an event of the load stream, and one of the roster stream, are applied."""
        return self._position.load >= load and self._position.roster >= roster

    async def catch_up(self, timeout_seconds: float, *, load: int = 0, roster: int = 0) -> bool:
        """Wait until these events are applied; return whether they are."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not self.has_reached(load=load, roster=roster):
                    self.throttle.hurry()
                    await self._moved.wait()
        return self.has_reached(load=load, roster=roster)

    def attach(self, task: Closing) -> None:
        """Close a task when the replica closes."""
        self._attached.append(task)

    async def close(self) -> None:
        """Stop following, and close the attached tasks."""
        for task in (*self._attached, self.pools):
            await task.close()
        await cancel_and_wait(self._task)

    async def floor(self, pool: Pool, language: str = "") -> float:
        """Return the affinity floor in force for a message in a language; "": not identified.

        It is the policy's own, or computed from the pool's roster, and then at least the absolute floor.
        """
        own = pool.policy.affinity_floor
        return (await self.matching.floors.of(self.index, pool.id)).of(language) if own is None else own

    def apply_reserved(self, request: ReserveRequest, answer: Reserved) -> None:
        """Apply a reservation of this process before its events are read; later its contact may wait again."""
        made, replaced = answer.reservation, request.handed_on
        if event_number(answer.event) > self._load_applied:
            if request.how in (ReserveKind.QUEUE, ReserveKind.MOVE, ReserveKind.ASSIGN):
                self.queue.serve(made.contact, made.created_ms)
            self._add_hold(made.agent, Hold(made.id, made.channel, made.cost, made.deadline_ms))
        self.losses.note_reserved(request, answer)
        if replaced is not None and not request.handed_on_wrap_up_ms and not request.keeps_agent:
            # The agent whose offer is withdrawn has been idle for as long as before.
            idle_since_ms = None if request.how is ReserveKind.ASSIGN else made.created_ms
            self.apply_own_release(replaced.agent, replaced.reservation, idle_since_ms)

    def apply_own_release(self, agent: str, reservation: str, idle_since_ms: int | None) -> None:
        """Apply the end of a hold that this process ended, before its event is read; the hold does not come back."""
        if self.index.holds(agent, reservation):  # else the event is applied already, and maybe later ones
            self._ended.add(reservation)
            self.index.free(agent, reservation, idle_since_ms)

    def apply_own_agent(self, agent: Agent, vectors: NDArray[np.float32]) -> None:
        """Apply an agent that this process wrote, before its event is read."""
        self._own.add(agent.id, agent.version)
        if not self._removals.followed(agent.id, agent.updated_ms):
            self._put(agent, (), vectors)

    def apply_own_status(self, agent: Agent) -> None:
        """Apply a status that this process wrote, before its event is read."""
        self._own.add(agent.id, agent.version)
        self._put_status(agent)

    def apply_own_removal(self, agent: str, version: int) -> None:
        """Apply the removal of an agent at a version; an agent that was created again since then stays."""
        self._own.add_removal(agent, version)
        known = self.index.agent(agent)
        if known is not None and known.version <= version:
            self.index.remove(agent)

    def knows_all_of(self, other: SiteReplica) -> bool:
        """Return whether this replica has applied all that another one of the site has, its own writes included."""
        return (
            self.caught_up
            and self.has_reached(load=other._position.load, roster=other._position.roster)
            and other._own.known_to(self.index)
        )

    async def _keep_current(self) -> None:
        position: Position | None = None
        while not self.removed:
            changes = ChangeStream(self._connection, self.site, self._on_ignored)
            try:
                if position is None or not await changes.unbroken(position):
                    position = None
                    position = await self._read(changes)
                self.away = None
                self._current.set()
                async for reached, batch in changes.follow(position):
                    self.heard_at, self._load_applied = time.monotonic(), reached.load
                    await self._apply(batch)
                    self._position = position = reached
                    self._moved.set()
                    self._moved = asyncio.Event()
                    self._steps.check()
                    if not batch:
                        await self._check_alive(changes, reached)
                    if batch and not len(self.queue):  # else a waiting contact is offered once an agent is free
                        await self.throttle.pause()
            except FellBehind:
                log.warning("fell behind the stream of changes; reading the site again", site=self.site)
                self._on_reload()
                position = None
            except SiteNotFound:
                self.removed = True
                self.hub.end()
                self._current.set()  # the calls that wait for the reading hear that the site is gone
            except StoreUnavailable as fault:
                self.away = fault
                self._current.clear()
                log.warning("the store is away", site=self.site, why=fault.why)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                self._current.clear()  # the task is started again, and reads the site again
                raise
            finally:
                await changes.close()

    async def _check_alive(self, changes: ChangeStream, position: Position) -> None:
        """Notice that the site was removed, or created again, while its streams had no event."""
        if not await changes.unbroken(position):
            raise FellBehind(self.site)

    async def _read(self, changes: ChangeStream) -> Position:
        """Read the site again, as of a position of its streams or later; return the position. Raises SiteNotFound."""
        position = await changes.end()
        if (another := self._position.server not in {"", position.server}) and not position.life:
            self.losses.end()
        snapshot = await read_site(self.site, self._roster, self._contacts, self.matching, self._clock)
        self.life = self.life or position.life
        # Asked last: of a site whose deletion began during the reading only a part was read.
        if not position.life or not self.life == position.life == (await changes.end()).life:
            raise SiteNotFound(site_name(self.site))
        self.index, self._position, self._load_applied = snapshot.index, position, position.load
        self.pools.reset(snapshot.pools)
        self.queue.reset(snapshot.queue)
        self._removals = Removals()
        self._ended.clear()
        self._timers_moved()
        await self.losses.compare(self.heard_at, another=another)
        self.hub.publish_gap(position.load)
        return position

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
                            self._removals.add(agent, at_ms)
                    case PoolChanged(pool):
                        pools.add(pool)
                    case SiteRemoved():
                        raise SiteNotFound(site_name(self.site))
                    case _:
                        self._apply_change(change)
            await self._refresh_agents(agents)
            await self.pools.refresh(pools)
            for agent, at_ms in written.items():
                self.queue.note_free(agent, at_ms)
            if pools:
                self.queue.notify()
            self._on_lag(self.lag_ms() / 1000)
            # Last, with no await before the position moves on: `knows_all_of` finds either the write or the position.
            for agent, version in agents.items():
                self._own.confirm(agent, version or (written[agent] + 1) * 1000)
        finally:
            self._applying_since_ms = None

    def _apply_change(self, change: Change) -> None:
        """Apply an event that needs no read of the store."""
        match change:
            case HoldAdded(agent, hold, at_ms):
                self._applying_since_ms = self._applying_since_ms or at_ms
                if hold.reservation not in self._ended:
                    self._add_hold(agent, hold)
                if not hold.cost:
                    self.queue.note_free(agent, at_ms)
                self.hub.publish_hold_change(agent, hold.reservation)
            case HoldRemoved(agent, reservation, idle_since_ms, at_ms):
                self._applying_since_ms = self._applying_since_ms or at_ms
                self._ended.discard(reservation)
                self.index.free(agent, reservation, idle_since_ms)
                self.queue.note_free(agent, at_ms)
                self.hub.publish_hold_change(agent, reservation)
            case ContactStepped(event, score):
                self.queue.apply(change)
                self.losses.note(event)
                if score is not None or self._sets_a_timer(event):
                    self._timers_moved()
                self.hub.publish(event)
            case PlaceRepaired():
                self.queue.repair(change)
            case TimerSet():
                self._timers_moved()
            case PraiseGiven(agent):
                self.hub.publish_praise(agent)

    def _add_hold(self, agent: str, hold: Hold) -> None:
        """Add a hold; wake the expiry task if its deadline is the earliest."""
        earliest = self.index.next_deadline()
        self.index.hold(agent, hold)
        if earliest is None or hold.deadline_ms < earliest:
            self.deadline_moved.set()

    def _sets_a_timer(self, event: ContactEvent) -> bool:
        """Return whether an event that puts no contact in the queue sets a timer: for idleness, or for the record."""
        pool = self.pools.known.get(event.pool)
        idles = pool is not None and pool.policy.idle_ms > 0
        return event.state is ContactState.RETURNED or (event.state is ContactState.ASSIGNED and idles)

    def _timers_moved(self) -> None:
        self.timers_moved = True
        self.deadline_moved.set()

    async def _refresh_agents(self, changed: dict[str, int]) -> None:
        known = {agent: self.index.agent(agent) for agent in changed}
        # The others are applied: this process wrote them, or read them with an earlier event.
        stale = [
            agent
            for agent, version in changed.items()
            if not version or known[agent] is None or known[agent].version < version  # type: ignore[union-attr]
        ]
        if not stale:
            return
        stored = await self._roster.agents(self.site, stale)
        profiles: list[Agent] = []
        for agent_id, agent in zip(stale, stored, strict=True):
            before, now = known[agent_id], self.index.agent(agent_id)
            if agent is None:
                # An agent that this process created again during the read stays: the event of that comes later.
                if now is not None and before is not None and now.version == before.version:
                    self.index.remove(agent_id)
            elif before is not None and before.profile_version == agent.profile_version:
                self._put_status(agent)
            else:
                profiles.append(agent)
        if profiles:
            stored_holds = await self._roster.holds(self.site, [agent.id for agent in profiles], self._clock.now_ms())
            rows = await ensure_vectors(self._roster, self.site, self.matching.encoder, profiles)
            for agent, holds, vectors in zip(profiles, stored_holds, rows, strict=True):
                self._put(agent, holds, vectors)

    def _put_status(self, agent: Agent) -> None:
        known = self.index.agent(agent.id)
        if known is not None and known.version <= agent.version and known.profile_version == agent.profile_version:
            self.index.put_status(agent.id, agent.status, agent.idle_since_ms, agent.version)

    def _put(self, agent: Agent, stored: Sequence[Hold], vectors: NDArray[np.float32]) -> None:
        """Put an agent into the index with all holds, known here or stored; the event that ends one may be to come."""
        known = self.index.agent(agent.id)
        if known is None or known.version <= agent.version:
            before = known.holds if known else ()
            idle_since_ms = max(agent.idle_since_ms, known.idle_since_ms if known else 0)
            holds = {hold.reservation: hold for hold in (*before, *stored) if hold.reservation not in self._ended}
            self.index.put(replace(agent, holds=tuple(holds.values()), idle_since_ms=idle_since_ms), vectors)
