"""One attack from beginning to end: sites are opened, faults and load run, all is brought to rest and read."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.chaos import history as h
from benchmarks.chaos.arena import CLUSTER, REPLICAS, SINGLE, Arena
from benchmarks.chaos.brief_site import BriefSite
from benchmarks.chaos.errands import Errands
from benchmarks.chaos.habits import Habits
from benchmarks.chaos.ledger import settled_ledger
from benchmarks.chaos.load import SiteLoad
from benchmarks.chaos.nemesis import USUAL, Planned, attack, kinds_for, plan
from benchmarks.chaos.processes import ROOT
from benchmarks.chaos.takeovers import note_takeovers
from benchmarks.chaos.tasks import Tasks
from benchmarks.chaos.wire import Wire, plain
from benchmarks.chaos.witness import let_in, look, open_probes
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

DRAIN_SECONDS: Final = 45.0
AT_ONCE: Final = 24
FILL_MOST: Final = 8


@dataclass(frozen=True)
class Attack:
    """What one attack is made of."""

    seed: int = 1
    seconds: float = 60.0
    topology: str = SINGLE
    replicas: int = REPLICAS
    kinds: Sequence[str] = USUAL
    planned: Sequence[Planned] | None = None
    habits: Habits = field(default_factory=Habits)
    drain_seconds: float = DRAIN_SECONDS
    settings: Mapping[str, str] = field(default_factory=dict)
    tree: Path = ROOT


@dataclass(frozen=True)
class Played:
    """What an attack left behind: history, failures of the clients themselves, and faults that the servers logged."""

    records: list[h.Record]
    seconds: float
    failures: list[str]
    logged: list[str]


async def play(attacked: Attack, say: Callable[[str], Any] = lambda _: None) -> Played:
    """Attack an arena of its own; raise RuntimeError where a process does not start."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mc-") as folder:
        arena = Arena(Path(folder), attacked.topology, attacked.replicas, attacked.tree, settings=attacked.settings)
        async with arena:
            stage = Stage(attacked, arena, say)
            try:
                await stage.play()
            finally:
                await stage.end()
        failures = [*stage.tasks.failures, *stage.watchers.failures]
        return Played(stage.history.records, time.monotonic() - began, failures, arena.faults())


