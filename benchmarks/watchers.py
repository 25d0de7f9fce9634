"""What watchers of a site cost a route: the server's CPU and the route's median, with and without them."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import grpc
import numpy as np
import uvloop

from benchmarks.alone import say
from benchmarks.machine import cpu_seconds
from benchmarks.sizes import ROOT
from benchmarks.slices import Figures, to_json
from benchmarks.stores import end_server, service, start_server
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

ROUTES: Final = 100
STREAMS_A_CHANNEL: Final = 100
TEXT: Final = "I keep honey bees, and the smoker arrived with a dent."
WATCH_EVENTS: Final = "/matcher.v1.RoutingService/WatchEvents"


async def measure(watchers: list[int], tree: Path) -> Figures:
    """Measure a route with each number of watchers of the site, at the server of a tree."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        data_dir = Path(folder) / "data"
        async with service(data_dir, cache()) as keeper:
            store = keeper.settings_beside() | cache()
            process, target = await start_server(data_dir, Path(folder) / "watched.log", store, tree=tree)
            try:
                async with MatcherClient(target) as client:
                    capacity = roster.Capacity(total=1, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
                    bea = roster.Agent(interests=["I keep honey bees."], capacity=capacity, status=roster.ONLINE)
                    await client.create_agent("bea", bea)
                    for count in watchers:
                        figures |= await _with_watchers(client, target, process.pid, count)
            finally:
                await end_server(process)
    return figures


async def _with_watchers(client: MatcherClient, target: str, pid: int, count: int) -> Figures:
    say(f"{count} watchers")
    watching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.watchers", "--watch", target, str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert watching.stdout is not None
    assert watching.stdin is not None
    await watching.stdout.readline()
    seconds = []
    for number in range(-5, ROUTES):
        if number == 0:
            before = cpu_seconds(pid)
        began = time.monotonic()
        reservation = (await client.route(TEXT, auto_accept=True, deadline=60)).reservation.name
        seconds.append(time.monotonic() - began)
        await client.complete(reservation, deadline=60)
    await client.list_sites()
    spent = (cpu_seconds(pid) - before) / ROUTES
    watching.stdin.write_eof()
    told, _ = await watching.communicate()
    return {
        f"watchers_{count}_route_p50_ms": float(np.median(seconds[5:])) * 1000,
        f"watchers_{count}_cpu_a_route_ms": spent * 1000,
        f"watchers_{count}_told": int(told),
    }


async def _watch(target: str, count: int) -> None:
    """Watch the default site on many streams, until stdin ends; print a line when all are open, then what was told."""
    told = 0
    channels = [
        grpc.aio.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)])
        for _ in range(count // STREAMS_A_CHANNEL + 1)
    ]
    request = pb.WatchEventsRequest(parent="sites/default").SerializeToString()
    opened = [asyncio.Event() for _ in range(count)]

    async def watch(number: int) -> None:
        nonlocal told
        method: Any = channels[number % len(channels)].unary_stream(WATCH_EVENTS)
        stream = method(request)
        while await stream.read() is not grpc.aio.EOF:
            told += opened[number].is_set()
            opened[number].set()

    tasks = [asyncio.create_task(watch(number)) for number in range(count)]
    for event in opened:
        await event.wait()
    print(flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.sleep(3)
    print(told, flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for channel in channels:
        await channel.close()


def cache() -> dict[str, str]:
    """Return the setting of the model's folder, where the environment names one."""
    given = os.environ.get("MATCHER_MODEL_CACHE")
    return {"MATCHER_MODEL_CACHE": given} if given else {}


def main() -> None:
    """Measure, or be the process that watches."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--watchers", type=int, nargs="+", default=[0, 500])
    options.add_argument("--tree", type=Path, default=ROOT, help="the checkout whose server is measured")
    options.add_argument("--watch", nargs=2, metavar=("TARGET", "COUNT"), help="used by the program itself")
    chosen = options.parse_args()
    if chosen.watch:
        uvloop.run(_watch(chosen.watch[0], int(chosen.watch[1])))
    else:
        print(to_json(uvloop.run(measure(chosen.watchers, chosen.tree))), end="")


if __name__ == "__main__":
    main()
