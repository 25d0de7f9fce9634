"""A decision end to end: measures its cost with a client, a server and a store over gRPC, on two cores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from benchmarks.alone import run_alone, say
from benchmarks.echo import Echo, echo_server
from benchmarks.generator import Generator, generator
from benchmarks.load import Completions, Echoes, Routes
from benchmarks.machine import cpu_seconds
from benchmarks.material import (
    Material,
    Roster,
    encode,
    make_roster,
    open_packaged_encoder,
    read_material,
)
from benchmarks.sizes import Sizes
from benchmarks.slices import Arm, Figures, a_a, estimate, interleave, ratio
from benchmarks.stores import Service, all_of, filled_service, metric
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster_messages

IN_FLIGHT: Final = 16
SETTLE_SECONDS: Final = 0.05
"""The wait after a slice, in which the server reads its own events, a part of a decision's cost."""
ECHOES_PER_ROUTE: Final = 5
CACHED_TEXTS: Final = 200
CACHE_SIZE: Final = 10_000
ROUND_TRIPS: Final = "matcher_store_round_trips_total"


@dataclass(frozen=True, slots=True, repr=False)
class Site:
    """A roster and the messages to route."""

    material: Material
    roster: Roster
    model: str


async def make_site(sizes: Sizes) -> Site:
    """Return a site with a roster of real interests."""
    material = read_material(sizes.suite)
    encoder = await open_packaged_encoder()
    try:
        vectors = await encode(encoder, material.lines)
        return Site(material, make_roster(material, vectors, sizes.agents), encoder.fingerprint)
    finally:
        await encoder.close()


@dataclass(frozen=True, slots=True)
class Bench:
    """A service with a roster, an echo server beside it, and the generator that calls both."""

    service: Service
    echo: Echo
    caller: Generator
    roster: Roster

    async def set_free(self, before: int, wanted: int) -> None:
        """Change the number of agents online, the first of the roster, from `before` to `wanted`."""
        async with MatcherClient(self.service.target) as client:
            status = roster_messages.ONLINE if wanted > before else roster_messages.OFFLINE
            numbers = range(min(before, wanted), max(before, wanted))
            await all_of([client.set_agent_status(self.roster.ids[number], status) for number in numbers])


@asynccontextmanager
async def open_bench(site: Site, free: int, settings: dict[str, str]) -> AsyncIterator[Bench]:
    """Start the service, with `free` agents online, the echo server and the generator."""
    async with (
        filled_service(site.roster, model=site.model, online=free, settings=settings) as running,
        echo_server() as echo,
        generator(site.material.messages) as caller,
    ):
        yield Bench(running, echo, caller, site.roster)