class Stage:
    """Plays an attack on an arena that runs."""

    def __init__(self, attacked: Attack, arena: Arena, say: Callable[[str], Any]) -> None:
        self.history = h.History()
        self.tasks = Tasks()
        self.watchers = Tasks()
        self._attacked = attacked
        self._arena = arena
        self._say = say
        self._wire = Wire([door.address for door in arena.doors], arena.key, self.history, attacked.seed)
        self._loads = [
            SiteLoad(site, self._wire, attacked.habits, self.tasks, attacked.seed) for site in attacked.habits.sites
        ]
        self._errands = [Errands(load, attacked.seed) for load in self._loads] if attacked.habits.errands else []
        self._brief = BriefSite(self._wire, attacked.seed)

    async def play(self) -> None:
        """Open the sites, attack, and bring all to rest."""
        attacked = self._attacked
        await self._begin()
        began = time.time()
        planned = attacked.planned
        if planned is None:
            planned = plan(attacked.seed, attacked.seconds, kinds_for(attacked.topology, attacked.kinds))
        await attack(self._arena, planned, self.history, self._say)
        await asyncio.sleep(max(0.0, began + attacked.seconds - time.time()))
        await self._drain()
        await self._read()

    async def _begin(self) -> None:
        """Open the sites, and start watches, witness and load."""
        habits = self._attacked.habits
        await let_in([replica.target for replica in self._arena.replicas], self._arena.key)
        for load in self._loads:
            await load.open()
        await open_probes(self._arena.replicas[0].target, self._arena.key)
        self.watchers.start(note_takeovers(self._arena, self.history))
        for number, replica in enumerate(self._arena.replicas):
            whole = self._attacked.topology != CLUSTER
            self.watchers.start(look(number, replica.target, self._arena.key, self.history, whole=whole))
        for load in self._loads:
            for number in range(2):
                self.watchers.start(load.watch(number))
            self.watchers.start(load.sweep())
            if habits.beating:
                for number in range(0, habits.agents, habits.beating):
                    self.watchers.start(load.beat(number))
                    self.watchers.start(load.look_in(number))
            for work in (load.come(), load.change_status(), load.supervise()):
                self.tasks.start(work)
        for errands in self._errands:
            self.tasks.start(errands.run())
        if self._errands:
            self.tasks.start(self._brief.run())

    async def end(self) -> None:
        """Stop the clients."""
        await self.tasks.end()
        await self.watchers.end()
        await self._wire.close()

    async def _drain(self) -> None:
        """Let nobody come any more, bring all agents online, and let the desks end what there is."""
        self._say("        draining")
        self._brief.draining = True
        for load in self._loads:
            load.draining = True
        for load in self._loads:
            for agent in load.agents:
                await load.set_status(agent, roster.ONLINE)
        end = time.time() + self._attacked.drain_seconds
        while time.time() < end:
            await asyncio.sleep(0.5)
            if not self.tasks.running and not any([await self._left(load) for load in self._loads]):
                return

    async def _left(self, load: SiteLoad) -> int:
        """Return how many contacts of a site are queued, offered or talking, 1 where this cannot be read."""
        request = pb.ListContactsRequest(parent=load.parent, page_size=1000)
        answer, _ = await self._wire.once(lambda line: line.routing.ListContacts(request), load.asked("list contacts"))
        if answer is None:
            return 1
        return sum(contact.state != pb.CONTACT_RETURNED for contact in answer.contacts)

    async def _read(self) -> None:
        """Read how each contact and reservation ended, and what each agent holds; then fill each agent."""
        self._say("        reading")
        for load in self._loads:
            await _each([self._read_contact(load, contact) for contact in load.acknowledged])
            await _each([self._read_reservation(load, reservation) for reservation in load.held])
            listed = roster.ListAgentsRequest(parent=load.parent, page_size=1000)
            answer, _ = await self._wire.insist(
                lambda line, listed=listed: line.roster.ListAgents(listed),  # type: ignore[misc]
                load.asked("list agents"),
            )
            if answer is not None:
                agents = tuple(plain(agent.name) for agent in answer.agents)
                self.history.add(h.FoundAgents(site=load.site, agents=agents))
            for agent in load.agents:
                await self._fill(load, agent)
        for errands in self._errands:
            await errands.read_outcomes()
        sites = self._attacked.habits.sites
        for record in await settled_ledger(self._arena.ledger, self.history.records, sites):
            self.history.add(record)

    async def _read_contact(self, load: SiteLoad, contact: str) -> None:
        request = pb.GetContactRequest(name=load.name("contacts", contact))
        answer, record = await self._wire.insist(
            lambda line: line.routing.GetContact(request), load.asked("read contact", contact=contact)
        )
        state, cause = None if record.ending == h.UNKNOWN else "", ""
        if answer is not None:
            state, cause = pb.ContactState.Name(answer.state), pb.Cause.Name(answer.cause)
        self.history.add(h.FoundContact(site=load.site, contact=contact, at=record.ended, state=state, cause=cause))

    async def _read_reservation(self, load: SiteLoad, reservation: str) -> None:
        request = pb.GetReservationRequest(name=load.name("reservations", reservation))
        _, record = await self._wire.insist(
            lambda line: line.routing.GetReservation(request), load.asked("read", reservation=reservation)
        )
        state = None if record.ending == h.UNKNOWN else ""
        if record.held is not None:
            state = record.held.state
        self.history.add(h.FoundReservation(site=load.site, reservation=reservation, at=record.ended, state=state))

    async def _fill(self, load: SiteLoad, agent: str) -> None:
        """Read what an agent holds when all is over, and assign contacts until the agent is full."""
        request = roster.GetAgentRequest(name=load.name("agents", agent))
        answer, _ = await self._wire.insist(
            lambda line: line.roster.GetAgent(request), load.asked("read agent", agent=agent)
        )
        if answer is None:
            return
        filled, contacts = 0, list[str]()
        for number in range(FILL_MOST):
            contact = f"fill-{agent}-{number}"
            record = await load.assign(contact, agent, over=False, request=f"f-{contact}", accepted=True)
            if record.ending != h.OK:
                break
            filled += 1
            contacts.append(contact)
        for contact in contacts:
            end = pb.CancelContactRequest(name=load.name("contacts", contact))
            await self._wire.insist(
                lambda line, end=end: line.routing.CancelContact(end),  # type: ignore[misc]
                load.asked("cancel contact", contact=contact),
            )
        self.history.add(
            h.FoundAgent(site=load.site, agent=agent, load=answer.load, holds=len(answer.holds), filled=filled)
        )


async def _each(work: Sequence[Any]) -> None:
    """Await many awaitables, some at a time."""
    remaining = iter(work)

    async def worker() -> None:
        for awaitable in remaining:
            await awaitable

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
