"""The time from an acknowledged change at one server until it is in force for calls that begin at another."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.alone import run_alone, say
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures
from benchmarks.stores import service, start_server
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster

CHANGES: Final = {"tiny": 20, "quick": 200, "full": 2_000}
TEXT: Final = "I was restoring my old sailing boat when the varnish ran out."
PATIENCE_SECONDS: Final = 30.0


async def measure(sizes: Sizes) -> Figures:
    """Set an agent's status at one server, and ask the other until it answers by it. The aim: a p99 of 100 ms."""
    say("freshness: from an acknowledged change at one server to its effect at another")
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        async with service(Path(folder), {}) as first:
            store = {"MATCHER_STORE_URL": first.store_url}
            process, target = await start_server(Path(folder), Path(folder) / "second.log", store)
            try:
                async with MatcherClient(first.target) as writer, MatcherClient(target) as reader:
                    delays = await _delays(writer, reader, CHANGES[sizes.name])
            finally:
                with suppress(ProcessLookupError):
                    process.terminate()
                await process.communicate()
    return {
        "freshness_p50_ms": float(np.median(delays)) * 1000,
        "freshness_p99_ms": float(np.quantile(delays, 0.99)) * 1000,
        "freshness_changes": len(delays),
    }


async def _delays(writer: MatcherClient, reader: MatcherClient, count: int) -> list[float]:
    """Return for each change the seconds until a call began that was answered by it."""
    capacity = roster.Capacity(total=1, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
    maya = roster.Agent(interests=["I restore wooden sailing boats."], capacity=capacity, status=roster.OFFLINE)
    await writer.create_agent("maya", maya)
    delays = []
    for number in range(count):
        online = number % 2 == 0
        await writer.set_agent_status("maya", roster.ONLINE if online else roster.OFFLINE)
        acknowledged = begun = time.monotonic()
        while bool((await reader.suggest(TEXT)).candidates) is not online:
            if time.monotonic() - acknowledged > PATIENCE_SECONDS:
                raise RuntimeError("the change does not come into force")
            await asyncio.sleep(0)
            begun = time.monotonic()
        delays.append(begun - acknowledged)
    return delays


if __name__ == "__main__":
    run_alone(measure)
