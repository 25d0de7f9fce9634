"""The brief site: created, filled by an import, used, deleted, and created again under the same id, until the drain."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Final

from google.protobuf.message import Message

from benchmarks.chaos import history as h
from benchmarks.chaos.habits import INTERESTS, POOL, TEXTS
from benchmarks.chaos.wire import Line, Wire, plain
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

SITE: Final = "brief"
AGENTS: Final = 5
IMPORTS_MOST: Final = 40
"""Attempts of an import until the life of the site goes without one."""


class BriefSite:
    """A site that comes and goes."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self.draining = False
        self._wire = wire
        self._rng = random.Random(f"{seed} brief")

    async def run(self) -> None:
        """Live one life after the other."""
        life = 0
        while not self.draining:
            life += 1
            await self._live(life)
            await asyncio.sleep(self._rng.uniform(0.2, 2.0))

    def _asked(self, verb: str, **fields: str) -> h.Call:
        return h.Call(site=SITE, verb=verb, replica=-1, began=0.0, ended=0.0, **fields)  # type: ignore[arg-type]

    async def _live(self, life: int) -> None:
        wire, parent = self._wire, f"sites/{SITE}"
        create = roster.CreateSiteRequest(site_id=SITE)
        await wire.insist(lambda line: line.roster.CreateSite(create), self._asked("create site"))
        pool = roster.CreatePoolRequest(parent=parent, pool_id=POOL, pool=roster.Pool())
        await wire.insist(lambda line: line.roster.CreatePool(pool), self._asked("create pool"))
        agents = [f"{SITE}-{life}-a{number}" for number in range(AGENTS)]
        for agent in agents:
            wire.history.add(h.Staff(SITE, agent, 1, {"chat": 1}))
        imported = await self._import(agents)
        await self._look(imported)
        route = pb.RouteMessageRequest(
            parent=parent, pool=f"{parent}/pools/{POOL}", contact_id=f"{SITE}-{life}-c", request_id=f"{SITE}-{life}",
            message=pb.Message(text=self._rng.choice(TEXTS), channel="chat"), wait=True,
        )  # fmt: skip
        await wire.insist(lambda line: line.routing.RouteMessage(route), self._asked("brief route"))
        delete = roster.DeleteSiteRequest(name=parent, force=True)
        _, deleted = await wire.insist(lambda line: line.roster.DeleteSite(delete), self._asked("delete site"))
        if deleted.ending == h.OK:
            read = roster.ListAgentsRequest(parent=parent)
            for line in wire.lines:
                await wire.once(lambda line: line.roster.ListAgents(read), self._asked("list after deletion"), line)

    async def _import(self, agents: list[str]) -> tuple[str, ...]:
        """Import agents until each row was taken; return the ids of those that were."""
        parent, taken = f"sites/{SITE}", dict[str, None]()

        async def steps() -> AsyncIterator[roster.ImportAgentsRequest]:
            yield roster.ImportAgentsRequest(config=roster.ImportConfig(parent=parent))
            for number, agent in enumerate(agents):
                record = roster.Agent(
                    display_name=agent, interests=[INTERESTS[number % len(INTERESTS)]],
                    pools=[f"{parent}/pools/{POOL}"], status=roster.ONLINE,
                    capacity=roster.Capacity(total=1, channels=[roster.ChannelCapacity(channel="chat", cost=1)]),
                )  # fmt: skip
                yield roster.ImportAgentsRequest(row=roster.ImportRow(row=number + 1, agent_id=agent, agent=record))

        async def send(line: Line) -> Message:
            last = roster.ImportAgentsResponse()
            async for answer in line.roster.ImportAgents(steps()):
                last = answer
                if answer.action != roster.ImportAgentsResponse.REJECTED:
                    taken[plain(answer.agent)] = None
            return last

        for _ in range(IMPORTS_MOST):
            await self._wire.once(send, self._asked("import"))
            if len(taken) == len(agents):
                break
            await asyncio.sleep(0.3)
        return tuple(taken)

    async def _look(self, imported: tuple[str, ...]) -> None:
        """Read whom and what the new site has: nobody and nothing of the site before it."""
        parent = f"sites/{SITE}"
        agents, _ = await self._wire.insist(
            lambda line: line.roster.ListAgents(roster.ListAgentsRequest(parent=parent)), self._asked("list agents")
        )
        contacts, record = await self._wire.insist(
            lambda line: line.routing.ListContacts(pb.ListContactsRequest(parent=parent)),
            self._asked("list contacts"),
        )
        if agents is None or contacts is None:
            return
        self._wire.history.add(
            h.FoundLife(
                site=SITE, at=record.ended, imported=imported,
                agents=tuple(plain(agent.name) for agent in agents.agents),
                contacts=tuple(plain(contact.name) for contact in contacts.contacts),
            )
        )  # fmt: skip
