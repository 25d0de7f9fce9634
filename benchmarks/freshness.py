"""The time from an acknowledged change at one server until it is in force for calls that begin at another."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.alone import run_alone, say
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures
from benchmarks.stores import service, start_server
from matcher.client import MatcherClient
from matcher.v1 import customers_pb2 as customers
from matcher.v1 import roster_pb2 as roster

CHANGES: Final = {"tiny": 20, "quick": 200, "full": 2_000}
TEXT: Final = "I was restoring my old sailing boat when the varnish ran out."
PATIENCE_SECONDS: Final = 30.0


async def measure(sizes: Sizes) -> Figures:
    """Change agents and customers at one server, and ask the other until it answers by it. The aim: a p99 of 100 ms."""
    say("freshness: from an acknowledged change at one server to its effect at another")
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        data_dir = Path(folder) / "data"
        async with service(data_dir, {}) as first:
            second_log = Path(folder) / "second.log"
            process, target = await start_server(data_dir, second_log, first.settings_beside())
            try:
                async with MatcherClient(first.target) as writer, MatcherClient(target) as reader:
                    delays = await _status_delays(writer, reader, CHANGES[sizes.name])
                    customer_delays = await _customer_delays(writer, reader, CHANGES[sizes.name])
            finally:
                with suppress(ProcessLookupError):
                    process.terminate()
                await process.communicate()
    return {
        "freshness_p50_ms": float(np.median(delays)) * 1000,
        "freshness_p99_ms": float(np.quantile(delays, 0.99)) * 1000,
        "freshness_customer_p50_ms": float(np.median(customer_delays)) * 1000,
        "freshness_customer_p99_ms": float(np.quantile(customer_delays, 0.99)) * 1000,
        "freshness_changes": len(delays),
    }


async def _status_delays(writer: MatcherClient, reader: MatcherClient, count: int) -> list[float]:
    """Return for each status the seconds until a call began that was answered by it."""
    await writer.create_agent("maya", _agent("I restore wooden sailing boats.", roster.OFFLINE))
    delays = []
    for number in range(count):
        online = number % 2 == 0
        await writer.set_agent_status("maya", roster.ONLINE if online else roster.OFFLINE)

        async def heard(online: bool = online) -> bool:
            return bool((await reader.suggest(TEXT)).candidates) is online

        delays.append(await _seconds_until(heard))
    return delays


async def _customer_delays(writer: MatcherClient, reader: MatcherClient, count: int) -> list[float]:
    """Return for each change of a customer's interests the seconds until a call began that was answered by it."""
    hobbies = {"ole": "I play the accordion.", "bea": "I keep bees."}
    for agent, hobby in hobbies.items():
        await writer.create_agent(agent, _agent(hobby, roster.ONLINE))
    delays = []
    for number in range(count):
        agent = ("ole", "bea")[number % 2]
        consent = customers.Consent(basis="asked")
        consent.time.FromSeconds(int(time.time()) - 60)
        consent.expire_time.FromSeconds(int(time.time()) + 3_600)
        interest = customers.CustomerInterest(text=hobbies[agent])
        await writer.put_customer(
            customers.Customer(handles=["ann@example.org"], interests=[interest], consent=consent)
        )

        async def heard(agent: str = agent) -> bool:
            found = (await reader.suggest("hi", customer="ann@example.org")).candidates
            return bool(found) and found[0].agent.endswith(f"/{agent}")

        delays.append(await _seconds_until(heard))
    return delays


async def _seconds_until(heard: Callable[[], Awaitable[bool]]) -> float:
    """Ask until the answer shows the change, which is acknowledged; return the seconds until the last call began."""
    acknowledged = begun = time.monotonic()
    while not await heard():
        if time.monotonic() - acknowledged > PATIENCE_SECONDS:
            raise RuntimeError("the change does not come into force")
        await asyncio.sleep(0)
        begun = time.monotonic()
    return begun - acknowledged


def _agent(interest: str, status: roster.AgentStatus.ValueType) -> roster.Agent:
    capacity = roster.Capacity(total=1, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
    return roster.Agent(interests=[interest], capacity=capacity, status=status)


if __name__ == "__main__":
    run_alone(measure)
