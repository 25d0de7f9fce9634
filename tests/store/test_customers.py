"""Customers: the agents that a customer knows, and several handles of one customer."""

from __future__ import annotations

import asyncio
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.store.customers import LEAST_JOINED_MS, Relationship
from matcher.store.redis.client import StoreClient
from tests.store.laws import found_anywhere
from tests.store.stage import LONG_MS, Stage


async def test_a_customer_knows_the_agents_of_earlier_conversations_for_a_lifetime(lawful: Stage) -> None:
    """The latest first, well or badly served; an agent is forgotten after the lifetime."""
    stage, site, customers = lawful, lawful.site, lawful.customers
    assert await customers.known(site, "jo@example", 0) == []
    await customers.remember(site, "jo@example", "ann", good=True, now_ms=1_000, for_ms=LONG_MS)
    await customers.remember(site, "jo@example", "bob", good=False, now_ms=2_000, for_ms=500)
    assert await customers.known(site, "jo@example", 2_000) == [
        Relationship("bob", good=False, at_ms=2_000),
        Relationship("ann", good=True, at_ms=1_000),
    ]
    assert await customers.known(site, "jo@example", 2_500) == [Relationship("ann", good=True, at_ms=1_000)]
    await customers.remember(site, "jo@example", "ann", good=False, now_ms=3_000, for_ms=LONG_MS)
    assert await customers.known(site, "jo@example", 3_000) == [Relationship("ann", good=False, at_ms=3_000)]
    assert await customers.known(site, "jo@example.org", 3_000) == []
    assert await stage.customers.known("other", "jo@example", 3_000) == []


async def test_joined_handles_are_one_customer(lawful: Stage) -> None:
    """All handles know the agents of each handle, with the later rating of each agent, also after the join."""
    site, customers = lawful.site, lawful.customers
    await customers.remember(site, "mail", "ann", good=True, now_ms=1_000, for_ms=LONG_MS)
    await customers.remember(site, "phone", "ann", good=False, now_ms=2_000, for_ms=LONG_MS)
    await customers.remember(site, "phone", "bob", good=True, now_ms=3_000, for_ms=LONG_MS)
    assert await customers.link(site, ["mail", "phone", "social"]) == 3
    everybody = [Relationship("bob", good=True, at_ms=3_000), Relationship("ann", good=False, at_ms=2_000)]
    for handle in ("mail", "phone", "social"):
        assert await customers.known(site, handle, 4_000) == everybody
    await customers.remember(site, "social", "cy", good=True, now_ms=5_000, for_ms=LONG_MS)
    assert (await customers.known(site, "mail", 6_000))[0] == Relationship("cy", good=True, at_ms=5_000)
    assert await customers.link(site, ["social", "mail"]) == 3
    assert await customers.link(site, ["fax"]) == 1
    assert await customers.link(site, ["fax", "phone"]) == 4


async def test_no_handle_is_stored_as_it_was_given(lawful: Stage) -> None:
    """A mail address identifies a person: the store holds a keyed digest of it."""
    site, customers = lawful.site, lawful.customers
    await customers.remember(site, "jo@example", "ann", good=True, now_ms=1_000, for_ms=LONG_MS)
    await customers.link(site, ["jo@example", "+49 30 123456"])
    assert await found_anywhere(lawful, b"jo@example") == []
    assert await found_anywhere(lawful, b"123456") == []
    assert not [key for key in await lawful.everything() if b"example" in key]


async def test_every_record_of_a_customer_ends(lawful: Stage) -> None:
    """Every key of a customer lasts as long as the longest relationship, not ten years; a shorter one cuts none."""
    site, customers = lawful.site, lawful.customers
    await customers.remember(site, "mail", "ann", good=True, now_ms=1_000, for_ms=LONG_MS)
    await customers.remember(site, "mail", "bob", good=True, now_ms=1_000, for_ms=5)
    await customers.link(site, ["phone", "social"])
    await customers.link(site, ["phone", "mail"])
    kinds = (lawful.keys.handle(""), lawful.keys.customer(""))
    keys = [key for key in await lawful.everything() if key.decode().startswith(kinds)]
    assert len(keys) == 5
    for key in keys:
        assert LONG_MS < await lawful.raw("PTTL", key) <= LEAST_JOINED_MS


