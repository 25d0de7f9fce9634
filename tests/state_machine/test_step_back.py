"""A step back of the store's clock, beside two servers: their replicas agree with the store again."""

from __future__ import annotations

import time

import pytest

from tests.people import wait_until
from tests.state_machine.pair import Pair
from tests.state_machine.service_instance import ServiceInstance
from tests.store.access import store_now_ms
from tests.store.stepping import HOUR_MS, step_back


async def set_clock(pair: Pair, server: ServiceInstance, ahead_ms: int) -> None:
    """Let a server read the store's clock, which is ahead by so much."""
    asked = time.monotonic()
    server.clock.set(await store_now_ms(pair.connection) + ahead_ms, asked, time.monotonic())


async def test_a_hold_that_lapsed_before_the_step_is_known_again_after_it(pair: Pair) -> None:
    """The server let the hold lapse by a clock that was an hour ahead, and the store had not: the clock goes back."""
    await pair.create("ann", capacity=1)
    await pair.catch_up()
    held = (await pair.route(pair.slow)).reservation
    await set_clock(pair, pair.slow, HOUR_MS)
    await pair.slow.agents.beat(pair.site, "ann", HOUR_MS)  # an event, at which the server looks at the clock
    replica = await pair.slow.sites.replica(pair.site)
    await pair.catch_up()
    assert replica.index.lapse(pair.slow.clock.now_ms()) <= 1
    assert not replica.index.holds("ann", held.id)
    await set_clock(pair, pair.slow, 0)
    await pair.slow.agents.beat(pair.site, "ann", 1_000)

    async def agrees() -> bool:
        return replica.index.holds("ann", held.id) and await pair.agrees()

    await wait_until(agrees, "the server has read the site again")


async def test_a_pool_that_was_changed_after_the_step_is_changed_at_every_server(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time of change is an hour earlier than that of the change before; its version is not."""
    await pair.slow.pools.update_pool(pair.site, "default", {"offer_ms": 11_000}, "")
    await pair.catch_up()
    await step_back(monkeypatch, pair.connection, HOUR_MS)
    await pair.other.pools.update_pool(pair.site, "default", {"offer_ms": 12_000}, "")
    await pair.catch_up()
    known = (await pair.slow.sites.replica(pair.site)).pools.known["default"]
    assert known.policy.offer_ms == 12_000
