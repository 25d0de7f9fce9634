"""The check of the floor: measures how often messages fall back that say nothing of an interest, and a suite's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matcher.evaluation.production import Production, Progress, search
from matcher.evaluation.suite import Suite
from matcher.index import SiteIndex
from matcher.model import Basis
from matcher.ranking.policy import RankingTerms, rank


@dataclass(frozen=True, slots=True)
class FloorResult:
    """The shares of messages that fall back, as fractions."""

    suite: str
    floor: float
    nothing_to_go_by: float
    messages: float


async def check_floor(
    production: Production, suite: Suite, nothing_to_go_by: Sequence[str], progress: Progress
) -> FloorResult:
    """Route small talk and a suite's messages with all agents free, and return the shares that fall back."""
    await production.encode_suite(suite, progress)
    await production.encode((), f"{suite.name}: encoding small talk", progress, messages=nothing_to_go_by)
    index = production.index(suite.agents)
    floor = await production.floor(index)
    return FloorResult(
        suite=suite.name,
        floor=floor,
        nothing_to_go_by=_fall_back(production, index, floor, nothing_to_go_by),
        messages=_fall_back(production, index, floor, [message.text for message in suite.messages]),
    )


def _fall_back(production: Production, index: SiteIndex, floor: float, texts: Iterable[str]) -> float:
    bases = []
    for text in texts:
        encoded = production.read(text)
        bases.append(rank(search(index, encoded), encoded.units, RankingTerms(floor, 0.0, most=1)).basis)
    return bases.count(Basis.FALLBACK) / len(bases)
