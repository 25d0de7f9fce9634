"""Uids of agents and pools: a new person under a removed id, or a new pool, inherits nothing of the former."""

from __future__ import annotations

import asyncio

import pytest

from matcher.errors import PoolNotFound
from matcher.model import Agent, PoolPolicy, Reservation
from matcher.model.lifecycle import AgentStatus, Cause, ContactState
from matcher.store.contacts import WaitingContact
from matcher.store.customers import Relationship
from matcher.store.reservations import NO_FENCE, Enqueued, Full, Reserved
from tests.store.stage import LONG_MS, Stage

CUSTOMER = "ann-phone"


async def known(stage: Stage, agent: Agent, handle: str = CUSTOMER) -> list[Relationship]:
    """Return a customer's relationships with an agent as the agent is now."""
    relationships = await stage.customers.known(stage.site, handle, await stage.now_ms())
    return [one for one in relationships if one.is_with(agent)]


async def serve(stage: Stage, agent: str, handle: str = CUSTOMER) -> Reservation:
    """Let an agent serve a customer well."""
    held = await stage.hold(agent, accepted=True)
    done = await stage.routing.complete(stage.reference(held), NO_FENCE, 0)
    await stage.customers.remember(
        stage.site,
        handle,
        agent,
        good=True,
        now_ms=await stage.now_ms(),
        for_ms=LONG_MS,
        agent_uid=done.agent_uid,
    )
    return done


async def hired_again(stage: Stage, agent: str) -> Agent:
    """Remove an agent, and create another one with the id."""
    await stage.remove(agent)
    return await stage.put(agent)


async def test_an_agent_keeps_the_uid_and_a_new_agent_of_the_id_has_another(lawful: Stage) -> None:
    """Whatever is written of the agent: profile, status, heartbeat."""
    first = await lawful.put("bea")
    assert first.uid
    assert (await lawful.put("bea", 3)).uid == first.uid
    assert (await lawful.roster.put_status(lawful.site, "bea", AgentStatus.AWAY)).uid == first.uid
    await lawful.presence.beat(lawful.site, "bea", LONG_MS, LONG_MS)
    assert (await lawful.agent("bea")).uid == first.uid
    assert (await hired_again(lawful, "bea")).uid not in {first.uid, ""}


async def test_a_pool_keeps_the_uid_and_a_new_pool_of_the_id_has_another(lawful: Stage) -> None:
    """A change of the policy keeps it."""
    first = await lawful.roster.put_pool(lawful.site, "desk", PoolPolicy(), 0)
    assert first.uid
    assert (await lawful.roster.put_pool(lawful.site, "desk", PoolPolicy(wait_ms=1), first.version)).uid == first.uid
    await lawful.roster.delete_pool(lawful.site, "desk", None)
    assert (await lawful.roster.put_pool(lawful.site, "desk", PoolPolicy(), 0)).uid not in {first.uid, ""}


@pytest.mark.parametrize("write", ["profile", "status"])
async def test_an_agent_of_an_earlier_version_gets_a_uid_at_the_first_write(lawful: Stage, write: str) -> None:
    """Until then it has none, and is served as before."""
    await lawful.put("bea")
    await lawful.raw("HDEL", lawful.keys.agent("bea"), "uid")
    assert (await lawful.agent("bea")).uid == ""
    assert (await lawful.hold("bea")).agent_uid == ""
    if write == "profile":
        written = await lawful.put("bea", 2)
    else:
        written = await lawful.roster.put_status(lawful.site, "bea", AgentStatus.AWAY)
    assert written.uid == (await lawful.agent("bea")).uid != ""


async def test_a_reservation_and_its_decision_name_the_person(lawful: Stage) -> None:
    """The answer, the record and the decision have the uid that the agent had then."""
    bea = await lawful.put("bea")
    pool = await lawful.roster.pool(lawful.site, "default")
    assert pool is not None
    held = await lawful.hold("bea", pool_uid=pool.uid)
    assert held.agent_uid == bea.uid
    assert (await lawful.reservation(held.id)).agent_uid == bea.uid
    fields = await lawful.raw("HMGET", lawful.keys.decision(held.decision), "agent_uid", "pool_uid")
    assert fields == [bea.uid.encode(), pool.uid.encode()]


