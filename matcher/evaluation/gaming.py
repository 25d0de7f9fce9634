"""The check of gaming: whether a profile with many generic interests gets more conversations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.day import draw_arrivals, match_messages, simulate
from matcher.evaluation.day_ledger import Terms
from matcher.evaluation.production import Production, Progress
from matcher.evaluation.strategies import Affinity
from matcher.evaluation.suite import Suite, SuiteAgent

FEW: Final = 5
DAYS: Final = 3
"""Days that are simulated, because in a single day chance changes an agent's conversations by a quarter."""

FEW_STARTS: Final = (0, 13, 26, 39)
"""Positions in the long profile at which the short profiles start."""

_LIKES: Final = (
    *("music", "dogs", "cats", "travelling", "reading ledger", "watching movies", "cooking", "good food", "pizza"),
    *("coffee", "chocolate", "sports", "football", "basketball", "swimming", "running", "hiking", "cycling", "yoga"),
    *("dancing", "singing", "drawing", "photography", "video games", "board games", "shopping", "fashion", "cars"),
    *("gardening", "fishing", "camping", "the beach", "the mountains", "nature", "animals", "horses", "my family"),
    *("my friends", "children", "parties", "concerts", "rock music", "country music", "playing guitar", "the piano"),
    *("television", "comedies", "science fiction", "history", "learning languages", "computers", "my phone"),
    *("working out", "healthy eating", "baking", "breakfast", "tea", "wine", "sleeping late", "weekends", "summer"),
    *("winter", "Christmas", "my job"),
)
GENERIC: Final = tuple(f"I like {interest}." for interest in _LIKES)


@dataclass(frozen=True, slots=True)
class GamingResult:
    """The mean conversations of an agent in a day, over the days and the profiles."""

    suite: str
    generic_64: float
    generic_5: float
    ordinary: float
    """The mean of the suite's own agents with five interests, in the days with the 64 generic ones."""

    @property
    def ratio(self) -> float:
        """The conversations with 64 generic interests, as a multiple of those with five."""
        return self.generic_64 / self.generic_5 if self.generic_5 else float("inf")


async def check_gaming(production: Production, suite: Suite, progress: Progress, terms: Terms) -> GamingResult:
    """Simulate the same days with one more agent, who has 64 generic interests or five of them."""
    long = await _conversations(production, suite, GENERIC, progress, terms)
    few = [
        await _conversations(production, suite, GENERIC[start : start + FEW], progress, terms) for start in FEW_STARTS
    ]
    ordinary = [number for number, agent in enumerate(suite.agents) if len(agent.interests) == FEW]
    return GamingResult(
        suite=suite.name,
        generic_64=float(long[-1]),
        generic_5=float(np.mean([by_agent[-1] for by_agent in few])),
        ordinary=float(np.mean(long[ordinary])) if ordinary else float("nan"),
    )


async def _conversations(
    production: Production, suite: Suite, interests: Sequence[str], progress: Progress, terms: Terms
) -> NDArray[np.float64]:
    newcomer = SuiteAgent("newcomer", "Newcomer", tuple(interests))
    extended = replace(suite, agents=(*suite.agents, newcomer))
    await production.encode_suite(extended, progress)
    matches = await match_messages(production, extended, progress)
    days = [draw_arrivals(len(extended.agents), len(extended.messages), terms, day) for day in range(DAYS)]
    strategy = Affinity(production.tolerance)
    label = f"{suite.name}: with {len(interests)} generic interests"
    with progress(label, sum(len(arrivals.at) for arrivals in days)) as step:
        by_agent = [simulate(extended, matches, arrivals, terms, strategy, step).by_agent for arrivals in days]
    return np.asarray(np.mean(by_agent, axis=0), np.float64)
