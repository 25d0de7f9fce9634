"""The reserve: its cost in the store, with a large and with a small roster."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from redis.asyncio import Redis

from benchmarks.alone import run_alone, say
from benchmarks.material import Roster
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures, a_a, estimate, interleave, ratio
from benchmarks.stores import all_of, connected, fill_site, plain_store, routing
from matcher.model import Basis, Reservation
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import ReservationRef, ReservationStore, Reserved, ReserveRequest, Shortlist

CANDIDATES: Final = 8
SMALL: Final = 100
SEED: Final = 13
HOLD_MS: Final = 600_000
RECORD: Final = b"{}" + b" " * 1200
"""As long as the record of a decision with eight candidates."""


@dataclass(frozen=True, slots=True)
class ReserveStore:
    """A store of ours, without other load, with a large site and a small one."""

    connection: StoreClient
    store: ReservationStore
    redis: Redis
    large: Roster


@asynccontextmanager
async def open_reserve_store(sizes: Sizes) -> AsyncIterator[ReserveStore]:
    """Start a store (append-only everysec) and fill the two sites."""
    say(f"reserve: a store with {sizes.large_roster} agents")
    large = plain_roster(sizes.large_roster)
    async with plain_store() as url, connected(url) as connection, Redis.from_url(url) as redis:
        await fill_site(connection, "large", large, online=len(large), with_vectors=False)
        await fill_site(connection, "small", plain_roster(SMALL), online=SMALL, with_vectors=False)
        yield ReserveStore(connection, routing(connection), redis, large)


def plain_roster(agents: int) -> Roster:
    """Return agents with a placeholder for their interests and vectors."""
    ids = tuple(f"a{number:06d}" for number in range(agents))
    return Roster(ids, (("A line.",),) * agents, np.zeros((agents, 1, 1), np.float32))


async def reserve_agent(
    store: ReservationStore, site: str, candidates: list[tuple[str, float]], tolerance: float = 0.03
) -> Reservation:
    """Reserve one of the candidates as the router does, accepted at once; raise AssertionError where none is free."""
    request = ReserveRequest(
        site=site,
        contact=secrets.token_hex(10),
        reservation=secrets.token_hex(10),
        decision=secrets.token_hex(10),
        request_id=secrets.token_hex(16),
        own_request=False,
        digest=secrets.token_hex(16),
        pool="default",
        channel="chat",
        customer="",
        hold_ms=HOLD_MS,
        accepted=True,
    )
    answer = await store.reserve(request, Shortlist(Basis.AFFINITY, tolerance, RECORD, candidates))
    assert isinstance(answer, Reserved), answer
    return answer.reservation


def reservation_ref(site: str, reservation: Reservation) -> ReservationRef:
    """Return the reference by which a reservation is completed."""
    return ReservationRef(site, reservation.id, reservation.agent, reservation.contact, reservation.pool)


async def measure(sizes: Sizes) -> Figures:
    """Measure the store's time of a reserve with eight candidates, among very many agents and among few."""
    async with open_reserve_store(sizes) as reserve_store:
        return await measure_reserve(sizes, reserve_store)


async def measure_reserve(sizes: Sizes, reserve_store: ReserveStore) -> Figures:
    """Measure the store's own time of a reserve, by INFO commandstats; completing the reservations is not counted."""
    rng = np.random.default_rng(SEED)
    store, redis = reserve_store.store, reserve_store.redis

    def slice_of(site: str, agents: int) -> Callable[[], Awaitable[float]]:
        async def run() -> float:
            held: list[Reservation] = []
            await redis.config_resetstat()
            for _ in range(sizes.reserves):
                numbers = rng.choice(agents, CANDIDATES, replace=False)
                named = [(f"a{number:06d}", 0.9 - 0.01 * place) for place, number in enumerate(numbers.tolist())]
                held.append(await reserve_agent(store, site, named))
                if len(held) == SMALL // 4:
                    spent.append(await _function_usec(redis))
                    await all_of([store.complete(reservation_ref(site, reservation), 0, 0) for reservation in held])
                    held.clear()
                    await redis.config_resetstat()
            await all_of([store.complete(reservation_ref(site, reservation), 0, 0) for reservation in held])
            total, calls = (sum(column) for column in zip(*spent, strict=True))
            spent.clear()
            return float(total / calls)

        spent: list[tuple[float, int]] = []
        return run

    say("reserve: the store's time")
    large, small = slice_of("large", len(reserve_store.large)), slice_of("small", SMALL)
    await small()
    costs = await interleave({"large": large, "small": small, "again": large}, sizes.pairs)
    return {
        **ratio(costs["large"], costs["small"]).figures("reserve_100k_over_100"),
        **estimate(costs["large"]).figures("reserve_usec"),
        "reserve_agents": len(reserve_store.large),
        "reserve_candidates": CANDIDATES,
        **a_a("reserve", costs["large"], costs["again"]),
    }


async def _function_usec(redis: Redis) -> tuple[float, int]:
    stats = (await redis.info("commandstats"))["cmdstat_fcall"]
    return float(stats["usec"]), int(stats["calls"])


if __name__ == "__main__":
    run_alone(measure)