async def test_a_new_person_does_not_inherit_the_customers_of_a_removed_agent(lawful: Stage) -> None:
    """The relationship stays the former person's, also after the customer's handles are joined."""
    bea = await lawful.put("bea")
    await serve(lawful, "bea")
    assert [one.agent_uid for one in await known(lawful, bea)] == [bea.uid]
    await lawful.customers.link(lawful.site, [CUSTOMER, "ann-mail"])
    assert len(await known(lawful, bea, "ann-mail")) == 1
    new = await hired_again(lawful, "bea")
    assert await known(lawful, new) == await known(lawful, new, "ann-mail") == []
    await serve(lawful, "bea")
    assert [one.agent_uid for one in await known(lawful, new)] == [new.uid]


async def test_a_relationship_that_an_earlier_version_noted_stays_with_the_agent_of_that_time(lawful: Stage) -> None:
    """It has no uid: it counts for the agent whose record was there, also when that gets a uid, and for no other."""
    bea = await lawful.put("bea")
    await serve(lawful, "bea")
    customer = (await lawful.raw("SCAN", 0, "MATCH", lawful.keys.customer("*"), "COUNT", 1_000_000))[1][0]
    await lawful.raw("HDEL", customer, "u:bea")
    assert len(await known(lawful, bea)) == 1
    await lawful.raw("HDEL", lawful.keys.agent("bea"), "uid")
    assert len(await known(lawful, await lawful.agent("bea"))) == 1
    assert len(await known(lawful, await lawful.put("bea"))) == 1
    await lawful.passed(await lawful.now_ms())
    assert await known(lawful, await hired_again(lawful, "bea")) == []


async def test_a_verdict_of_an_earlier_version_does_not_keep_the_uid_of_the_verdict_before(lawful: Stage) -> None:
    """While both versions write, a verdict without a uid goes by the time at which the agent's record began."""
    await lawful.put("bea")
    await serve(lawful, "bea")
    new = await hired_again(lawful, "bea")
    customer = (await lawful.raw("SCAN", 0, "MATCH", lawful.keys.customer("*"), "COUNT", 1_000_000))[1][0]
    now = await lawful.now_ms()
    await lawful.raw("HSET", customer, "a:bea", f"good|{now}|{now + LONG_MS}")
    assert [one.agent_uid for one in await known(lawful, new)] == [""]


async def test_a_new_person_is_not_excluded_for_what_a_removed_agent_declined(lawful: Stage) -> None:
    """The contact was declined by the former one: it comes to the new one, and not to the former."""
    await lawful.put("bea")
    held = await lawful.hold("bea", contact="c")
    await lawful.routing.decline(lawful.reference(held), held.fence, "", None)
    assert isinstance(await lawful.reserve(lawful.claim("bea", contact="c")), Full)
    await hired_again(lawful, "bea")
    again = await lawful.reserve(lawful.claim("bea", contact="c"))
    assert isinstance(again, Reserved)
    await lawful.routing.decline(lawful.reference(again.reservation), 0, "", None)
    assert isinstance(await lawful.reserve(lawful.claim("bea", contact="c")), Full)


async def test_a_waiting_contact_comes_to_a_new_person_under_the_id_of_an_excluded_one(lawful: Stage) -> None:
    """Also an offer that lapsed unseen excludes the former person only."""
    former = await lawful.put("bea")
    held = await lawful.hold("bea", contact="c", hold_ms=1, waiting=lawful.waiting())
    await lawful.passed(held.deadline_ms)
    contact = await lawful.contact("c")
    assert (contact.excluded, contact.excluded_uids) == (("bea",), {"bea": former.uid})
    new = await hired_again(lawful, "bea")
    await lawful.expire(held.id)
    ((kept,),) = (await lawful.contacts.kept(lawful.site, ["c"]),)
    assert isinstance(kept, WaitingContact)
    assert new.is_another(kept.excluded_uids["bea"])
    assert not former.is_another(kept.excluded_uids["bea"])
    assert (await lawful.served("c", "bea")).agent_uid == new.uid


@pytest.mark.parametrize("how", ["decline", "expire", "withdraw"])
async def test_a_pool_made_anew_does_not_find_the_contact_of_the_former_pool(lawful: Stage, how: str) -> None:
    """An agent had the offer when the pool was removed: when it comes to nothing the contact ends, and says why."""
    stage = lawful
    pool = await stage.roster.put_pool(stage.site, "desk", PoolPolicy(), 0)
    await stage.put("bea", pools=("default",))
    terms = {"pool": "desk", "pool_uid": pool.uid, "waiting": stage.waiting()}
    held = await stage.hold("bea", contact="c", hold_ms=1 if how == "expire" else LONG_MS, **terms)
    await stage.roster.delete_pool(stage.site, "desk", None)
    await stage.roster.put_pool(stage.site, "desk", PoolPolicy(), 0)
    if how == "decline":
        await stage.routing.decline(stage.reference(held), 0, "", None)
    elif how == "expire":
        await stage.passed(held.deadline_ms)
        await stage.expire(held.id)
    else:
        await stage.routing.withdraw(stage.reference(held), Cause.AGENT_LEFT)
    ended = await stage.contact("c")
    assert (ended.state, ended.cause) == (ContactState.EXPIRED, Cause.POOL_REMOVED)
    assert (await stage.walked("c"))[-1] == "EXPIRED POOL_REMOVED"
    assert await stage.in_line() == []


