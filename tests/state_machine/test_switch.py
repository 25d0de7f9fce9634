"""A site switches to another model while it is written: whoever was acknowledged is known to the next call."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pytest

from matcher.affinity.scorer_registry import ScorerRegistry
from matcher.encoder import Priority
from matcher.encoder.protocols import Vectors
from matcher.model import AgentChange, Capacity, ChannelCapacity, Profile
from matcher.model.lifecycle import AgentStatus
from matcher.replica.affinity_floors import AffinityFloors
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.site_replica import SiteReplica
from matcher.store.contacts import ContactStore
from matcher.store.models import KnownModel, ModelStore
from matcher.store.redis.client import StoreClient
from matcher.store.roster import RosterStore
from tests.state_machine.house import EVENTS_KEPT, House
from tests.state_machine.words import DIMENSION, WordEncoder

SWITCHES = 6


class LongerWords(WordEncoder):
    """Another model: its vectors have eight components more."""

    fingerprint = "00000000000000ee"
    dimension = DIMENSION + 8

    async def encode(self, texts: Sequence[str], *, priority: Priority = Priority.ROUTE) -> Vectors:
        """Encode texts into unit vectors [texts, 24]."""
        short = await super().encode(texts, priority=priority)
        return np.concatenate([short, np.zeros((len(short), 8), np.float32)], axis=1)


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_acknowledged_is_known_to_whoever_answers_next(store_url: str, seed: int) -> None:
    """Agents are made, changed, set offline and removed while the site goes from one model to the other and back."""
    connection = StoreClient(store_url)
    await connection.start()
    encoders = (WordEncoder(), LongerWords())
    floors = [await AffinityFloors.open(encoder) for encoder in encoders]
    house = await House.open(connection, encoders[0], floors[0])
    roster, contacts = RosterStore(connection, EVENTS_KEPT), ContactStore(connection, keep_ms=60_000, events_kept=1_000)
    await ModelStore(connection).add(KnownModel(encoders[1].fingerprint, "longer words"))
    site = f"s{secrets.token_hex(6)}"
    await house.site_service.create_site(site)

    def replicas_by(number: int) -> Callable[[str], SiteReplica]:
        encoder = encoders[number]
        matching = ModelBundle(encoder, ScorerRegistry("untrained", encoder.fingerprint), floors[number])
        return lambda name: SiteReplica(
            name, connection, roster, matching, house.clock, contacts, lambda _: None, lambda: None
        )

    before = await house.sites.replica(site)
    writing = asyncio.create_task(_write(house, site, seed))
    left: list[SiteReplica] = []
    for number in range(1, SWITCHES + 1):
        left += await house.sites.switch(replicas_by(number % 2))
    after = await house.sites.replica(site)
    assert after is not before
    assert len(left) == SWITCHES
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    for replica in left:
        await replica.close()
    await house.close()
    for one in floors:
        await one.close()
    await connection.close()


async def _write(house: House, site: str, seed: int) -> None:
    """Write without end, and after each answer look at whoever answers by then."""
    chance = np.random.default_rng(seed)
    capacity = Capacity(total=1, channels={"chat": ChannelCapacity(cost=1)})
    there: set[str] = set()
    while True:
        agent = f"a{chance.integers(8)}"
        profile = Profile("", (f"i like {chance.integers(1000)}",), capacity=capacity)
        if agent not in there:
            written = await house.agents.create_agent(site, agent, profile, AgentStatus.ONLINE)
            there.add(agent)
        elif chance.random() < 0.3:
            await house.agents.delete_agent(site, agent, "", force=False)
            there.discard(agent)
            assert (await house.sites.replica(site)).index.agent(agent) is None
            # Within a millisecond of a removal nobody can tell a write from before it from one after it.
            await asyncio.sleep(0.002)
            continue
        elif chance.random() < 0.4:
            status = AgentStatus.OFFLINE if chance.random() < 0.5 else AgentStatus.ONLINE
            written = await house.agents.set_status(site, agent, status)
        else:
            written = await house.agents.update_agent(site, agent, AgentChange(interests=profile.interests), "")
        known = (await house.sites.replica(site)).index.agent(agent)
        assert known is not None
        assert known.version >= written.version
        assert known.profile == written.profile
