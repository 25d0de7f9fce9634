"""The simulation of a contact center's day over a suite: which agents get the conversations under each strategy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from matcher.evaluation.day_ledger import Arrivals, DayLedger, DayResult, Terms
from matcher.evaluation.production import Production, Progress, search
from matcher.evaluation.strategies import Affinity, LongestIdle, Matches, Random, Staff, Strategy
from matcher.evaluation.suite import Suite
from matcher.evaluation.windowed_day import Window, simulate_windowed

SEED: Final = 20_240_229
NOISE: Final = 0.001
"""The difference of mean affinity that chance makes between two days of about ten thousand conversations."""

TOLERANCES: Final = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)


def draw_arrivals(agents: int, messages: int, terms: Terms, day: int = 0) -> Arrivals:
    """Draw a day's arrivals: a Poisson process, each arrival a message of the suite with equal probability."""
    random = np.random.default_rng((SEED, day))
    rate = terms.occupancy * agents * terms.capacity / terms.mean_minutes
    count = int(random.poisson(rate * terms.hours * 60))
    location = np.log(terms.mean_minutes) - terms.sigma**2 / 2
    return Arrivals(
        at=np.sort(random.uniform(0, terms.hours * 60, count)),
        minutes=random.lognormal(location, terms.sigma, count),
        message=random.integers(0, messages, count),
    )


async def compare_strategies(
    production: Production,
    suite: Suite,
    progress: Progress,
    terms: Terms,
    tolerances: Sequence[float] = TOLERANCES,
    windows: Sequence[float] = (),
) -> list[DayResult]:
    """Simulate the same day under affinity alone, affinity within tolerances, the longest idle, and chance.

    windows: matching windows in seconds, with the service's tolerance.
    """
    await production.encode_suite(suite, progress)
    matches = await match_messages(production, suite, progress)
    arrivals = draw_arrivals(len(suite.agents), len(suite.messages), terms)
    strategies: list[Strategy] = [
        Affinity(0.0),
        *(Affinity(tolerance) for tolerance in tolerances),
        LongestIdle(),
        Random(np.random.default_rng(SEED)),
    ]
    alone = Affinity(production.tolerance)
    with progress(f"{suite.name}: simulating the day", (len(strategies) + len(windows)) * len(arrivals.at)) as step:
        one_by_one = [simulate(suite, matches, arrivals, terms, strategy, step) for strategy in strategies]
        jointly = [
            simulate_windowed(suite, matches, arrivals, terms, Window(seconds, alone), step) for seconds in windows
        ]
    return one_by_one + jointly


async def match_messages(production: Production, suite: Suite, progress: Progress) -> list[Matches]:
    """Return each message's matches if all agents are free; call it after `encode_suite`."""
    index = production.index(suite.agents)
    floors = await production.floors_of(index)
    matches = []
    with progress(f"{suite.name}: searching", len(suite.messages)) as step:
        for message in suite.messages:
            encoded = production.read(message.text)
            found = search(index, encoded, max_free=0)
            matches.append(Matches.of(found, encoded.units, floors.of(encoded.language), suite))
            step()
    return matches


def simulate(
    suite: Suite,
    matches: Sequence[Matches],
    arrivals: Arrivals,
    terms: Terms,
    strategy: Strategy,
    step: Callable[[], None],
) -> DayResult:
    """Simulate one day within the agents' capacity; an arrival that finds no free agent is turned away."""
    ledger = DayLedger(suite, Staff.at_start(suite, terms.capacity))
    columns = (arrivals.at.tolist(), arrivals.minutes.tolist(), arrivals.message.tolist())
    for at, minutes, message in zip(*columns, strict=True):
        ledger.until(at)
        step()
        if ledger.staff.has_free_agent():
            agent = strategy.choose(matches[message], ledger.staff)
            ledger.start(agent, matches[message], message, at, minutes)
    return ledger.result(strategy.name, strategy.tolerance, len(arrivals.at))


def recommend(results: Sequence[DayResult]) -> float:
    """Return the tolerance with the largest fall of the Gini coefficient per affinity lost against affinity alone.

    A loss below `NOISE` counts as none (a day can even gain affinity, because agents in demand stay free). Of several
    tolerances without a loss the tolerance with the lowest Gini is the best. Returns 0 if no tolerance lowers the Gini.
    """
    alone = next(result for result in results if result.tolerance == 0)
    fairer = [result for result in results if result.tolerance and result.gini < alone.gini]
    if not fairer:
        return 0.0

    def worth(result: DayResult) -> tuple[float, float]:
        lost = alone.mean_affinity - result.mean_affinity
        fall = alone.gini - result.gini
        return (math.inf if lost < NOISE else fall / lost, fall)

    best = max(fairer, key=worth)
    assert best.tolerance is not None
    return best.tolerance