async def test_a_contact_goes_back_into_the_pool_that_it_came_to(lawful: Stage) -> None:
    """A change of the pool's policy is no new pool; a pool of an earlier version has no uid and stays too."""
    stage = lawful
    await stage.put("bea", 2)
    for uid_is_known in (True, False):
        if not uid_is_known:
            await stage.raw("HDEL", stage.keys.pool("default"), "uid")
        pool = await stage.roster.pool(stage.site, "default")
        assert pool is not None
        contact = f"c-{uid_is_known}"
        held = await stage.hold("bea", contact=contact, pool_uid=pool.uid, waiting=stage.waiting())
        await stage.roster.put_pool(stage.site, "default", PoolPolicy(), pool.version)
        await stage.routing.decline(stage.reference(held), 0, "", None)
        assert contact in await stage.in_line()


@pytest.mark.parametrize("created_again", [False, True])
async def test_a_contact_does_not_wait_in_a_pool_that_was_removed_meanwhile(lawful: Stage, created_again: bool) -> None:
    """The route was under way: it is answered POOL_NOT_FOUND, and nothing waits in the new pool of the id either."""
    stage = lawful
    pool = await stage.roster.put_pool(stage.site, "desk", PoolPolicy(), 0)
    asked = stage.claim(pool="desk", pool_uid=pool.uid, waiting=stage.waiting())
    await stage.roster.delete_pool(stage.site, "desk", None)
    if created_again:
        await stage.roster.put_pool(stage.site, "desk", PoolPolicy(), 0)
    before = await stage.everything()
    with pytest.raises(PoolNotFound):
        await stage.reserve(asked, or_wait=True)
    assert await stage.everything() == before


async def test_a_list_of_a_new_pool_has_no_contact_of_the_former_pool(lawful: Stage) -> None:
    """The conversation began in the former pool and lasts: the site's list has it, that of the new pool has not."""
    stage = lawful
    await stage.put("bea")
    former = await stage.roster.put_pool(stage.site, "desk", PoolPolicy(), 0)
    await stage.hold("bea", contact="c", accepted=True, pool="desk", pool_uid=former.uid)
    await stage.roster.delete_pool(stage.site, "desk", None)
    new = await stage.roster.put_pool(stage.site, "desk", PoolPolicy(), 0)
    for pool, listed in ((None, ["c"]), (former, ["c"]), (new, [])):
        page = await stage.contacts.contacts(stage.site, pool, None, 10, "", await stage.now_ms())
        assert [contact.id for contact in page.items] == listed


async def test_a_contact_that_waits_keeps_the_pool_s_uid(lawful: Stage) -> None:
    """It is written with the contact in the queue too."""
    pool = await lawful.roster.pool(lawful.site, "default")
    assert pool is not None
    assert isinstance(await lawful.line_up("c", None, pool_uid=pool.uid), Enqueued)
    assert (await lawful.contact("c")).pool_uid == pool.uid


async def test_a_missed_offer_of_a_removed_agent_is_not_counted_for_the_next_one_of_the_id(plain_stage: Stage) -> None:
    """The offer had lapsed, and nobody had written that yet, when the agent was removed and another one got the id."""
    stage = plain_stage
    await stage.put("bea")
    held = await stage.hold("bea", hold_ms=1)
    await asyncio.sleep(0.01)
    new = await hired_again(stage, "bea")
    assert await stage.expire(held.id, max_missed=1) == "PENDING"
    now = await stage.agent("bea")
    assert (now.status, now.idle_since_ms) == (AgentStatus.ONLINE, new.idle_since_ms)
    again = await stage.hold("bea", hold_ms=1)
    await asyncio.sleep(0.01)
    assert await stage.expire(again.id, max_missed=1) == "PENDING"
    assert (await stage.agent("bea")).status is AgentStatus.AWAY
