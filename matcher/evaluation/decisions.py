"""The decisions of SuggestAgents and of RouteMessage for every message of a suite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.metrics import DEEPEST
from matcher.evaluation.production import Production, Progress, search
from matcher.evaluation.suite import Suite
from matcher.index import SiteIndex
from matcher.model import Basis
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.floors import Floors
from matcher.ranking.policy import RankingTerms, rank

SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions, each array [decisions]; with all agents free there is one for each message, in their order."""

    message: NDArray[np.int64]
    place: NDArray[np.int64]
    """The place of the first right agent by affinity alone; 0: not among the first ten."""
    confidence: NDArray[np.float64]
    """The confidence of the first agent by affinity alone; 0 where the message meets no interest."""
    routed: NDArray[np.int64]
    """The agent that RouteMessage chooses, as a position in the roster."""
    routed_right: NDArray[np.bool_]
    affinity: NDArray[np.float64]
    """The affinity of the agent that RouteMessage chooses."""
    fell_back: NDArray[np.bool_]
    answerable: NDArray[np.bool_]
    """Whether a right agent was free."""
    language: NDArray[np.str_]
    """The tag of the message's language as identified; "": unknown."""
    floor: NDArray[np.float64]
    """The floor of the message's language."""


class _Decision(NamedTuple):
    message: int
    place: int
    confidence: float
    routed: int
    routed_right: bool
    affinity: float
    fell_back: bool
    answerable: bool
    language: str
    floor: float


async def decide(production: Production, suite: Suite, progress: Progress, *, free: float = 1.0) -> Decisions:
    """Rank the agents for every message, and route the message.

    The chosen agent completes at once, so that all agents stay free, and is idle from then on. free: the share of
    free agents; below 1 every message is decided on ⌈1 / free⌉ rosters, so that each agent is free in at least one.
    """
    await production.encode_suite(suite, progress)
    index = production.index(suite.agents)
    floors = await production.floors_of(index)
    rosters = free_rosters(len(suite.agents), free)
    decisions: list[_Decision] = []
    with progress(f"{suite.name}: routing", len(rosters) * len(suite.messages)) as step:
        for online in rosters:
            _set_free(index, suite, online)
            free_ids = frozenset(suite.agents[position].id for position in online.tolist())
            decisions += _decisions(production, suite, index, floors, free_ids, step)
    columns = list(zip(*decisions, strict=True))
    return Decisions(
        message=np.array(columns[0], np.int64),
        place=np.array(columns[1], np.int64),
        confidence=np.array(columns[2]),
        routed=np.array(columns[3], np.int64),
        routed_right=np.array(columns[4], np.bool_),
        affinity=np.array(columns[5]),
        fell_back=np.array(columns[6], np.bool_),
        answerable=np.array(columns[7], np.bool_),
        language=np.array(columns[8], np.str_),
        floor=np.array(columns[9], np.float64),
    )


def free_rosters(agents: int, free: float) -> list[NDArray[np.int64]]:
    """Return the positions of the free agents in each of ⌈1 / free⌉ equal draws, which together hold all agents."""
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
    production: Production,
    suite: Suite,
    index: SiteIndex,
    floors: Floors,
    free: frozenset[str],
    step: Callable[[], None],
) -> Iterator[_Decision]:
    position = {agent.id: number for number, agent in enumerate(suite.agents)}
    now = len(suite.agents)
    for number, message in enumerate(suite.messages):
        encoded = production.read(message.text)
        result = search(index, encoded)
        suggestion = rank(result, encoded.units, RankingTerms(0.0, 0.0, most=DEEPEST))
        candidates = suggestion.candidates if suggestion.basis is Basis.AFFINITY else ()
        right = (place for place, candidate in enumerate(candidates, start=1) if candidate.agent in message.relevant)
        floor = floors.of(encoded.language)
        route = rank(result, encoded.units, RankingTerms(floor, production.tolerance, most=1))
        chosen = route.candidates[0]
        now += 1
        index.put_status(chosen.agent, AgentStatus.ONLINE, now)
        yield _Decision(
            message=number,
            place=next(right, 0),
            confidence=candidates[0].confidence if candidates else 0.0,
            routed=position[chosen.agent],
            routed_right=chosen.agent in message.relevant,
            affinity=chosen.affinity,
            fell_back=route.basis is Basis.FALLBACK,
            answerable=not free.isdisjoint(message.relevant),
            language=encoded.language,
            floor=floor,
        )
        step()
