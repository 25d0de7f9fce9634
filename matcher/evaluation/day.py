"""A day in a contact center, played over a suite: who gets the conversations under one way to choose or another."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.choosing import Affinity, Choice, LongestIdle, Met, Random, Staff
from matcher.evaluation.measures import busiest_share, gini
from matcher.evaluation.production import Production, Progress, find
from matcher.suite import Suite

SEED: Final = 20_240_229
FREE: Final = 0.001
"""Mean affinity that two days of some ten thousand conversations differ by through chance alone."""

TOLERANCES: Final = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)


@dataclass(frozen=True, slots=True)
class Terms:
    """Say what the day is like. Conversations last log-normally (Brown et al. 2005, JASA 100, on call durations)."""

    hours: float = 8.0
    capacity: int = 2
    """Conversations an agent holds at once."""
    occupancy: float = 0.3
    """Share of all slots that arrivals keep taken on average."""
    mean_minutes: float = 15.0
    sigma: float = 0.8
    """Of the logarithm of a conversation's length."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Hold the day's arrivals in order, each array [arrivals]: the same day for every way to choose."""

    at: NDArray[np.float64]
    """Minutes."""
    minutes: NDArray[np.float64]
    message: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Played:
    """Hold what a way to choose made of the day."""

    name: str
    tolerance: float | None
    """Of a choice by affinity."""
    conversations: int
    turned_away: int
    """Arrivals that found nobody free."""
    mean_affinity: float
    recall: float
    """Share of the conversations that an agent who is right for the message took."""
    gini: float
    busiest_share: float
    taken: NDArray[np.int64]
    """Conversations of each agent [agents]."""
    mean_wait_seconds: float = 0.0
    """From an arrival to the decision."""


@dataclass(slots=True)
class Books:
    """Keep a day's conversations as they begin and end."""

    suite: Suite
    staff: Staff
    _ends: list[tuple[float, int]] = field(default_factory=list)
    _taken: list[int] = field(default_factory=list)
    _affinity: float = 0.0
    _right: int = 0
    _waited: float = 0.0

    def until(self, minute: float) -> None:
        """End what has ended by then."""
        while self._ends and self._ends[0][0] <= minute:
            ended, agent = heapq.heappop(self._ends)
            self.staff.complete(agent, ended)

    def take(self, agent: int, met: Met, message: int, minute: float, minutes: float, waited: float = 0.0) -> None:
        """Begin a conversation; waited: minutes."""
        self.staff.take(agent)
        heapq.heappush(self._ends, (minute + minutes, agent))
        self._taken.append(agent)
        self._affinity += met.affinity(agent)
        self._right += self.suite.agents[agent].id in self.suite.messages[message].relevant
        self._waited += waited

    def played(self, name: str, tolerance: float | None, arrivals: int) -> Played:
        """Return what became of the day's arrivals."""
        taken = np.bincount(self._taken, minlength=len(self.suite.agents)).astype(np.int64)
        conversations = len(self._taken)
        return Played(
            name=name,
            tolerance=tolerance,
            conversations=conversations,
            turned_away=arrivals - conversations,
            mean_affinity=self._affinity / max(conversations, 1),
            recall=self._right / max(conversations, 1),
            gini=gini(taken),
            busiest_share=busiest_share(taken),
            taken=taken,
            mean_wait_seconds=60 * self._waited / max(conversations, 1),
        )


def arrivals(agents: int, messages: int, terms: Terms, day: int = 0) -> Arrivals:
    """Draw a day: a Poisson process of messages, each any of the suite's with the same chance."""
    random = np.random.default_rng((SEED, day))
    rate = terms.occupancy * agents * terms.capacity / terms.mean_minutes
    count = int(random.poisson(rate * terms.hours * 60))
    location = np.log(terms.mean_minutes) - terms.sigma**2 / 2
    return Arrivals(
        at=np.sort(random.uniform(0, terms.hours * 60, count)),
        minutes=random.lognormal(location, terms.sigma, count),
        message=random.integers(0, messages, count),
    )


async def play_day(
    production: Production, suite: Suite, progress: Progress, terms: Terms, tolerances: Sequence[float] = TOLERANCES
) -> list[Played]:
    """Play the same day under affinity alone, affinity within tolerances, the longest idle, and chance."""
    await production.learn_suite(suite, progress)
    met, floor = await meetings(production, suite, progress)
    came = arrivals(len(suite.agents), len(suite.messages), terms)
    choices: list[Choice] = [
        Affinity(0.0, floor),
        *(Affinity(tolerance, floor) for tolerance in tolerances),
        LongestIdle(),
        Random(np.random.default_rng(SEED)),
    ]
    with progress(f"{suite.name}: playing the day", len(choices) * len(came.at)) as step:
        return [play(suite, met, came, terms, choice, step) for choice in choices]


async def meetings(production: Production, suite: Suite, progress: Progress) -> tuple[list[Met], float]:
    """Return whom each message meets if everybody is free, and the roster's floor. Call after `learn_suite`."""
    index = production.index(suite.agents)
    floor = await production.floor(index)
    met = []
    with progress(f"{suite.name}: searching", len(suite.messages)) as step:
        for message in suite.messages:
            read = production.read(message.text)
            met.append(Met.of(find(index, read, resting=0), read.units, suite))
            step()
    return met, floor


def play(
    suite: Suite, met: Sequence[Met], came: Arrivals, terms: Terms, choice: Choice, step: Callable[[], None]
) -> Played:
    """Play one day. Nobody is taken above capacity; who finds nobody free is turned away."""
    books = Books(suite, Staff.rested(suite, terms.capacity))
    columns = (came.at.tolist(), came.minutes.tolist(), came.message.tolist())
    for at, minutes, message in zip(*columns, strict=True):
        books.until(at)
        step()
        if books.staff.anybody_free():
            books.take(choice.choose(met[message], books.staff), met[message], message, at, minutes)
    return books.played(choice.name, choice.tolerance, len(came.at))


def recommend(played: Sequence[Played]) -> float:
    """Return the tolerance at which the Gini coefficient has fallen most per affinity lost against affinity alone.

    Losses below `FREE` count as none (sought-after agents kept free can even gain some), and of several tolerances
    that lose none the one with the lowest Gini is best. Where the Gini falls at no tolerance it is 0.
    """
    alone = next(one for one in played if one.tolerance == 0)
    fairer = [one for one in played if one.tolerance and one.gini < alone.gini]
    if not fairer:
        return 0.0

    def worth(one: Played) -> tuple[float, float]:
        lost = alone.mean_affinity - one.mean_affinity
        fall = alone.gini - one.gini
        return (math.inf if lost < FREE else fall / lost, fall)

    best = max(fairer, key=worth)
    assert best.tolerance is not None
    return best.tolerance
