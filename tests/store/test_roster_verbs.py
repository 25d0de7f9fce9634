"""Agents and pools in the store: the answer of each verb, and what it writes."""

from __future__ import annotations

import numpy as np
import pytest

from matcher.errors import (
    AgentExists,
    AgentHasHolds,
    AgentNotFound,
    EtagMismatch,
    PoolExists,
    PoolInUse,
    PoolNotFound,
)
from matcher.model import ChannelCapacity, PoolPolicy
from matcher.model.lifecycle import AgentStatus
from matcher.store.codecs import encode_channels, encode_profile
from matcher.store.models import KnownModel
from matcher.store.verbs import PoolJoined, PutAgent, PutPool
from tests.store.stage import EVENTS_KEPT, Stage, profile


async def members(stage: Stage, pool: str) -> set[bytes]:
    """Read the agents of a pool."""
    return set(await stage.raw("SMEMBERS", stage.keys.members(pool)))


async def test_a_new_agent_can_be_read_as_it_was_written(stage: Stage) -> None:
    """Profile, capacity and status come back; without a status the agent is OFFLINE."""
    wanted = profile(7, {"chat": ChannelCapacity(2, 3), "mail": ChannelCapacity(1)})
    before = await stage.now_ms()
    written = await stage.roster.put_agent(
        stage.site, "ann", wanted, None, model="m", vectors=None, expected=0, pools_before=()
    )
    assert written.profile == wanted
    assert written.status is AgentStatus.OFFLINE
    assert before <= written.created_ms == written.updated_ms == written.idle_since_ms <= await stage.now_ms()
    assert written.version == written.profile_version >= before * 1000
    assert await stage.agent("ann") == written
    assert await stage.roster.agents(stage.site, ["bob", "ann"]) == [None, written]
    assert (await stage.roster.agent_ids(stage.site, 10, "")).items == ("ann",)


async def test_an_agent_is_written_only_over_the_version_that_was_read(stage: Stage) -> None:
    """Exists, gone and mismatch each write nothing."""
    stored = await stage.everything()
    with pytest.raises(AgentNotFound):
        await stage.put("ann", expected=17)
    assert await stage.everything() == stored
    first = await stage.put("ann", expected=0)
    stored = await stage.everything()
    with pytest.raises(AgentExists):
        await stage.put("ann", 2, expected=0)
    with pytest.raises(EtagMismatch):
        await stage.put("ann", 2, expected=first.version - 1)
    assert await stage.everything() == stored
    second = await stage.put("ann", 2, expected=first.version)
    third = await stage.put("ann", 3)
    assert first.version < second.version < third.version
    assert first.created_ms == third.created_ms


async def test_an_agent_in_an_unknown_pool_is_not_written(stage: Stage) -> None:
    """The first unknown pool is named, and the agent joins none of the known pools."""
    await stage.roster.put_pool(stage.site, "north", PoolPolicy(), 0)
    stored = await stage.everything()
    with pytest.raises(PoolNotFound, match="pools/south"):
        await stage.roster.put_agent(
            stage.site,
            "ann",
            profile(1, {}, "north", "south"),
            None,
            model="m",
            vectors=None,
            expected=0,
            pools_before=(),
        )
    assert await stage.everything() == stored


async def test_a_changed_list_of_pools_moves_the_agent(stage: Stage) -> None:
    """The agent leaves and joins pools as the list says and stays in the others; a removal leaves all of them."""
    for pool in ("north", "south", "west"):
        await stage.roster.put_pool(stage.site, pool, PoolPolicy(), 0)

    async def put(before: tuple[str, ...], *after: str) -> None:
        await stage.roster.put_agent(
            stage.site, "ann", profile(1, {}, *after), None, model="m", vectors=None, expected=None, pools_before=before
        )

    await put((), "north", "south")
    await put(("north", "south"), "south", "west")
    assert [await members(stage, pool) for pool in ("north", "south", "west")] == [set(), {b"ann"}, {b"ann"}]
    with pytest.raises(PoolInUse):
        await stage.roster.delete_pool(stage.site, "south", None)
    await stage.roster.delete_agent(stage.site, "ann", expected=None, pools=("south", "west"))
    for pool in ("north", "south", "west"):
        await stage.roster.delete_pool(stage.site, pool, None)


