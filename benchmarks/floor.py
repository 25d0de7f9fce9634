"""The lower bound of a decision's cost: a bare grpc.aio server that reserves an agent in the store and answers.

The server decodes no message and searches, ranks and publishes nothing. Its rate over the echo's is the rate that the
reserve alone leaves to a router in one Python process.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
import uvloop

from benchmarks.alone import run_alone, say
from benchmarks.echo import echo_server, serve
from benchmarks.generator import Generator, generator
from benchmarks.load import Echoes
from benchmarks.reserve import CANDIDATES, plain_roster, reservation_ref, reserve_agent
from benchmarks.route import IN_FLIGHT
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures, a_a, estimate, interleave, ratio
from benchmarks.stores import all_of, connected, fill_site, plain_store, routing
from matcher.model import Reservation

SITE: Final = "large"
AGENTS: Final = 1_000
CALLS: Final = 250
RELEASE: Final = "/benchmarks.Echo/Release"


async def _serve(url: str) -> None:
    ids = plain_roster(AGENTS).ids
    held: list[Reservation] = []
    first = 0
    async with connected(url) as connection:
        store = routing(connection)

        async def answer(request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            nonlocal first
            named = [(ids[(first + place) % AGENTS], 0.9 - 0.01 * place) for place in range(CANDIDATES)]
            first += CANDIDATES
            held.append(await reserve_agent(store, SITE, named, tolerance=0.0))
            return request

        async def release(request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            await all_of([store.complete(reservation_ref(SITE, reservation), 0, 0) for reservation in held])
            held.clear()
            return request

        await serve({"Echo": answer, "Release": release})


async def measure(sizes: Sizes) -> Figures:
    """Compare the rate of calls that only reserve an agent with that of a bare echo, in slices of one size."""
    say(f"floor: {CALLS} reserves a slice")
    async with (
        plain_store() as url,
        connected(url) as connection,
        echo_server() as echo,
        generator(["floor"]) as caller,
    ):
        await fill_site(connection, SITE, plain_roster(AGENTS), online=AGENTS, with_vectors=False)
        async with (
            echo_server("benchmarks.floor", "--serve", url) as reserving,
            grpc.aio.insecure_channel(reserving.target) as channel,
        ):
            release: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(RELEASE)
            reserves, echoes = _arm(caller, reserving.target, release), _arm(caller, echo.target)
            await reserves()
            await echoes()
            costs = await interleave({"reserves": reserves, "echo": echoes, "again": reserves}, 2 * sizes.pairs)
    return {
        **ratio(costs["echo"], costs["reserves"]).figures("floor_over_echo"),
        "floor_per_second": 1 / estimate(costs["reserves"]).median,
        **a_a("floor", costs["reserves"], costs["again"]),
    }


def _arm(
    caller: Generator, target: str, release: Callable[[bytes], Awaitable[bytes]] | None = None
) -> Callable[[], Awaitable[float]]:
    async def run() -> float:
        done = await caller.run(Echoes(target, CALLS, IN_FLIGHT))
        if release is not None:
            await release(b"")
        return done.seconds / done.held

    return run


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        uvloop.run(_serve(sys.argv[2]))
    else:
        run_alone(measure)
