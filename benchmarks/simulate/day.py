"""The simulated day: customers and agents act, processes are killed, and at the end the state is read and probed."""

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
from benchmarks.simulate.facts import ENDED
from benchmarks.simulate.fleet import Fleet
from benchmarks.simulate.gateway import Gateway, Journal, Refused
from benchmarks.simulate.plan import Arrival, Cast, Plan, arrivals, cast
from benchmarks.simulate.platform import Platform
from benchmarks.simulate.supervisor import Supervisor
from benchmarks.simulate.tasks import Tasks
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
    """The progress of the day, as the clients know it."""

    phase: str
    seconds: float
    arrived: int
    of: int
    waiting: int
    offered: int
    talking: int
    ended: int
    down: str
    """The process that is down at the moment."""


@dataclass(frozen=True, slots=True)
class PlayedDay:
    """A finished day: the history of the clients, and the failures of the simulation itself."""

    records: list[h.Record]
    seconds: float
    failures: list[str]
    faults: list[str]
    """The faults that the servers logged; they are reported, but do not count in the verdict."""


async def play(plan: Plan, show: Callable[[Progress], None] = lambda _: None) -> PlayedDay:
    """Play a day on a fleet of its own; raise RuntimeError where a server does not start."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        fleet = Fleet(Path(folder), plan.replicas, plan.bug)
        async with fleet:
            day = Day(plan, fleet, show)
            try:
                await day.play()
            finally:
                await day.end()
        failures = [f"{type(failure).__name__}: {failure}" for failure in day.tasks.failures]
        return PlayedDay(day.journal.records, time.monotonic() - began, failures, fleet.faults())


class Day:
    """Plays a day on a running fleet."""

    def __init__(self, plan: Plan, fleet: Fleet, show: Callable[[Progress], None]) -> None:
        self.journal = Journal()
        self.tasks = Tasks()
        self._plan = plan
        self._fleet = fleet
        self._show = show
        self._cast: Cast = cast(plan)
        self._gateway = Gateway(fleet.targets, SITE, self.journal, plan.seed)
        self._desks: dict[str, DeskWorker] = {}
        self._platform = Platform(self._gateway, self.tasks, plan.habits, self._desks, plan.seed)
        for number, desk in enumerate(self._cast.desks):
            self._desks[desk.agent] = DeskWorker(
                self._gateway, self.tasks, plan, desk, self._cast.desks, self._cast.texts, self._platform.settled,
                self._platform.waits_no_more,
                self._hire,
                plan.seed * 1_000 + number,
            )  # fmt: skip
        self._supervisor = Supervisor(
            self._gateway, self._cast.desks, self._platform.states, plan.habits.assignments, plan.seed
        )
        self._began = time.monotonic()
        self._phase = "hiring"
        self._down = ""

    async def play(self) -> None:
        """Play the day, from the creation of the agents to the checks at the end."""
        plan = self._plan
        display_task = asyncio.create_task(self._look())
        try:
            await calls.open_site(self._gateway, plan.pools)
            await self._each([self._hire(desk) for desk in self._cast.desks])
            coming: list[Arrival] = list(arrivals(plan, self._cast))
            await self._platform.watch(plan.pools)
            for number, worker in enumerate(self._desks.values()):
                self.tasks.start(worker.take_breaks())
                if number % BEATING == 0:
                    self.tasks.start(worker.beat())
            self._phase = "the day"
            crashes = [self.tasks.start(crash) for crash in self._crashes()]
            assignments = self.tasks.start(self._supervisor.assign())
            await self._platform.customers(coming)
            await asyncio.gather(*crashes)
            assignments.cancel()
            if not plan.to_the_end:
                return
            await self._drain()
            self._phase = "the last look"
            await self._last_look()
        finally:
            display_task.cancel()
            self._show(self._progress())

    async def end(self) -> None:
        """Cancel the running tasks and close the channels."""
        await self.tasks.end()
        await self._gateway.close()

    async def _hire(self, desk: h.Desk) -> None:
        with suppress(Refused):  # it was done by an attempt without an answer
            await calls.hire(self._gateway, desk, self._cast.interests[desk.agent])

    @staticmethod
    async def _each(coroutines: Iterable[Coroutine[object, object, None]]) -> None:
        remaining = iter(coroutines)

        async def worker() -> None:
            for coroutine in remaining:
                await coroutine

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))

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
        self.journal.add(h.Outage(what="replica", began=began, ended=time.time()))

    async def _kill_store(self, at: float) -> None:
        await asyncio.sleep(at)
        store, began = self._fleet.store, time.time()
        self._down = "the store"
        await store.kill()
        await asyncio.sleep(self._plan.store_back_after)
        await store.start()
        self._down = ""
        self.journal.add(h.Outage(what="store", began=began, ended=time.time()))

    async def _drain(self) -> None:
        """Let the desks answer every offer until no contact is open, or until the plan's drain time is over."""
        self._phase = "the last customers"
        await self._each([worker.close() for worker in self._desks.values()])
        until = time.monotonic() + self._plan.drain_seconds
        while time.monotonic() < until:
            workers = self._desks.values()
            if not self._platform.open() and all(worker.hired and not worker.talking for worker in workers):
                break
            await asyncio.sleep(0.1)
        # The last wrap-ups.
        await asyncio.sleep(max(pool.wrap_up for pool in self._plan.pools) + 0.5)

    async def _last_look(self) -> None:
        self._platform.leave()
        remaining = self._platform.open()
        await self._each([calls.find_contact(self._gateway, contact) for contact in sorted(remaining)])
        if any(pool.control_share for pool in self._plan.pools):
            await self._each([calls.find_arm(self._gateway, contact) for contact in sorted(self._queued())])
        await self._each([self._find(desk) for desk in self._cast.desks])
        await self._each([self._probe(desk) for desk in self._cast.desks])
        await self._each([self._find(desk) for desk in self._cast.desks])

    def _queued(self) -> set[str]:
        """Return the contacts that were answered to wait."""
        routes = (record for record in self.journal.records if isinstance(record, h.Routed))
        return {route.contact for route in routes if route.outcome is h.Outcome.QUEUED}

    async def _find(self, desk: h.Desk) -> None:
        await calls.find_desk(self._gateway, desk.agent)

    async def _probe(self, desk: h.Desk) -> None:
        """Reserve and release an agent's whole capacity, channel by channel, by a skill that only this agent has."""
        # The service may have set the agent AWAY for unanswered offers.
        await calls.declare(self._gateway, desk.agent, AgentStatus.ONLINE)
        for channel, (cost, most) in desk.channels.items():
            capacity = min(desk.total // cost, most or desk.total)
            reservations, until = list[str](), time.monotonic() + PROBE_SECONDS
            # Repeated, because a replica may not know yet that the last probe is over.
            while len(reservations) < capacity and time.monotonic() < until:
                if (reservation := await self._fill(desk, channel)) is not None:
                    reservations.append(reservation)
            # One reservation above the capacity must fail.
            if (reservation := await self._fill(desk, channel)) is not None:
                reservations.append(reservation)
            self.journal.add(h.Probed(agent=desk.agent, channel=channel, taken=len(reservations)))
            for reservation in reservations:
                await self._release(reservation)

    async def _fill(self, desk: h.Desk, channel: str) -> str | None:
        own = f"desk-{desk.agent.rpartition('-')[2]}"
        request = pb.RouteMessageRequest(
            parent=self._gateway.parent,
            pool=self._gateway.name("pools", desk.pools[0]),
            message=pb.Message(text="Hello.", channel=channel, required_skills=[pb.RequiredSkill(skill=own, level=1)]),
            auto_accept=True,
            request_id=f"probe-{desk.agent}-{channel}-{time.monotonic_ns()}",
        )
        with suppress(Refused):
            answer = await self._gateway.call(
                lambda stubs, seconds: stubs.routing.RouteMessage(request, timeout=seconds)
            )
            return answer.reservation.name or None
        return None

    async def _release(self, reservation: str) -> None:
        request = pb.CancelReservationRequest(name=reservation)
        with suppress(Refused):
            await self._gateway.call(lambda stubs, seconds: stubs.routing.CancelReservation(request, timeout=seconds))

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