async def test_the_same_write_again_answers_the_same_and_writes_nothing(stage: Stage) -> None:
    """A call that the network repeats finds its own write, also if the version it expected is past."""
    keys, wanted = stage.keys, profile(2)

    async def put(write_id: str, expected: int) -> list[object]:
        return await stage.connection.verb(
            PutAgent(
                life=keys.life,
                agent=keys.agent("ann"),
                agents=keys.agents,
                vectors=keys.vectors("m", "ann"),
                roster=keys.roster,
                audit=keys.audit,
                pools=keys.pools,
                waiting=keys.waiting,
                agent_id="ann",
                expected=expected,
                uid=f"uid of {write_id}",
                status="ONLINE",
                imported="",
                profile=encode_profile(wanted),
                total=2,
                channels=encode_channels(wanted.capacity),
                encoded=b"",
                write_id=write_id,
                events_kept=EVENTS_KEPT,
                left=[],
                joined=[PoolJoined(members=keys.members(pool), id=pool) for pool in wanted.pools],
            )
        )

    first = await put("w1", 0)
    stored = await stage.everything()
    assert await put("w1", 0) == first
    assert await stage.everything() == stored
    assert await put("w2", 0) == [b"exists"]

    async def put_pool(write_id: str) -> list[object]:
        return await stage.connection.verb(
            PutPool(
                life=keys.life,
                pool=keys.pool("north"),
                pools=keys.pools,
                roster=keys.roster,
                audit=keys.audit,
                pool_id="north",
                uid=f"uid of {write_id}",
                expected=0,
                policy=b"{}",
                write_id=write_id,
                events_kept=EVENTS_KEPT,
            )
        )

    first = await put_pool("w1")
    stored = await stage.everything()
    assert await put_pool("w1") == first
    assert await stage.everything() == stored
    assert await put_pool("w2") == [b"exists"]


async def test_a_status_is_written_once(stage: Stage) -> None:
    """The same status again writes nothing; another status gets a version, and the profile keeps its own."""
    with pytest.raises(AgentNotFound):
        await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    first = await stage.put("ann", status=AgentStatus.OFFLINE)
    changed = await stage.roster.put_status(stage.site, "ann", AgentStatus.DRAINING)
    stored = await stage.everything()
    assert await stage.roster.put_status(stage.site, "ann", AgentStatus.DRAINING) == changed
    assert await stage.everything() == stored
    assert changed.status is AgentStatus.DRAINING
    assert (changed.profile, changed.profile_version) == (first.profile, first.profile_version)
    assert changed.version > first.version


async def test_idle_time_begins_when_an_agent_comes_online(stage: Stage) -> None:
    """Time offline does not count as idle; ONLINE again does not restart the idle time."""
    await stage.put("ann", status=AgentStatus.OFFLINE)
    await stage.set_idle("ann", 1_000)
    assert (await stage.roster.put_status(stage.site, "ann", AgentStatus.DRAINING)).idle_since_ms == 1_000
    before = await stage.now_ms()
    online = await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    assert online.idle_since_ms >= before
    await stage.set_idle("ann", 1_000)
    assert (await stage.put("ann", status=AgentStatus.ONLINE)).idle_since_ms == 1_000
    assert (await stage.put("ann", status=None)).status is AgentStatus.ONLINE
    await stage.put("ann", status=AgentStatus.OFFLINE)
    assert (await stage.put("ann", status=AgentStatus.ONLINE)).idle_since_ms >= before


async def test_an_agent_with_a_live_hold_is_not_removed(stage: Stage) -> None:
    """Holds: only live holds count; a lapsed hold does not prevent the removal."""
    await stage.put("ann", 2)
    held = [await stage.hold("ann"), await stage.hold("ann", accepted=True)]
    stored = await stage.everything()
    with pytest.raises(AgentHasHolds) as refused:
        await stage.remove("ann")
    assert refused.value.metadata["holds"] == "2"
    assert await stage.everything() == stored
    for one in held:
        await stage.routing.cancel(stage.reference(one), 0)
    offer = await stage.hold("ann", hold_ms=1)
    await stage.passed(offer.deadline_ms)
    await stage.remove("ann")
    with pytest.raises(AgentNotFound):
        await stage.remove("ann")
    # Of the agent only the reservations' records are left, and they have a lifetime.
    left = [key.decode() for key in await stage.everything() if b":agent:" in key or b":lease:" in key]
    assert left == []
    assert await stage.expire(offer.id) == "PENDING"
    assert await stage.due() == []


async def test_an_agent_is_removed_with_all_their_records(stage: Stage) -> None:
    """The vectors of each model go with the agent; a removal by an old version is refused."""
    written = await stage.put("ann")
    rows = np.eye(1, 4, dtype=np.float32)
    for model in ("m1", "m2"):
        await stage.models.add(KnownModel(model, ""))
        await stage.roster.put_vectors(stage.site, model, [(written, rows)])
    with pytest.raises(EtagMismatch):
        await stage.roster.delete_agent(stage.site, "ann", expected=written.version - 1, pools=("default",))
    await stage.roster.delete_agent(stage.site, "ann", expected=written.version, pools=("default",))
    assert [key for key in await stage.everything() if key.endswith(b":ann")] == []
    assert (await stage.roster.agent_ids(stage.site, 10, "")).items == ()


async def test_versions_grow_also_over_a_removal(stage: Stage) -> None:
    """An etag of an agent who was removed and created again never fits again."""
    versions = []
    for _ in range(3):
        versions += [(await stage.put("ann")).version, (await stage.put("ann", 2)).version]
        versions.append((await stage.roster.put_status(stage.site, "ann", AgentStatus.OFFLINE)).version)
        await stage.remove("ann")
    assert versions == sorted(set(versions))


