"""The alternatives to the service's index and store: does the same work with each of them and with ours, in one run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import redis

from benchmarks.alone import run_alone, say
from benchmarks.material import encode, make_roster, open_packaged_encoder, read_material
from benchmarks.peers_postgres import EF_SEARCH, PeerMissing, connect, exact, hnsw, load, postgres
from benchmarks.peers_redis import (
    FILTER_EFFORTS,
    HNSW_EFFORTS,
    FaissHnsw,
    load_vector_set,
    redis_binary,
    vector_set,
)
from benchmarks.peers_work import Peer, Slices, Work, make_work
from benchmarks.reserve import ReserveStore, open_reserve_store, reservation_ref, reserve_agent
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures, a_a, estimate, interleave, ratio
from benchmarks.stores import plain_store
from matcher.affinity.scorer import Scorer
from matcher.affinity.sentences import Sentences, Span
from matcher.index import Query, SiteIndex
from matcher.model import Hold, Requirements
from matcher.ranking.policy import RankingTerms, rank

RIGHT: Final = 0.99
"""The share of right answers that a peer's setting must reach; if none does, the one with the highest share runs."""
NAMES: Final = ("pgvector_hnsw", "pgvector_exact", "vector_sets", "faiss_hnsw")
ANYONE: Final = Requirements()
WHOLE: Final = Sentences((Span(0, 1),), merged=False)
CANDIDATES: Final = 8


async def measure(sizes: Sizes) -> Figures:
    """Measure the peers and ours, each of which finds and reserves the best free agent."""
    async with open_reserve_store(sizes) as reserve_store:
        return await measure_peers(sizes, reserve_store)


async def measure_peers(sizes: Sizes, reserve_store: ReserveStore) -> Figures:
    """Measure the peers and ours, with a store of ours that is already filled."""
    work, index = await _prepare(sizes, reserve_store)
    ours = Ours(index, reserve_store, work)
    figures: Figures = {f"peer_{name}_{what}": None for name in NAMES for what in ("speedup", "right", "ms", "why")}
    slices = Slices(work, sizes.peer_queries)
    async with AsyncExitStack() as stack:
        chosen: list[Peer] = []
        opened = await asyncio.gather(
            stack.enter_async_context(_postgres(work)),
            stack.enter_async_context(_redis(work)),
        )
        for variants in (peer for peers in opened for peer in peers):
            if isinstance(variants, tuple):
                name, why = variants
                figures[f"peer_{name}_why"] = why
                say(f"peers: {name} is skipped: {why}")
                continue
            best, of_peer = await asyncio.to_thread(_choose, slices, variants, sizes.peer_checks)
            figures |= of_peer
            if best is not None:
                chosen.append(best)
        say("peers: side by side")
        arms: dict[str, Callable[[], Awaitable[float]]] = {"ours": lambda: ours.run(sizes.peer_queries)}
        for peer in chosen:
            arms[peer.name] = _async(slices.arm(peer))
        arms["again"] = lambda: ours.run(sizes.peer_queries)
        await ours.run(sizes.peer_queries)
        costs = await interleave(arms, sizes.pairs)
    for peer in chosen:
        figures |= ratio(costs[peer.name], costs["ours"]).figures(f"peer_{peer.name}_speedup")
        figures[f"peer_{peer.name}_ms"] = 1000 * estimate(costs[peer.name]).median
        figures[f"peer_{peer.name}_right"] = sum(slices.right[peer.name]) / len(slices.right[peer.name])
    return {
        "peer_agents": len(work.vectors),
        "peer_ours_ms": 1000 * estimate(costs["ours"]).median,
        "peer_ours_right": sum(ours.right) / len(ours.right),
        **figures,
        **a_a("peers", costs["ours"], costs["again"]),
    }


async def _prepare(sizes: Sizes, reserve_store: ReserveStore) -> tuple[Work, SiteIndex]:
    say(f"peers: {sizes.large_roster} agents, a vector each")
    material = read_material(sizes.suite)
    encoder = await open_packaged_encoder()
    try:
        lines, queries = await encode(encoder, material.lines), await encode(encoder, material.messages)
    finally:
        await encoder.close()
    roster = make_roster(material, lines, sizes.large_roster, interests=1)
    assert roster.ids == reserve_store.large.ids
    work = make_work(roster, queries)
    index = SiteIndex(Scorer(), lines.shape[1])  # scores by the plain cosine, as the peers do
    for number, free in enumerate(work.free.tolist()):
        index.put(roster.agent(number, online=free), roster.vectors[number])
    return work, index


