"""A day: everybody comes and works, things are killed on the way, and when all is over what is left is looked at."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.simulate import calls
from benchmarks.simulate import history as h
from benchmarks.simulate.desk import DeskWorker
from benchmarks.simulate.fleet import Fleet
from benchmarks.simulate.front import Front, Journal, Refused
from benchmarks.simulate.lives import ENDED
from benchmarks.simulate.plan import Arrival, Cast, Plan, arrivals, cast
from benchmarks.simulate.platform import Platform
from benchmarks.simulate.work import Work
from matcher.model.lifecycle import AgentStatus, ContactState
from matcher.v1 import routing_pb2 as pb

SITE: Final = "simulated"
BEATING: Final = 10
"""Every tenth desk sends heartbeats."""
AT_ONCE: Final = 32
LOOK_SECONDS: Final = 0.5
PROBE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the day stands, as the clients know."""

    phase: str
    seconds: float
    arrived: int
    of: int
    waiting: int
    offered: int
    talking: int
    ended: int
    down: str
    """What is killed at the moment."""


@dataclass(frozen=True, slots=True)
class Played:
    """A day that is over: what the clients saw, and what went wrong in the playing of it."""

    records: list[h.Record]
    seconds: float
    failures: list[str]
    faults: list[str]
    """What the servers logged as faults of their own; told, not judged by."""


