"""What SuggestAgents and RouteMessage decide for every message of a suite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.metrics import DEEPEST
from matcher.evaluation.production import Production, Progress, find
from matcher.evaluation.suite import Suite
from matcher.index import SiteIndex
from matcher.model import Basis
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.policy import RankingTerms, rank

SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Decisions:
    """Hold what became of the messages, each array [decisions]; with everybody free one a message, in their order."""

    message: NDArray[np.int64]
    place: NDArray[np.int64]
    """Of the first right agent by affinity alone, 0: not among the first ten."""
    confidence: NDArray[np.float64]
    """Of the first agent by affinity alone; 0 where nobody is met."""
    routed: NDArray[np.int64]
    """The agent whom RouteMessage takes, as a position in the roster."""
    routed_right: NDArray[np.bool_]
    affinity: NDArray[np.float64]
    """Of the agent whom RouteMessage takes."""
    fell_back: NDArray[np.bool_]
    answerable: NDArray[np.bool_]
    """Whether a right agent was free."""
    floor: float


class _Decision(NamedTuple):
    message: int
    place: int
    confidence: float
    routed: int
    routed_right: bool
    affinity: float
    fell_back: bool
    answerable: bool


async def decide(production: Production, suite: Suite, progress: Progress, *, free: float = 1.0) -> Decisions:
    """Ask for every message who fits, and route it.

    Whoever is routed to completes at once: everybody stays free, and is idle from then on. free: the share of agents
    who are; below 1 every message is asked of ⌈1 / free⌉ rosters, so that each agent is free in one of them at least.
    """
    await production.learn_suite(suite, progress)
    index = production.index(suite.agents)
    floor = await production.floor(index)
    rosters = free_rosters(len(suite.agents), free)
    made: list[_Decision] = []
    with progress(f"{suite.name}: routing", len(rosters) * len(suite.messages)) as step:
        for online in rosters:
            _set_free(index, suite, online)
            free_ids = frozenset(suite.agents[position].id for position in online.tolist())
            made += _decisions(production, suite, index, floor, free_ids, step)
    columns = list(zip(*made, strict=True))
    return Decisions(
        message=np.array(columns[0], np.int64),
        place=np.array(columns[1], np.int64),
        confidence=np.array(columns[2]),
        routed=np.array(columns[3], np.int64),
        routed_right=np.array(columns[4], np.bool_),
        affinity=np.array(columns[5]),
        fell_back=np.array(columns[6], np.bool_),
        answerable=np.array(columns[7], np.bool_),
        floor=floor,
    )


def free_rosters(agents: int, free: float) -> list[NDArray[np.int64]]:
    """Return who is free, as positions, in each of ⌈1 / free⌉ equal draws that together hold everybody."""
    if free >= 1:
        return [np.arange(agents)]
    order = np.random.default_rng(SEED).permutation(agents)
    size = max(1, round(agents * free))
    draws = math.ceil(agents / size)
    return [np.sort(np.take(order, range(draw * size, (draw + 1) * size), mode="wrap")) for draw in range(draws)]


def _set_free(index: SiteIndex, suite: Suite, online: NDArray[np.int64]) -> None:
    free = set(online.tolist())
    for position, agent in enumerate(suite.agents):
        status = AgentStatus.ONLINE if position in free else AgentStatus.OFFLINE
        index.put_status(agent.id, status, position + 1)


def _decisions(
    production: Production, suite: Suite, index: SiteIndex, floor: float, free: frozenset[str], step: Callable[[], None]
) -> Iterator[_Decision]:
    position = {agent.id: number for number, agent in enumerate(suite.agents)}
    now = len(suite.agents)
    for number, message in enumerate(suite.messages):
        read = production.read(message.text)
        found = find(index, read)
        best = rank(found, read.units, RankingTerms(0.0, 0.0, most=DEEPEST))
        met = best.candidates if best.basis is Basis.AFFINITY else ()
        right = (place for place, one in enumerate(met, start=1) if one.agent in message.relevant)
        route = rank(found, read.units, RankingTerms(floor, production.tolerance, most=1))
        taken = route.candidates[0]
        now += 1
        index.put_status(taken.agent, AgentStatus.ONLINE, now)
        yield _Decision(
            message=number,
            place=next(right, 0),
            confidence=met[0].confidence if met else 0.0,
            routed=position[taken.agent],
            routed_right=taken.agent in message.relevant,
            affinity=taken.affinity,
            fell_back=route.basis is Basis.FALLBACK,
            answerable=not free.isdisjoint(message.relevant),
        )
        step()
