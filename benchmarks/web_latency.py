"""What HTTP costs beside gRPC: the same calls, interleaved, at 50 pairs a second: `python -m benchmarks.web_latency`.

Starts a service with the example roster and `matcher web` beside it, and sends SuggestAgents through both, each on one
connection that stays open. Prints the median and the 90th percentile of each, the difference of the medians, and the
CPU of the gateway for a call, which a busy machine changes less than the times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from matcher.cli.demo_service import running_service
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2

AGENTS: Final = Path("examples/agents.jsonl")
TEXT: Final = "My bees have swarmed, and the veil you sent is torn."
WARM_UP: Final = 50


class Connection:
    """One connection to the gateway that stays open, as a program's pool of connections has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def suggest(self) -> int:
        """Suggest agents over HTTP; return the code."""
        body = json.dumps({"message": {"text": TEXT}}).encode()
        head = (
            "POST /v1/sites/default/agents:suggest HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        await self._reader.readexactly(int(answer.partition("content-length: ")[2].partition("\r\n")[0]))
        return int(answer.split(" ", 2)[1])


@asynccontextmanager
async def gateway(target: str) -> AsyncIterator[tuple[int, int]]:
    """Run `matcher web` during the block; yield its port and its process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "matcher.cli", "web", "--server", target, "--port", "0", "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        address = json.loads(await process.stdout.readline())["address"]
        yield int(address.rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        await process.wait()


def cpu_seconds(process: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(pairs: int, rate: float) -> dict[str, float]:
    """Send pairs of calls, one through each, in random order; return the figures, times in milliseconds."""
    async with (
        running_service(lambda _: None) as service,
        gateway(service.target) as (port, process),
        MatcherClient(service.target) as client,
    ):
        for line in AGENTS.read_text("utf-8").splitlines():
            agent = json.loads(line)
            shown = roster_pb2.Agent(display_name=agent["display_name"], interests=agent["interests"])
            await client.create_agent(agent["id"], shown)
            await client.set_agent_status(agent["id"], roster_pb2.ONLINE)
        http = Connection(*await asyncio.open_connection("127.0.0.1", port))
        calls = {"grpc": lambda: client.suggest(TEXT), "http": http.suggest}
        await _paced(calls, WARM_UP, rate)
        before = cpu_seconds(process)
        took = await _paced(calls, pairs, rate)
        cpu = (cpu_seconds(process) - before) / pairs * 1e3
    return {
        "pairs": pairs,
        "load": os.getloadavg()[0],
        **{f"{name}_p50_ms": statistics.median(times) for name, times in took.items()},
        **{f"{name}_p90_ms": statistics.quantiles(times, n=10)[-1] for name, times in took.items()},
        "over_p50_ms": statistics.median(took["http"]) - statistics.median(took["grpc"]),
        "gateway_cpu_ms": cpu,
    }


async def _paced(
    calls: Mapping[str, Callable[[], Awaitable[object]]], pairs: int, rate: float
) -> dict[str, list[float]]:
    """Make a pair of calls at each beat; return how many milliseconds each call took."""
    rng = random.Random(24)
    took: dict[str, list[float]] = {name: [] for name in calls}
    begun = time.perf_counter()
    for number in range(pairs):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        for name in rng.sample(sorted(calls), len(calls)):
            start = time.perf_counter()
            await calls[name]()
            took[name].append((time.perf_counter() - start) * 1e3)
    return took


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--rate", type=float, default=50.0, help="pairs a second")
    given = parser.parse_args()
    figures = asyncio.run(measure(given.pairs, given.rate))
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
