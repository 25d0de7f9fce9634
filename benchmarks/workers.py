"""Several workers on one port: measures how evenly the client's calls reach them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.alone import run_alone, say
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures
from benchmarks.stores import metric, service
from matcher.client import MatcherClient

WORKERS: Final = 2
CALLERS: Final = 16
CHANNELS: Final = 4
CALLS: Final = {"tiny": 200, "quick": 2_000, "full": 10_000}
READS: Final = "GetPool"


async def measure(sizes: Sizes) -> Figures:
    """Count the calls of a client with four channels that each of two workers answered."""
    say("workers: calls of one client on two workers")
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        async with service(Path(folder), {"MATCHER_WORKERS": str(WORKERS)}) as running:
            addresses = running.metrics_addresses()
            async with MatcherClient(running.target, channels=CHANNELS) as client:
                remaining = iter(range(CALLS[sizes.name]))

                async def caller() -> None:
                    for _ in remaining:
                        await client.pool("default")

                await asyncio.gather(*(caller() for _ in range(CALLERS)))
            calls = [await metric(address, "grpc_server_handled_total", grpc_method=READS) for address in addresses]
    return {
        "worker_balance": max(calls) / min(calls) if min(calls) else float("inf"),
        "worker_calls_most": max(calls),
        "worker_calls_least": min(calls),
    }


if __name__ == "__main__":
    run_alone(measure)
