"""The check of the floor: measures how often messages fall back that say nothing of an interest, and a suite's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matcher.evaluation.production import Production, Progress, search
from matcher.evaluation.suite import Suite
from matcher.index import SiteIndex
from matcher.model import Basis
from matcher.ranking.floors import Floors
from matcher.ranking.policy import RankingTerms, rank
from matcher.routing.encoded_message import EncodedMessage


@dataclass(frozen=True, slots=True)
class FloorResult:
    """The shares of messages that fall back, as fractions."""

    suite: str
    floors: Mapping[str, float]
    """The floor of each language in which messages of either kind are written, by its tag; "": unknown."""
    nothing_to_go_by: float
    messages: float


async def check_floor(
    production: Production, suite: Suite, nothing_to_go_by: Sequence[str], progress: Progress
) -> FloorResult:
    """Route small talk and a suite's messages with all agents free, and return the shares that fall back."""
    await production.encode_suite(suite, progress)
    await production.encode((), f"{suite.name}: encoding small talk", progress, messages=nothing_to_go_by)
    index = production.index(suite.agents)
    floors = await production.floors_of(index)
    nothing = [production.read(text) for text in nothing_to_go_by]
    messages = [production.read(message.text) for message in suite.messages]
    return FloorResult(
        suite=suite.name,
        floors={language: floors.of(language) for language in sorted({each.language for each in nothing + messages})},
        nothing_to_go_by=_fall_back(index, floors, nothing),
        messages=_fall_back(index, floors, messages),
    )


def _fall_back(index: SiteIndex, floors: Floors, messages: Sequence[EncodedMessage]) -> float:
    bases = []
    for message in messages:
        terms = RankingTerms(floors.of(message.language), 0.0, most=1)
        bases.append(rank(search(index, message), message.units, terms).basis)
    return bases.count(Basis.FALLBACK) / len(bases)
