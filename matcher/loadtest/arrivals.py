"""When requests are due: a Poisson process with a rate that may change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.loadtest.plan import Ramp

Seconds = NDArray[np.float64]


def arrivals(ramp: Ramp, seed: Sequence[int]) -> Seconds:
    """Return the times of a Poisson process with the ramp's rate, ascending, seconds from its start, [requests].

    Arrivals of rate one are drawn on the axis of the expected count, and each is moved to the time at which the count
    is expected (inversion: Cinlar, Introduction to Stochastic Processes, 1975, section 4.7).
    """
    chance = np.random.default_rng(list(seed))
    chunk = int(ramp.expected + 10 * np.sqrt(ramp.expected) + 10)
    counts = np.cumsum(chance.exponential(size=chunk))
    while counts[-1] < ramp.expected:
        counts = np.concatenate((counts, counts[-1] + np.cumsum(chance.exponential(size=chunk))))
    return _when(ramp, counts[counts < ramp.expected])


def _when(ramp: Ramp, counts: Seconds) -> Seconds:
    """Return when each count is expected: the root of first·t + (last - first)·t²/(2·seconds) = count."""
    slope = (ramp.last - ramp.first) / ramp.seconds
    # This form of the root loses no digits where the slope is small, and holds where it is 0.
    return 2 * counts / (ramp.first + np.sqrt(ramp.first**2 + 2 * slope * counts))