async def test_vectors_come_back_at_16_bits_and_only_for_their_own_interests(stage: Stage) -> None:
    """Vectors of other texts are never used for an agent."""
    written = await stage.put("ann")
    rows = np.array([[0.6, 0.8, 0.0, 0.0]], np.float32)
    await stage.roster.put_vectors(stage.site, "m", [(written, rows)])
    (found,) = await stage.roster.vectors(stage.site, "m", [written], 4)
    assert found is not None
    assert np.array_equal(found, rows.astype(np.float16).astype(np.float32))
    assert await stage.roster.vectors(stage.site, "other", [written], 4) == [None]


async def test_vectors_of_an_agent_who_changed_or_was_removed_meanwhile_are_not_written(stage: Stage) -> None:
    """Encoding takes a while: the agent may be gone by then, and nothing would ever remove the vectors."""
    written = await stage.put("ann")
    rows = np.eye(1, 4, dtype=np.float32)
    changed = await stage.put("ann", 2)
    await stage.roster.put_vectors(stage.site, "m", [(written, rows)])
    assert stage.keys.vectors("m", "ann").encode() not in await stage.everything()
    await stage.roster.put_vectors(stage.site, "m", [(changed, rows)])
    assert stage.keys.vectors("m", "ann").encode() in await stage.everything()
    await stage.remove("ann")
    await stage.roster.put_vectors(stage.site, "late", [(changed, rows)])
    assert stage.keys.vectors("late", "ann").encode() not in await stage.everything()


async def test_models_are_known_by_name_and_forgotten_with_their_vectors(stage: Stage) -> None:
    """The vectors of another model stay."""
    written = await stage.put("ann")
    ours = [KnownModel(f"{stage.site}-{number}", f"model {number}") for number in (1, 2)]
    for model in ours:
        await stage.models.answer_by(model)
        await stage.roster.put_vectors(stage.site, model.fingerprint, [(written, np.eye(1, 4, dtype=np.float32))])
    assert await stage.models.answering() == ours[1]
    await stage.models.forget(ours[0].fingerprint)
    assert [one for one in await stage.models.all() if one in ours] == ours[1:]
    kept = await stage.everything()
    assert stage.keys.vectors(ours[0].fingerprint, "ann").encode() not in kept
    assert stage.keys.vectors(ours[1].fingerprint, "ann").encode() in kept
    await stage.models.forget(ours[1].fingerprint)
    assert await stage.models.answering() is None


async def test_a_pool_is_written_only_over_the_version_that_was_read(stage: Stage) -> None:
    """Exists, gone and mismatch each write nothing; a pool can be read as it was written."""
    policy = PoolPolicy("Nights", 1_000, 2_000, 3_000, 0.25, 0.125)
    with pytest.raises(PoolNotFound):
        await stage.roster.put_pool(stage.site, "night", policy, 17)
    first = await stage.roster.put_pool(stage.site, "night", policy, 0)
    stored = await stage.everything()
    with pytest.raises(PoolExists):
        await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    with pytest.raises(EtagMismatch):
        await stage.roster.put_pool(stage.site, "night", PoolPolicy(), first.version + 1)
    with pytest.raises(EtagMismatch):
        await stage.roster.delete_pool(stage.site, "night", first.version + 1)
    assert await stage.everything() == stored
    assert await stage.roster.pool(stage.site, "night") == first
    assert first.policy == policy
    changed = await stage.roster.put_pool(stage.site, "night", PoolPolicy(), first.version)
    assert changed.version > first.version
    assert [pool.id for pool in (await stage.roster.pools(stage.site, 10, "")).items] == ["default", "night"]
    await stage.roster.delete_pool(stage.site, "night", changed.version)
    assert await stage.roster.pool(stage.site, "night") is None
    with pytest.raises(PoolNotFound):
        await stage.roster.delete_pool(stage.site, "night", None)


async def test_agents_are_listed_page_by_page_in_order(stage: Stage) -> None:
    """Each id comes once, and the last page says that it is the last."""
    ids = [f"a{number:02}" for number in range(7)]
    for agent in reversed(ids):
        await stage.put(agent)
    found, after = [], ""
    while True:
        page = await stage.roster.agent_ids(stage.site, 3, after)
        found.append(page.items)
        if not page.next:
            break
        after = page.next
    assert found == [tuple(ids[:3]), tuple(ids[3:6]), tuple(ids[6:])]
    assert not (await stage.roster.agent_ids(stage.site, 7, "")).next


async def test_a_site_is_removed_with_every_key(stage: Stage) -> None:
    """Nothing of a removed site is left."""
    await stage.put("ann")
    await stage.hold("ann")
    assert await stage.sites.living(stage.site)
    await stage.clear()
    assert await stage.sites.living(stage.site) is None
    assert await stage.everything() == {}