async def test_a_customer_is_forgotten_with_the_relationship(lawful: Stage) -> None:
    """The handle and the record end when the pool's time is over, however long they were kept before."""
    site, customers = lawful.site, lawful.customers
    await customers.remember(site, "mail", "ann", good=True, now_ms=1_000, for_ms=LONG_MS)
    kinds = (lawful.keys.handle(""), lawful.keys.customer(""))
    keys = [key for key in await lawful.everything() if key.decode().startswith(kinds)]
    assert len(keys) == 2
    for key in keys:
        assert LONG_MS - 10_000 < await lawful.raw("PTTL", key) <= LONG_MS
        await lawful.raw("PEXPIRE", key, 10 * 365 * 86_400_000)  # as an earlier version kept it
    await customers.remember(site, "mail", "ann", good=True, now_ms=2_000, for_ms=LONG_MS)
    for key in keys:
        assert await lawful.raw("PTTL", key) <= LONG_MS


async def test_a_conversation_by_one_handle_keeps_the_others(lawful: Stage) -> None:
    """A customer who writes by mail for years is still known on the phone."""
    site, customers = lawful.site, lawful.customers
    await customers.link(site, ["mail", "phone"], LONG_MS)
    await customers.link(site, ["social", "phone"], LONG_MS)
    await customers.remember(site, "mail", "ann", good=True, now_ms=1_000, for_ms=9 * LONG_MS)
    kinds = (lawful.keys.handle(""), lawful.keys.customer(""))
    keys = [key for key in await lawful.everything() if key.decode().startswith(kinds)]
    assert len(keys) == 4
    for key in keys:
        assert 8 * LONG_MS < await lawful.raw("PTTL", key) <= 9 * LONG_MS


async def test_an_agent_who_is_forgotten_leaves_no_trace_in_the_record(lawful: Stage) -> None:
    """What no longer counts is removed with the next conversation."""
    site, customers = lawful.site, lawful.customers
    await customers.remember(site, "mail", "ann", good=True, now_ms=1_000, for_ms=5, agent_uid="uid-of-ann")
    await customers.remember(site, "mail", "bob", good=True, now_ms=2_000, for_ms=LONG_MS)
    assert await found_anywhere(lawful, b"ann") == []


async def test_concurrent_joins_and_conversations_end_in_one_customer(product: StoreClient) -> None:
    """Ten calls at once, with the same handles in other orders: all handles are one customer who knows every agent."""
    stage = Stage(product)
    await stage.set_up()
    handles = [f"h{number}" for number in range(6)]

    async def join(number: int) -> None:
        chance = random.Random(number)
        await stage.customers.link(stage.site, chance.sample(handles, 3))
        await stage.customers.remember(
            stage.site, chance.choice(handles), f"a{number}", good=True, now_ms=number, for_ms=LONG_MS
        )

    await asyncio.gather(*(join(number) for number in range(10)))
    assert await stage.customers.link(stage.site, handles) == 6
    everybody = [f"a{number}" for number in reversed(range(10))]
    for handle in handles:
        assert [one.agent for one in await stage.customers.known(stage.site, handle, 0)] == everybody


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["link", "good", "bad"])), max_size=20
    )
)
async def test_any_order_of_joins_and_conversations_equals_plain_sets(
    product: StoreClient, steps: list[tuple[int, int, str]]
) -> None:
    """Compared with plain sets: the joined handles, their number, and the agents that each customer knows."""
    stage = Stage(product)
    await stage.set_up()
    joined = {number: {number} for number in range(6)}
    words: list[tuple[int, str, bool, int]] = []
    known = set[int]()
    for now, (one, other, what) in enumerate(steps, start=1):
        if what == "link":
            both = joined[one] | joined[other]
            for number in both:
                joined[number] = both
            known |= {one, other}
            assert await stage.customers.link(stage.site, [str(one), str(other)]) == len(both & known)
        else:
            known.add(one)
            words.append((one, f"a{other}", what == "good", now))
            await stage.customers.remember(
                stage.site, str(one), f"a{other}", good=what == "good", now_ms=now, for_ms=LONG_MS
            )
    for number in range(6):
        latest = {agent: (good, at) for who, agent, good, at in words if who in joined[number]}
        wanted = sorted((Relationship(agent, *word) for agent, word in latest.items()), key=lambda met: -met.at_ms)
        assert await stage.customers.known(stage.site, str(number), 0) == wanted
    await stage.connection.delete_matching(stage.keys.pattern)
