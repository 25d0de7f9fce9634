"""Agents for tests, and functions that import them, read their loads and wait for a condition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as pb

PATIENCE_SECONDS: Final = 120.0
"""How long a condition is waited for: only a test that fails waits so long, also on a busy machine."""
PASTIMES: Final = (
    *("restoring wooden sailing boats", "baking sourdough bread", "climbing limestone cliffs", "keeping honey bees"),
    *(
        "playing the cello",
        "growing dahlias",
        "racing pigeons",
        "birdwatching in wetlands",
        "repairing mechanical watches",
    ),
    *("training border collies", "painting watercolours", "solving crossword puzzles", "brewing stout at home"),
    *("collecting fountain pens", "running ultramarathons", "sewing historical costumes", "watching silent films"),
    *("photographing steam trains", "cooking Sichuan food", "studying Icelandic sagas"),
)


def person(
    *interests: str,
    most: int = 1,
    status: pb.AgentStatus.ValueType = pb.ONLINE,
    pools: Iterable[str] = (),
    display_name: str = "",
) -> pb.Agent:
    """Return an agent who takes `most` chats at once; pools: full resource names."""
    capacity = pb.Capacity(total=most, channels=[pb.ChannelCapacity(channel="chat", cost=1)])
    return pb.Agent(display_name=display_name, interests=interests, capacity=capacity, status=status, pools=list(pools))


async def hire(client: MatcherClient, agents: dict[str, pb.Agent]) -> None:
    """Import agents, and check that none is rejected."""
    rows = [
        pb.ImportRow(row=number, agent_id=agent_id, agent=agent)
        for number, (agent_id, agent) in enumerate(agents.items(), 1)
    ]
    refused = [
        answer
        async for answer in client.import_agents(rows)
        if answer.action not in {pb.ImportAgentsResponse.CREATED, pb.ImportAgentsResponse.UPDATED}
    ]
    assert refused == []


async def loads(client: MatcherClient, agents: Iterable[str]) -> dict[str, int]:
    """Return each agent's load."""
    read = await asyncio.gather(*(client.agent(agent) for agent in agents))
    return {agent: message.load for agent, message in zip(agents, read, strict=True)}


async def wait_until(condition: Callable[[], Awaitable[bool]], what: str) -> float:
    """Poll until `condition` is true; return the seconds that took. Raises AssertionError after 120 s."""
    started = time.monotonic()
    while not await condition():
        waited = time.monotonic() - started
        assert waited < PATIENCE_SECONDS, f"after {waited:.0f} s still not: {what}"
        await asyncio.sleep(0.02)
    return time.monotonic() - started