async def measure(sizes: Sizes) -> Figures:
    """Measure a decision's CPU beside an echo's, its round trips, and its rate with cached vectors."""
    site = await make_site(sizes)
    figures: Figures = {}
    async with open_bench(site, sizes.free + sizes.routes // 2, {}) as bench:
        figures |= await _cost(sizes, bench)
        figures |= await _round_trips(sizes, bench)
    figures |= await _cached(sizes, site)
    return figures


async def _cost(sizes: Sizes, bench: Bench) -> Figures:
    """Compare the CPU of server and store per decision, outside the encoder, with the echo server's per call."""
    say("route: CPU per decision")
    encoder_cost: list[float] = []
    store_cost: list[float] = []
    rates: list[float] = []

    async def route() -> float:
        server, store = bench.service.clock.read(), cpu_seconds(bench.service.store_pid)
        done = await bench.caller.run(Routes(bench.service.target, sizes.routes, IN_FLIGHT))
        await asyncio.sleep(SETTLE_SECONDS)
        spent = bench.service.clock.read() - server
        stored = cpu_seconds(bench.service.store_pid) - store
        assert done.held == sizes.routes, done
        await complete(bench)
        encoder_cost.append(spent.encoder / done.held)
        store_cost.append(stored / done.held)
        rates.append(done.held / done.seconds)
        return (spent.outside_encoder + stored) / done.held

    async def echo() -> float:
        before = cpu_seconds(bench.echo.pid)
        done = await bench.caller.run(Echoes(bench.echo.target, ECHOES_PER_ROUTE * sizes.routes, IN_FLIGHT))
        echo_rates.append(done.held / done.seconds)
        return (cpu_seconds(bench.echo.pid) - before) / done.held

    echo_rates: list[float] = []
    await route()
    await echo()
    for warm_up in (encoder_cost, store_cost, rates, echo_rates):
        warm_up.clear()
    costs = await interleave({"route": route, "echo": echo, "again": route}, sizes.pairs)
    return {
        **ratio(costs["route"], costs["echo"]).figures("route_cpu_over_echo_cpu"),
        "route_cpu_usec": 1e6 * estimate(costs["route"]).median,
        "route_store_cpu_usec": 1e6 * estimate(store_cost).median,
        "route_encoder_cpu_usec": 1e6 * estimate(encoder_cost).median,
        "route_only_per_second": estimate(rates).median,
        "echo_cpu_usec": 1e6 * estimate(costs["echo"]).median,
        "echo_per_second": estimate(echo_rates).median,
        **a_a("route", costs["route"], costs["again"]),
    }


async def complete(bench: Bench) -> None:
    """Complete the reservations, which is not counted, and let the server read the events."""
    done = await bench.caller.run(Completions(bench.service.target))
    assert not done.failed, done
    await asyncio.sleep(SETTLE_SECONDS)


async def _round_trips(sizes: Sizes, bench: Bench) -> Figures:
    """Count the calls to the store over many routes, by the server's count and by the store's count of functions.

    All calls of the server while it routes count, also its reads of the clock; the reads of the streams do not.
    """
    say(f"route: round trips over {sizes.round_trip_routes} routes")
    address = bench.service.metrics_addresses()[0]
    trips = functions = routes = 0.0
    async with Redis.from_url(bench.service.store_url) as redis:

        async def counts() -> tuple[float, float]:
            return await metric(address, ROUND_TRIPS), (await redis.info("commandstats"))["cmdstat_fcall"]["calls"]

        while routes < sizes.round_trip_routes:
            before = await counts()
            done = await bench.caller.run(Routes(bench.service.target, sizes.routes, IN_FLIGHT))
            after = await counts()
            trips += after[0] - before[0]
            functions += after[1] - before[1]
            routes += done.held + done.unmatched
            await complete(bench)
    return {
        "reserve_round_trips": trips / routes,
        "reserve_round_trips_by_store": functions / routes,
        "reserve_round_trips_routes": routes,
    }


async def _cached(sizes: Sizes, site: Site) -> Figures:
    """Compare the rate of routes whose vectors are cached with that of a bare echo, in slices of one size."""
    figures: Figures = {}
    free = sizes.free
    async with open_bench(site, free, {"MATCHER_TEXT_CACHE_SIZE": str(CACHE_SIZE)}) as bench:
        online = free
        for name, wanted in ((str(free), free), (str(free // 10), free // 10)):
            say(f"route: cached vectors, {wanted} free agents")
            calls = max(8, min(sizes.routes, wanted // 2))
            await bench.set_free(online, wanted + calls // 2)
            online = wanted + calls // 2

            route = _slice_of(bench, Routes(bench.service.target, calls, IN_FLIGHT, repeat=CACHED_TEXTS))
            echo = _slice_of(bench, Echoes(bench.echo.target, calls, IN_FLIGHT))
            for _ in range(2 + 2 * CACHED_TEXTS // calls):
                await route()
            await echo()
            costs = await interleave({"route": route, "echo": echo, "again": route}, max(4, sizes.pairs))
            figures |= ratio(costs["echo"], costs["route"]).figures(f"route_cached_over_echo_{name}")
            figures[f"route_cached_per_second_{name}"] = 1 / estimate(costs["route"]).median
            figures |= a_a(f"route_cached_{name}", costs["route"], costs["again"])
    return figures


def _slice_of(bench: Bench, job: Echoes | Routes) -> Arm:
    async def run() -> float:
        done = await bench.caller.run(job)
        await complete(bench)
        return done.seconds / done.held

    return run


if __name__ == "__main__":
    run_alone(measure)