async def play(plan: Plan, show: Callable[[Progress], None] = lambda _: None) -> Played:
    """Play a day on a fleet of its own. Raises RuntimeError where a server does not start."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        fleet = Fleet(Path(folder), plan.replicas, plan.bug)
        async with fleet:
            day = Day(plan, fleet, show)
            try:
                await day.play()
            finally:
                await day.end()
        failures = [f"{type(one).__name__}: {one}" for one in day.work.failures]
        return Played(day.journal.records, time.monotonic() - began, failures, fleet.faults())


class Day:
    """Plays a day on a fleet that runs."""

    def __init__(self, plan: Plan, fleet: Fleet, show: Callable[[Progress], None]) -> None:
        self.journal = Journal()
        self.work = Work()
        self._plan = plan
        self._fleet = fleet
        self._show = show
        self._cast: Cast = cast(plan)
        self._front = Front(fleet.targets, SITE, self.journal, plan.seed)
        self._desks: dict[str, DeskWorker] = {}
        self._platform = Platform(self._front, self.work, plan.habits, self._desks, plan.seed)
        for number, desk in enumerate(self._cast.desks):
            self._desks[desk.agent] = DeskWorker(
                self._front, self.work, plan, desk, self._cast.desks, self._cast.texts, self._platform.settled,
                self._platform.waits_no_more,
                plan.seed * 1_000 + number,
            )  # fmt: skip
        self._began = time.monotonic()
        self._phase = "hiring"
        self._down = ""

    async def play(self) -> None:
        """Play the day from hiring to the last look."""
        plan = self._plan
        looking = asyncio.create_task(self._look())
        try:
            await calls.open_site(self._front, plan.pools)
            await self._each([self._hire(desk) for desk in self._cast.desks])
            coming: list[Arrival] = list(arrivals(plan, self._cast))
            await self._platform.watch(plan.pools)
            for number, worker in enumerate(self._desks.values()):
                self.work.start(worker.take_breaks())
                if number % BEATING == 0:
                    self.work.start(worker.beat())
            self._phase = "the day"
            crashes = [self.work.start(one) for one in self._crashes()]
            await self._platform.customers(coming)
            await asyncio.gather(*crashes)
            if not plan.to_the_end:
                return
            await self._drain()
            self._phase = "the last look"
            await self._last_look()
        finally:
            looking.cancel()
            self._show(self._progress())

    async def end(self) -> None:
        """End what still goes on."""
        await self.work.end()
        await self._front.close()

    async def _hire(self, desk: h.Desk) -> None:
        await calls.hire(self._front, desk, self._cast.interests[desk.agent])

    @staticmethod
    async def _each(doing: Iterable[Coroutine[object, object, None]]) -> None:
        waiting = iter(doing)

        async def some() -> None:
            for one in waiting:
                await one

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    def _crashes(self) -> list[Coroutine[object, object, None]]:
        plan, crashes = self._plan, list[Coroutine[object, object, None]]()
        if plan.replica_killed_at is not None:
            crashes.append(self._kill_replica(plan.replica_killed_at * plan.seconds))
        if plan.store_killed_at is not None:
            crashes.append(self._kill_store(plan.store_killed_at * plan.seconds))
        return crashes

    async def _kill_replica(self, at: float) -> None:
        await asyncio.sleep(at)
        replica, began = self._fleet.replicas[0], time.time()
        self._down = "a replica"
        await replica.kill()
        await asyncio.sleep(self._plan.replica_back_after)
        await replica.start()
        self._down = ""
        self.journal.note(h.Outage(what="replica", began=began, ended=time.time()))

    async def _kill_store(self, at: float) -> None:
        await asyncio.sleep(at)
        store, began = self._fleet.store, time.time()
        self._down = "the store"
        await store.kill()
        await asyncio.sleep(self._plan.store_back_after)
        await store.start()
        self._down = ""
        self.journal.note(h.Outage(what="store", began=began, ended=time.time()))

    async def _drain(self) -> None:
        """Let the desks answer everything until nothing is open, or for as long as a contact may take."""
        self._phase = "the last customers"
        await self._each([worker.close() for worker in self._desks.values()])
        until = time.monotonic() + self._plan.drain_seconds
        while time.monotonic() < until:
            if not self._platform.open() and not any(worker.talking for worker in self._desks.values()):
                break
            await asyncio.sleep(0.1)
        # Wrap-ups.
        await asyncio.sleep(max(pool.wrap_up for pool in self._plan.pools) + 0.5)

    async def _last_look(self) -> None:
        self._platform.leave()
        left = self._platform.open()
        await self._each([calls.find_contact(self._front, contact) for contact in sorted(left)])
        await self._each([self._find(desk) for desk in self._cast.desks])
        await self._each([self._probe(desk) for desk in self._cast.desks])
        await self._each([self._find(desk) for desk in self._cast.desks])

    async def _find(self, desk: h.Desk) -> None:
        await calls.find_desk(self._front, desk.agent)

    async def _probe(self, desk: h.Desk) -> None:
        """Fill an agent whom only one skill of their own finds, channel by channel, and empty them again."""
        # The engine may have sent them away for what they did not answer.
        await calls.declare(self._front, desk.agent, AgentStatus.ONLINE)
        for channel, (cost, most) in desk.channels.items():
            room = min(desk.total // cost, most or desk.total)
            taken, until = list[str](), time.monotonic() + PROBE_SECONDS
            # A replica may not have heard yet that the last probe is over. One more than there is room for is too many.
            while len(taken) < room and time.monotonic() < until:
                if (held := await self._fill(desk, channel)) is not None:
                    taken.append(held)
            if (held := await self._fill(desk, channel)) is not None:
                taken.append(held)
            self.journal.note(h.Probed(agent=desk.agent, channel=channel, taken=len(taken)))
            for reservation in taken:
                await self._empty(reservation)

    async def _fill(self, desk: h.Desk, channel: str) -> str | None:
        own = f"desk-{desk.agent.rpartition('-')[2]}"
        request = pb.RouteMessageRequest(
            parent=self._front.parent,
            pool=self._front.name("pools", desk.pools[0]),
            message=pb.Message(text="Hello.", channel=channel, required_skills=[pb.RequiredSkill(skill=own, level=1)]),
            auto_accept=True,
            request_id=f"probe-{desk.agent}-{channel}-{time.monotonic_ns()}",
        )
        with suppress(Refused):
            answer = await self._front.ask(lambda stubs, seconds: stubs.routing.RouteMessage(request, timeout=seconds))
            return answer.reservation.name or None
        return None

    async def _empty(self, reservation: str) -> None:
        request = pb.CancelReservationRequest(name=reservation)
        with suppress(Refused):
            await self._front.ask(lambda stubs, seconds: stubs.routing.CancelReservation(request, timeout=seconds))

    async def _look(self) -> None:
        while True:
            self._show(self._progress())
            await asyncio.sleep(LOOK_SECONDS)

    def _progress(self) -> Progress:
        platform = self._platform
        return Progress(
            phase=self._phase,
            seconds=time.monotonic() - self._began,
            arrived=platform.arrived,
            of=self._plan.contacts,
            waiting=platform.count(ContactState.QUEUED),
            offered=platform.count(ContactState.RESERVED),
            talking=sum(worker.talking for worker in self._desks.values()),
            ended=sum(state in ENDED for state in platform.states.values()),
            down=self._down,
        )
