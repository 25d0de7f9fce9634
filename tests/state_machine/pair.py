"""Two servers on one store, one of which a test can hold up amid what it takes in."""

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
from tests.state_machine.house import House
from tests.state_machine.stored import Stored
from tests.state_machine.words import WordEncoder

ROSES = Profile("", ("roses",), capacity=Capacity(5, {"chat": ChannelCapacity(1)}))


class GatedEncoder(WordEncoder):
    """Encode interests only while the gate is open, so that a test decides what comes first.

    Its fingerprint is its own, so that it finds no vectors that another server stored.
    """

    fingerprint = "00000000000000fe"

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self.one_by_one = False

    async def encode(self, texts: Sequence[str], *, priority: Priority = Priority.ROUTE) -> Vectors:
        """Encode texts, interests once the gate is open."""
        if priority is Priority.PROFILE:
            self.waiting.set()
            await self.gate.wait()
            if self.one_by_one:
                self.gate.clear()
        return await super().encode(texts, priority=priority)


@dataclass
class Pair:
    """Two servers: `slow` has a gate before what it learns of profiles, `other` has none."""

    site: str
    connection: StoreClient
    slow: House
    other: House
    encoder: GatedEncoder

    @asynccontextmanager
    async def held_up(self) -> AsyncIterator[None]:
        """Hold `slow` up in the middle of taking in what happens meanwhile; then let it catch up."""
        self.encoder.one_by_one = True
        self.encoder.gate.clear()
        self.encoder.waiting.clear()
        yield
        self.encoder.one_by_one = False
        self.encoder.gate.set()
        await self.catch_up()

    async def create(self, agent: str, status: AgentStatus = AgentStatus.ONLINE, *, room: int = 5) -> Agent:
        """Create an agent at `other` who has room for so many, whose interests `slow` must encode by itself."""
        profile = replace(ROSES, capacity=Capacity(room, {"chat": ChannelCapacity(1)}))
        return await self.other.agents.create_agent(self.site, agent, profile, status)

    async def route(self, house: House) -> ReservedOutcome:
        """Hold somebody."""
        message = Message("roses", "", Requirements())
        held = await house.router.route(
            self.site,
            RouteRequest(message, contact_id="", explain_unmatched=False),
        )
        assert isinstance(held, ReservedOutcome)
        return held

    async def catch_up(self) -> None:
        """Let both servers take in all there is."""
        stored = await Stored.read(self.connection, self.site)
        for house in (self.slow, self.other):
            await house.catch_up(self.site, stored.ends)

    async def agrees(self) -> bool:
        """Tell whether `slow` knows exactly what the store holds."""
        await self.catch_up()
        stored = await Stored.read(self.connection, self.site)
        index = (await self.slow.sites.replica(self.site)).index
        known = {name: agent.holds for name in index.ids() if (agent := index.agent(name))}
        return known == {name: agent.holds for name, agent in stored.agents().items()}


@asynccontextmanager
async def open_pair(store_url: str) -> AsyncIterator[Pair]:
    """Start two servers that follow a new site, caught up."""
    connection, encoder, plain = StoreClient(store_url), GatedEncoder(), WordEncoder()
    await connection.start()
    floors, site = await AffinityFloors.open(plain), f"s{secrets.token_hex(6)}"
    slow, other = await House.open(connection, encoder, floors), await House.open(connection, plain, floors)
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
    """Wait until `slow` is in the middle of taking something in."""
    async with asyncio.timeout(10):
        await pair.encoder.waiting.wait()


async def go_on(pair: Pair) -> None:
    """Let `slow` go on to the next profile."""
    pair.encoder.waiting.clear()
    pair.encoder.gate.set()
    await blocked(pair)
