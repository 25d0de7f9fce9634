"""Test of a model change during writes: every acknowledged write is known to the replica that answers next."""

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
from tests.state_machine.service_instance import EVENTS_KEPT, ServiceInstance
from tests.state_machine.words import DIMENSION, WordEncoder

SWITCHES = 6


class LongerWords(WordEncoder):
    """Another model, whose vectors have eight more components."""

    fingerprint = "00000000000000ee"
    dimension = DIMENSION + 8

    async def encode(
        self, texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        """Encode texts into unit vectors [texts, 24]."""
        short = await super().encode(texts, english=english, priority=priority)
        return np.concatenate([short, np.zeros((len(short), 8), np.float32)], axis=1)


@pytest.mark.parametrize("seed", range(3))
async def test_an_acknowledged_write_is_known_to_the_replica_that_answers_next(store_url: str, seed: int) -> None:
    """Agents are created, changed, set offline and deleted while the site changes between two models."""
    connection = StoreClient(store_url)
    await connection.start()
    encoders = (WordEncoder(), LongerWords())
    floors = [await AffinityFloors.open(encoder) for encoder in encoders]
    instance = await ServiceInstance.open(connection, encoders[0], floors[0])
    roster, contacts = RosterStore(connection, EVENTS_KEPT), ContactStore(connection, keep_ms=60_000, events_kept=1_000)
    await ModelStore(connection).add(KnownModel(encoders[1].fingerprint, "longer words"))
    site = f"s{secrets.token_hex(6)}"
    await instance.site_service.create_site(site)

    def replicas_by(number: int) -> Callable[[str], SiteReplica]:
        encoder = encoders[number]
        matching = ModelBundle(encoder, ScorerRegistry("untrained", encoder.fingerprint), floors[number])
        return lambda name: SiteReplica(
            name, connection, roster, matching, instance.clock, contacts, lambda _: None, lambda: None
        )

    before = await instance.sites.replica(site)
    writing = asyncio.create_task(_write(instance, site, seed))
    left: list[SiteReplica] = []
    for number in range(1, SWITCHES + 1):
        left += await instance.sites.switch(replicas_by(number % 2))
    after = await instance.sites.replica(site)
    assert after is not before
    assert len(left) == SWITCHES
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    for replica in left:
        await replica.close()
    await instance.close()
    for opened in floors:
        await opened.close()
    await connection.close()


async def _write(instance: ServiceInstance, site: str, seed: int) -> None:
    """Write for ever; after each answer check the replica that answers then."""
    chance = np.random.default_rng(seed)
    capacity = Capacity(total=1, channels={"chat": ChannelCapacity(cost=1)})
    there: set[str] = set()
    while True:
        agent = f"a{chance.integers(8)}"
        profile = Profile("", (f"i like {chance.integers(1000)}",), capacity=capacity)
        if agent not in there:
            written = await instance.agents.create_agent(site, agent, profile, AgentStatus.ONLINE)
            there.add(agent)
        elif chance.random() < 0.3:
            await instance.agents.delete_agent(site, agent, "", force=False)
            there.discard(agent)
            assert (await instance.sites.replica(site)).index.agent(agent) is None
            # Within a millisecond of a deletion, earlier and later writes cannot be told apart.
            await asyncio.sleep(0.002)
            continue
        elif chance.random() < 0.4:
            status = AgentStatus.OFFLINE if chance.random() < 0.5 else AgentStatus.ONLINE
            written = await instance.agents.set_status(site, agent, status)
        else:
            written = await instance.agents.update_agent(site, agent, AgentChange(interests=profile.interests), "")
        known = (await instance.sites.replica(site)).index.agent(agent)
        assert known is not None
        assert known.version >= written.version
        assert known.profile == written.profile
