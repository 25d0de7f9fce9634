"""The times at which requests are due: a Poisson process whose rate may change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.loadtest.plan import Ramp

Seconds = NDArray[np.float64]


def arrivals(ramp: Ramp, seed: Sequence[int]) -> Seconds:
    """Return the times of a Poisson process with the ramp's rate, ascending, in seconds from its start, [requests].

    Arrivals of rate 1 are drawn on the axis of the expected count, and each is mapped to the time at which that count
    is expected (inversion: Cinlar, Introduction to Stochastic Processes, 1975, section 4.7).
    """
    rng = np.random.default_rng(list(seed))
    chunk = int(ramp.expected + 10 * np.sqrt(ramp.expected) + 10)
    counts = np.cumsum(rng.exponential(size=chunk))
    while counts[-1] < ramp.expected:
        counts = np.concatenate((counts, counts[-1] + np.cumsum(rng.exponential(size=chunk))))
    return _times_of(ramp, counts[counts < ramp.expected])


def _times_of(ramp: Ramp, counts: Seconds) -> Seconds:
    """Return the time at which each count is expected: the root of first·t + (last - first)·t²/(2·seconds) = count."""
    slope = (ramp.last - ramp.first) / ramp.seconds
    # This form of the root loses no digits where the slope is small, and is defined where the slope is 0.
    return 2 * counts / (ramp.first + np.sqrt(ramp.first**2 + 2 * slope * counts))
