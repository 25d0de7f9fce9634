"""Metrics of a match: pure functions of places, which count from 1 and are 0 for "not found"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

DEEPEST: Final = 10
"""The last place that the reciprocal rank counts."""

BINS: Final = 10
"""Bins of equal size of the reliability diagram: with a thousand messages a hundred each, so that the random error of
a bin (half-width 0.1 at most) stays below the calibration error that is measured."""

RESAMPLES: Final = 1_000
SEED: Final = 20_240_229


def recall(places: Places, at: int) -> Floats:
    """Return 1 for each message [messages] whose right agent is among the first `at`, else 0."""
    return ((places > 0) & (places <= at)).astype(np.float64)


def reciprocal_rank(places: Places) -> Floats:
    """Return 1 / place for each message [messages], 0 beyond the tenth (Voorhees 1999, MRR)."""
    counted = (places > 0) & (places <= DEEPEST)
    return np.where(counted, 1.0 / np.maximum(places, 1), 0.0)


def by_chance(agents: int, right: int, at: int) -> float:
    """Return the chance that at least one of `right` agents is among `at` drawn from `agents`."""
    at = min(at, agents)
    return 1.0 - math.comb(agents - right, at) / math.comb(agents, at)


def reciprocal_rank_by_chance(agents: int, right: int) -> float:
    """Return the expected `reciprocal_rank` in a random order."""
    orders = math.comb(agents, right)
    places = range(1, min(DEEPEST, agents) + 1)
    return sum(math.comb(agents - place, right - 1) / orders / place for place in places) if right else 0.0


def half_width(values: Floats, cluster: NDArray[np.int64]) -> float:
    """Return half the width of the 95 % interval of a mean, by a percentile bootstrap.

    The bootstrap draws clusters [messages], agents with all their messages, because the messages of one agent are not
    independent. The same values always give the same width.
    """
    if not len(values):
        return math.nan
    _, cluster = np.unique(cluster, return_inverse=True)
    count = int(cluster.max()) + 1
    sums = np.bincount(cluster, values, minlength=count)
    sizes = np.bincount(cluster, minlength=count)
    drawn = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    means = (drawn @ sums) / (drawn @ sizes)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(high - low) / 2


def bins(confidence: Floats, right: Truths) -> list[tuple[float, float, int]]:
    """Return (mean confidence, share right, messages) of up to ten bins of equal size, the least confident first."""
    order = np.argsort(confidence, kind="stable")
    pieces = np.array_split(order, min(BINS, len(order)) or 1)
    return [(float(confidence[piece].mean()), float(right[piece].mean()), len(piece)) for piece in pieces if len(piece)]


def calibration_error(confidence: Floats, right: Truths) -> float:
    """Return the expected calibration error (Naeini et al. 2015) over `bins`; NaN without messages."""
    pieces = bins(confidence, right)
    total = sum(size for *_, size in pieces)
    return sum(size * abs(mean - share) for mean, share, size in pieces) / total if total else math.nan


def auroc(confidence: Floats, right: Truths) -> float:
    """Return the probability that a right answer has more confidence than a wrong answer; a tie counts half.

    NaN without right or without wrong answers.
    """
    _, value, count = np.unique(confidence, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[value]
    positive = int(right.sum())
    negative = len(right) - positive
    if not positive or not negative:
        return math.nan
    return float((rank[right].sum() - positive * (positive + 1) / 2) / (positive * negative))


def busiest_share(decisions: NDArray[np.int64]) -> float:
    """Return the share of all decisions [agents] that the busiest 1 % of the agents, at least one, got."""
    total = int(decisions.sum())
    busiest = np.sort(decisions)[::-1][: math.ceil(len(decisions) / 100)]
    return float(busiest.sum() / total) if total else math.nan


def gini(amounts: Sequence[int] | NDArray[np.int64]) -> float:
    """Return the Gini coefficient of non-negative amounts: 0 if all are equal, near 1 if one has all; NaN for zeros."""
    ascending = np.sort(np.asarray(amounts, np.float64))
    total = ascending.sum()
    if not total:
        return math.nan
    places = np.arange(1, len(ascending) + 1)
    return float((2 * (places @ ascending) / total - len(ascending) - 1) / len(ascending))


def places_of(scores: Floats | NDArray[np.float32], right: Sequence[NDArray[np.int64]]) -> Places:
    """Return the place of each message's first right agent, by scores [messages, agents].

    Agents are ordered by descending score, then by position; a score of 0 or less counts as not found.
    """
    places = np.zeros(len(scores), np.int64)
    for number, (row, agents) in enumerate(zip(scores, right, strict=True)):
        if len(agents):
            best = agents[np.argmax(row[agents])]
            if row[best] > 0:
                places[number] = 1 + np.count_nonzero(row > row[best]) + np.count_nonzero(row[:best] == row[best])
    return places
