"""Plan of a comparison: how many contacts, and days, a difference needs until its interval leaves zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from matcher.impact.sequence import LEAST_OUTCOMES, multiplier
from matcher.model.impact import Plan

POWER_ERRORS: Final = 0.841621
"""Standard errors below the difference that leave the interval above zero in 80 % of comparisons."""
MOST_CONTACTS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Rates:
    """What a pool's contacts have been like.

    deviation: the standard deviation of an outcome. answered: the share of contacts with one. control_share: of the
    contacts that take part. contacts_a_day: that take part.
    """

    deviation: float
    answered: float
    control_share: float
    contacts_a_day: float


def plan(effect: float, rates: Rates) -> Plan:
    """Return what it takes to show a difference of `effect` with 80 % probability at these rates."""
    if not effect or not rates.answered or not 0 < rates.control_share < 1:
        return Plan(effect, None, None)
    least = LEAST_OUTCOMES / (min(rates.control_share, 1 - rates.control_share) * rates.answered)

    def shown(contacts: float) -> bool:
        error, m = _error(contacts, rates)
        return error * (float(multiplier(np.array(m))) + POWER_ERRORS) <= abs(effect)

    contacts = _least(shown, math.ceil(least))
    if contacts is None or not rates.contacts_a_day:
        return Plan(effect, contacts, None)
    return Plan(effect, contacts, math.ceil(contacts / rates.contacts_a_day))


def contacts_to_settle(difference: float, error: float, m: float, contacts: int) -> int | None:
    """Return how many more contacts bring the interval off zero if the difference stays; None: a hundred times as many.

    error: the difference's standard error at m, after that number of contacts.
    """

    def settled(all_contacts: float) -> bool:
        growth = all_contacts / contacts
        return error / math.sqrt(growth) * float(multiplier(np.array(m * growth))) < abs(difference)

    needed = _least(settled, contacts, 100 * contacts)
    return None if needed is None else _rounded(needed - contacts)


def _error(contacts: float, rates: Rates) -> tuple[float, float]:
    outcomes = contacts * rates.answered
    m = outcomes * rates.control_share * (1 - rates.control_share)
    return rates.deviation / math.sqrt(m), m


def _least(holds: Callable[[float], bool], low: int, high: int = MOST_CONTACTS) -> int | None:
    """Return the least whole number from `low` to `high` from which `holds` is true; None where there is none."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _rounded(count: int) -> int:
    """Round up to two digits: more would pretend to be known."""
    step: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step