class Ours:
    """Finds an agent by the index, reserves it in the store and applies the hold, as a route does after the encoder."""

    def __init__(self, index: SiteIndex, reserve_store: ReserveStore, work: Work) -> None:
        self._index = index
        self._store = reserve_store.store
        self._work = work
        self._next = 0
        self.right: list[bool] = []

    async def run(self, queries: int) -> float:
        """Run a slice and return the median seconds; completing the reservations is not counted."""
        durations = []
        for _ in range(queries):
            query = self._next % len(self._work.queries)
            self._next += 1
            vector = self._work.queries[query : query + 1]
            start = time.perf_counter()
            result = self._index.find(Query(vector, [()]), ANYONE, max_free=CANDIDATES, floor=0.0)
            ranking = rank(result, WHOLE, RankingTerms(0.0, 0.0, most=CANDIDATES))
            named = [(candidate.agent, candidate.affinity) for candidate in ranking.candidates]
            held = await reserve_agent(self._store, "large", named, tolerance=0.0)
            self._index.hold(held.agent, Hold(held.id, held.channel, held.cost, held.deadline_ms))
            durations.append(time.perf_counter() - start)
            self.right.append(self._work.right(query, int(held.agent[1:])))
            await self._store.complete(reservation_ref("large", held), 0, 0)
            self._index.free(held.agent, held.id, None)
        return estimate(durations).median


Variants = dict[int, Peer]
"""A peer at each of its settings; the first is its default."""


def _choose(slices: Slices, variants: Variants, checks: int) -> tuple[Peer | None, Figures]:
    """Report the default setting, and choose the fastest setting with 99 % right answers, else that with the most."""
    figures: Figures = {}
    good: dict[int, float] = {}
    rightness: dict[int, float] = {}
    name, default = next(iter(variants.values())).name, next(iter(variants))
    for setting, peer in variants.items():
        try:
            seconds, right = slices.judge(peer, checks)
        except PeerMissing as missing:
            say(f"peers: {name} {setting}: {missing}")
            figures[f"peer_{name}_why"] = str(missing)
            continue
        say(f"peers: {name} at {setting}: {1000 * seconds:.2f} ms, {right:.3f} right")
        figures[f"peer_{name}_ms_at_{setting}"] = 1000 * seconds
        figures[f"peer_{name}_right_at_{setting}"] = right
        if setting == default:
            figures[f"peer_{name}_default_ms"], figures[f"peer_{name}_default_right"] = 1000 * seconds, right
        rightness[setting] = right
        if right >= RIGHT:
            good[setting] = seconds
    if f"peer_{name}_default_ms" not in figures:
        return None, figures
    setting = min(good, key=good.__getitem__) if good else max(rightness, key=rightness.__getitem__)
    return variants[setting], {**figures, f"peer_{name}_setting": setting}


Opened = Sequence[Variants | tuple[str, str]]
"""The peers that run, and, for each that does not, its name and the reason."""


@asynccontextmanager
async def _postgres(work: Work) -> AsyncIterator[Opened]:
    async with AsyncExitStack() as stack:
        try:
            folder = await stack.enter_async_context(postgres())
            connection = await asyncio.to_thread(connect, folder)
        except PeerMissing as missing:
            yield [("pgvector_hnsw", str(missing)), ("pgvector_exact", str(missing))]
            return
        stack.callback(connection.close)
        start = time.perf_counter()
        await asyncio.to_thread(load, connection, work)
        say(f"peers: PostgreSQL is loaded and its HNSW index built ({time.perf_counter() - start:.0f} s)")
        yield [{effort: hnsw(connection, effort) for effort in EF_SEARCH}, {0: exact(connection)}]


@asynccontextmanager
async def _redis(work: Work) -> AsyncIterator[Opened]:
    async with AsyncExitStack() as stack:
        opened: list[Variants | tuple[str, str]] = []
        try:
            url = await stack.enter_async_context(plain_store(redis_binary()))
        except (PeerMissing, OSError) as missing:
            opened.append(("vector_sets", str(missing)))
        else:
            client = stack.enter_context(redis.Redis.from_url(url))
            start = time.perf_counter()
            await asyncio.to_thread(load_vector_set, client, work)
            say(f"peers: the vector set is loaded ({time.perf_counter() - start:.0f} s)")
            opened.append({effort: vector_set(client, effort) for effort in FILTER_EFFORTS})
        own = stack.enter_context(redis.Redis.from_url(await stack.enter_async_context(plain_store())))
        built = await asyncio.to_thread(FaissHnsw, own, work)
        opened.append({effort: built.peer(effort) for effort in HNSW_EFFORTS})
        yield opened


def _async(run: Callable[[], float]) -> Callable[[], Awaitable[float]]:
    async def arm() -> float:
        return await asyncio.to_thread(run)

    return arm


if __name__ == "__main__":
    run_alone(measure)
