"""Two servers on one store; a test can pause one of them while it applies events."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from matcher.encoder import Priority
from matcher.encoder.protocols import Vectors
from matcher.model import Agent, Capacity, ChannelCapacity, Message, Profile, Requirements, ReservedOutcome
from matcher.model.lifecycle import AgentStatus
from matcher.model.requests import RouteRequest
from matcher.replica.affinity_floors import AffinityFloors
from matcher.store.redis.client import StoreClient
from tests.state_machine.service_instance import ServiceInstance
from tests.state_machine.stored import Stored
from tests.state_machine.words import WordEncoder

ROSES = Profile("", ("roses",), capacity=Capacity(5, {"chat": ChannelCapacity(1)}))


class GatedEncoder(WordEncoder):
    """Encodes interests only while the gate is open, so that a test decides the order of events.

    It has a fingerprint of its own, so that it finds no vectors of other servers in the store.
    """

    fingerprint = "00000000000000fe"

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self.one_by_one = False

    async def encode(
        self, texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        """Encode texts; interests only once the gate is open."""
        if priority is Priority.PROFILE:
            self.waiting.set()
            await self.gate.wait()
            if self.one_by_one:
                self.gate.clear()
        return await super().encode(texts, english=english, priority=priority)


@dataclass
class Pair:
    """Two servers: the encoder of `slow` has a gate for interests, that of `other` has none."""

    site: str
    connection: StoreClient
    slow: ServiceInstance
    other: ServiceInstance
    encoder: GatedEncoder

    @asynccontextmanager
    async def held_up(self) -> AsyncIterator[None]:
        """Pause `slow` while it applies the events of the block; then let it catch up."""
        self.encoder.one_by_one = True
        self.encoder.gate.clear()
        self.encoder.waiting.clear()
        yield
        self.encoder.one_by_one = False
        self.encoder.gate.set()
        await self.catch_up()

    async def create(self, agent: str, status: AgentStatus = AgentStatus.ONLINE, *, capacity: int = 5) -> Agent:
        """Create an agent at `other` with this capacity, whose interests `slow` must encode by itself."""
        profile = replace(ROSES, capacity=Capacity(capacity, {"chat": ChannelCapacity(1)}))
        return await self.other.agents.create_agent(self.site, agent, profile, status)

    async def route(self, instance: ServiceInstance) -> ReservedOutcome:
        """Route a message at a server; an agent must be reserved."""
        message = Message("roses", "", Requirements())
        held = await instance.router.route(
            self.site,
            RouteRequest(message, contact_id="", explain_unmatched=False),
        )
        assert isinstance(held, ReservedOutcome)
        return held

    async def catch_up(self) -> None:
        """Let both servers apply all events."""
        stored = await Stored.read(self.connection, self.site)
        for instance in (self.slow, self.other):
            await instance.catch_up(self.site, stored.ends)

    async def agrees(self) -> bool:
        """Tell whether `slow` knows exactly the agents and holds of the store."""
        await self.catch_up()
        stored = await Stored.read(self.connection, self.site)
        index = (await self.slow.sites.replica(self.site)).index
        known = {name: agent.holds for name in index.ids() if (agent := index.agent(name))}
        return known == {name: agent.holds for name, agent in stored.agents().items()}


@asynccontextmanager
async def open_pair(store_url: str) -> AsyncIterator[Pair]:
    """Start two servers that follow a new site and have applied all its events."""
    connection, encoder, plain = StoreClient(store_url), GatedEncoder(), WordEncoder()
    await connection.start()
    floors, site = await AffinityFloors.open(plain), f"s{secrets.token_hex(6)}"
    slow, other = (
        await ServiceInstance.open(connection, encoder, floors),
        await ServiceInstance.open(connection, plain, floors),
    )
    await slow.site_service.create_site(site)
    await slow.pools.update_pool(site, "default", {"affinity_floor": 0.0}, "")
    pair = Pair(site, connection, slow, other, encoder)
    await pair.catch_up()
    yield pair
    await slow.close()
    await other.close()
    await other.site_service.delete_site(site, force=True)
    await floors.close()
    await connection.close()


async def blocked(pair: Pair) -> None:
    """Wait until `slow` waits at the gate while it applies an event."""
    async with asyncio.timeout(10):
        await pair.encoder.waiting.wait()


async def go_on(pair: Pair) -> None:
    """Let `slow` continue to the next profile."""
    pair.encoder.waiting.clear()
    pair.encoder.gate.set()
    await blocked(pair)
