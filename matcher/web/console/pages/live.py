"""The page Live: who is free, who is not, and why, by pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from matcher.v1.roster_pb2 import Agent, AgentStatus, ListAgentsRequest
from matcher.web.console.page import Get, Page
from matcher.web.console.visitor import Visitor


@dataclass(frozen=True, slots=True)
class PoolCount:
    """How many agents of a pool have each status."""

    pool: str
    statuses: tuple[tuple[str, int], ...]


def pool_counts(agents: Iterable[Agent]) -> tuple[PoolCount, ...]:
    """Count agents by pool and status; an agent in two pools counts in both."""
    counts: dict[str, Counter[str]] = {}
    for agent in agents:
        for pool in agent.pools:
            counts.setdefault(pool, Counter())[AgentStatus.Name(agent.status)] += 1
    return tuple(PoolCount(pool, tuple(sorted(found.items()))) for pool, found in sorted(counts.items()))


async def show(visitor: Visitor) -> Response:
    """Show the page."""
    return visitor.page("live.html", pools=pool_counts(await _agents(visitor)))


async def _agents(visitor: Visitor) -> Sequence[Agent]:
    agents: list[Agent] = []
    request = ListAgentsRequest(parent=visitor.site_name, page_size=1000)
    while True:
        answer = await visitor.ask(visitor.stubs.roster.ListAgents, request)
        agents.extend(answer.agents)
        if not answer.next_page_token:
            return agents
        request.page_token = answer.next_page_token


PAGE = Page("live", "Live", needs=("RosterService/ListAgents",), routes=(Get("", show),))
