"""Whether it pays to fill a profile with interests that everybody has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.day import arrivals, meetings, play
from matcher.evaluation.day_ledger import Terms
from matcher.evaluation.production import Production, Progress
from matcher.evaluation.strategies import Affinity
from matcher.evaluation.suite import Suite, SuiteAgent

FEW: Final = 5
DAYS: Final = 3
"""Days played: in one of them chance moves an agent's conversations by a fourth."""

FEW_STARTS: Final = (0, 13, 26, 39)
"""Where the short profiles are cut out of the long one."""

_LIKES: Final = (
    *("music", "dogs", "cats", "travelling", "reading books", "watching movies", "cooking", "good food", "pizza"),
    *("coffee", "chocolate", "sports", "football", "basketball", "swimming", "running", "hiking", "cycling", "yoga"),
    *("dancing", "singing", "drawing", "photography", "video games", "board games", "shopping", "fashion", "cars"),
    *("gardening", "fishing", "camping", "the beach", "the mountains", "nature", "animals", "horses", "my family"),
    *("my friends", "children", "parties", "concerts", "rock music", "country music", "playing guitar", "the piano"),
    *("television", "comedies", "science fiction", "history", "learning languages", "computers", "my phone"),
    *("working out", "healthy eating", "baking", "breakfast", "tea", "wine", "sleeping late", "weekends", "summer"),
    *("winter", "Christmas", "my job"),
)
GENERIC: Final = tuple(f"I like {one}." for one in _LIKES)


@dataclass(frozen=True, slots=True)
class Gamed:
    """Hold the conversations an agent got in a day, on average over the days and profiles tried."""

    suite: str
    generic_64: float
    generic_5: float
    ordinary: float
    """Of the suite's own agents with five interests, in the days of the 64."""

    @property
    def ratio(self) -> float:
        """Return how many times the share of five generic interests 64 get."""
        return self.generic_64 / self.generic_5 if self.generic_5 else float("inf")


async def check_gaming(production: Production, suite: Suite, progress: Progress, terms: Terms) -> Gamed:
    """Play the same days with one more agent, who has 64 generic interests or five of them."""
    long = await _conversations(production, suite, GENERIC, progress, terms)
    few = [
        await _conversations(production, suite, GENERIC[start : start + FEW], progress, terms) for start in FEW_STARTS
    ]
    ordinary = [number for number, agent in enumerate(suite.agents) if len(agent.interests) == FEW]
    return Gamed(
        suite=suite.name,
        generic_64=float(long[-1]),
        generic_5=float(np.mean([taken[-1] for taken in few])),
        ordinary=float(np.mean(long[ordinary])) if ordinary else float("nan"),
    )


async def _conversations(
    production: Production, suite: Suite, interests: Sequence[str], progress: Progress, terms: Terms
) -> NDArray[np.float64]:
    newcomer = SuiteAgent("newcomer", "Newcomer", tuple(interests))
    crowd = replace(suite, agents=(*suite.agents, newcomer))
    await production.learn_suite(crowd, progress)
    met, floor = await meetings(production, crowd, progress)
    days = [arrivals(len(crowd.agents), len(crowd.messages), terms, day) for day in range(DAYS)]
    choice = Affinity(production.tolerance, floor)
    with progress(f"{suite.name}: with {len(interests)} generic interests", sum(len(came.at) for came in days)) as step:
        taken = [play(crowd, met, came, terms, choice, step).taken for came in days]
    return np.asarray(np.mean(taken, axis=0), np.float64)
