"""CUPED: outcomes less what the same customer's earlier outcomes foretold: a narrower interval about the same truth.

A. Deng, Y. Xu, R. Kohavi, T. Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data", WSDM 2013. What was observed before the contact cannot depend on its arm, so that subtracting a
multiple of it changes neither arm's expected mean against the other's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from matcher.impact.sequence import Floats

LEAST_KNOWN: Final = 100
"""Contacts with an earlier outcome below which nothing is adjusted: the slope would be noise."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Outcomes after the adjustment; known: how many contacts had an earlier outcome; explained: the variance taken."""

    values: Floats
    known: int
    explained: float


def adjusted(values: Floats, earlier: Floats) -> Adjusted | None:
    """Return the outcomes adjusted by the customers' earlier ones; None where too few are known, or all are alike.

    earlier: the mean of the same customer's earlier outcomes, NaN where none is known: such contacts stay as they are.
    """
    known = ~np.isnan(earlier)
    count = int(known.sum())
    if count < LEAST_KNOWN:
        return None
    before, after = earlier[known], values[known]
    centered = before - before.mean()
    if not (spread := float(centered @ centered)):
        return None
    slope = float(centered @ (after - after.mean())) / spread
    changed = values.copy()
    changed[known] -= slope * centered
    variance = float(values.var())
    return Adjusted(changed, count, 1 - float(changed.var()) / variance if variance else 0.0)
