"""A day in a contact center, played over a suite: who gets the conversations under one way to choose or another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from matcher.evaluation.day_ledger import Arrivals, Books, Played, Terms
from matcher.evaluation.production import Production, Progress, find
from matcher.evaluation.strategies import Affinity, Choice, LongestIdle, Met, Random, Staff
from matcher.evaluation.suite import Suite
from matcher.evaluation.windowed_day import Window, play_windowed

SEED: Final = 20_240_229
FREE: Final = 0.001
"""Mean affinity that two days of some ten thousand conversations differ by through chance alone."""

TOLERANCES: Final = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)


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
    production: Production,
    suite: Suite,
    progress: Progress,
    terms: Terms,
    tolerances: Sequence[float] = TOLERANCES,
    windows: Sequence[float] = (),
) -> list[Played]:
    """Play the same day under affinity alone, affinity within tolerances, the longest idle, and chance.

    windows: of so many seconds, under the tolerance that serves.
    """
    await production.learn_suite(suite, progress)
    met, floor = await meetings(production, suite, progress)
    came = arrivals(len(suite.agents), len(suite.messages), terms)
    choices: list[Choice] = [
        Affinity(0.0, floor),
        *(Affinity(tolerance, floor) for tolerance in tolerances),
        LongestIdle(),
        Random(np.random.default_rng(SEED)),
    ]
    alone = Affinity(production.tolerance, floor)
    with progress(f"{suite.name}: playing the day", (len(choices) + len(windows)) * len(came.at)) as step:
        played = [play(suite, met, came, terms, choice, step) for choice in choices]
        gathered = [play_windowed(suite, met, came, terms, Window(seconds, alone), step) for seconds in windows]
    return played + gathered


async def meetings(production: Production, suite: Suite, progress: Progress) -> tuple[list[Met], float]:
    """Return whom each message meets if everybody is free, and the roster's floor. Call after `learn_suite`."""
    index = production.index(suite.agents)
    floor = await production.floor(index)
    met = []
    with progress(f"{suite.name}: searching", len(suite.messages)) as step:
        for message in suite.messages:
            read = production.read(message.text)
            met.append(Met.of(find(index, read, max_idle=0), read.units, suite))
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
