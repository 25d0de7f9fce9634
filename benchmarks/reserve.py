"""The claim: what it costs the store by the size of the roster."""

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
class ClaimsStore:
    """A store of ours with one large site and one small one, and nothing else to do."""

    connection: StoreClient
    store: ReservationStore
    redis: Redis
    large: Roster


@asynccontextmanager
async def open_claims(sizes: Sizes) -> AsyncIterator[ClaimsStore]:
    """Fill a store (append-only everysec) with the two sites."""
    say(f"reserve: a store with {sizes.large_roster} agents")
    large = claims_roster(sizes.large_roster)
    async with plain_store() as url, connected(url) as connection, Redis.from_url(url) as redis:
        await fill_site(connection, "large", large, online=len(large), with_vectors=False)
        await fill_site(connection, "small", claims_roster(SMALL), online=SMALL, with_vectors=False)
        yield ClaimsStore(connection, routing(connection), redis, large)


def claims_roster(agents: int) -> Roster:
    """Make agents whom nothing is known of but their names."""
    ids = tuple(f"a{number:06d}" for number in range(agents))
    return Roster(ids, (("A line.",),) * agents, np.zeros((agents, 1, 1), np.float32))


async def claim(
    store: ReservationStore, site: str, candidates: list[tuple[str, float]], tolerance: float = 0.03
) -> Reservation:
    """Reserve as the router does, accepted at once. Raises AssertionError where nobody has room."""
    wanted = ReserveRequest(
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
    answer = await store.reserve(wanted, Shortlist(Basis.AFFINITY, tolerance, RECORD, candidates))
    assert isinstance(answer, Reserved), answer
    return answer.reservation


def slot(site: str, held: Reservation) -> ReservationRef:
    """Return what ends a reservation."""
    return ReservationRef(site, held.id, held.agent, held.contact, held.pool)


async def measure(sizes: Sizes) -> Figures:
    """Measure the store's time for a reserve with eight candidates among very many agents and among few."""
    async with open_claims(sizes) as claims:
        return await measure_claims(sizes, claims)


async def measure_claims(sizes: Sizes, claims: ClaimsStore) -> Figures:
    """Measure the store's own time of a reserve, by INFO commandstats; ending what was reserved is not counted."""
    chance = np.random.default_rng(SEED)

    def slice_of(site: str, agents: int) -> Callable[[], Awaitable[float]]:
        async def run() -> float:
            held: list[Reservation] = []
            await claims.redis.config_resetstat()
            for _ in range(sizes.reserves):
                some = chance.choice(agents, CANDIDATES, replace=False)
                named = [(f"a{number:06d}", 0.9 - 0.01 * place) for place, number in enumerate(some.tolist())]
                held.append(await claim(claims.store, site, named))
                if len(held) == SMALL // 4:
                    spent.append(await _function_usec(claims.redis))
                    await all_of([claims.store.complete(slot(site, one), 0, 0) for one in held])
                    held.clear()
                    await claims.redis.config_resetstat()
            await all_of([claims.store.complete(slot(site, one), 0, 0) for one in held])
            total, calls = (sum(column) for column in zip(*spent, strict=True))
            spent.clear()
            return float(total / calls)

        spent: list[tuple[float, int]] = []
        return run

    say("reserve: the store's time")
    large, small = slice_of("large", len(claims.large)), slice_of("small", SMALL)
    await small()
    costs = await interleave({"large": large, "small": small, "again": large}, sizes.pairs)
    return {
        **ratio(costs["large"], costs["small"]).figures("reserve_100k_over_100"),
        **estimate(costs["large"]).figures("reserve_usec"),
        "reserve_agents": len(claims.large),
        "reserve_candidates": CANDIDATES,
        **a_a("reserve", costs["large"], costs["again"]),
    }


async def _function_usec(redis: Redis) -> tuple[float, int]:
    stats = (await redis.info("commandstats"))["cmdstat_fcall"]
    return float(stats["usec"]), int(stats["calls"])


if __name__ == "__main__":
    run_alone(measure)
