"""Rows of the comparison: what the ledger knows of a contact, and the columns that the statistics read."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.impact.sequence import Floats
from matcher.model.outcome_kinds import RETURNED_WITHIN, reading

BAND_EDGES: Final = (0.5, 0.65, 0.8)
BANDS: Final = ("below 0.50", "0.50 to 0.65", "0.65 to 0.80", "0.80 and above")
DAY_MS: Final = 86_400_000
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; weeks begin on Mondays."""


@dataclass(frozen=True, slots=True)
class ImpactRow:
    """A contact as the report reads it.

    at_ms: when it came. treated: its arm; None where it is not of the main estimate, for the reason `outside`.
    probability: of the arm that was drawn. affinity: the best there was for it, whichever its arm. earlier:
    the means of the same customer's outcomes before this contact. assigned: a supervisor chose; same_agent: whether the
    router would have chosen that agent, None: not known.
    """

    pool: str
    at_ms: int
    treated: bool | None = None
    outside: str = ""
    probability: float = 1.0
    affinity: float = 0.0
    waited_ms: int | None = None
    outcomes: Mapping[str, float] = field(default_factory=dict)
    earlier: Mapping[str, float] = field(default_factory=dict)
    assigned: bool = False
    same_agent: bool | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The contacts of the main estimate as arrays, in the order in which they came.

    outcomes, earlier: by kind, NaN where a contact has none.
    """

    at_ms: NDArray[np.int64]
    treated: NDArray[np.bool_]
    weights: Floats
    band: NDArray[np.int64]
    waited_ms: Floats
    outcomes: Mapping[str, Floats]
    earlier: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.at_ms)

    @property
    def week(self) -> NDArray[np.int64]:
        """Return the Monday of each contact's week, in days since 1970-01-01 (UTC)."""
        days = self.at_ms // DAY_MS
        return days - (days + _EPOCH_WEEKDAY) % 7


class Gathering:
    """Contacts of the main estimate of one pool as they are read, in any order; a contact takes about 60 bytes."""

    def __init__(self) -> None:
        self._at_ms = array("q")
        self._treated = array("b")
        self._numbers = array("d")
        self._outcomes: dict[str, tuple[array[int], array[float]]] = {}
        self._earlier: dict[str, tuple[array[int], array[float]]] = {}

    def add(self, row: ImpactRow) -> None:
        """Add a contact that has an arm."""
        place = len(self._at_ms)
        self._at_ms.append(row.at_ms)
        self._treated.append(bool(row.treated))
        waited = math.nan if row.waited_ms is None else row.waited_ms
        self._numbers.extend((1 / row.probability, row.affinity, waited))
        _note(self._outcomes, place, readings(row.outcomes))
        _note(self._earlier, place, readings(row.earlier))

    def columns(self) -> Columns:
        """Return the contacts in the order in which they came."""
        at_ms = np.array(self._at_ms, np.int64)
        order = np.argsort(at_ms, kind="stable")
        weights, affinity, waited_ms = np.array(self._numbers, np.float64).reshape(-1, 3)[order].T
        outcomes = {kind: _spread(order, *self._outcomes[kind]) for kind in self._outcomes}
        if "returned" in outcomes:
            # Who is not said to have returned did not return.
            outcomes["returned"] = np.nan_to_num(outcomes["returned"])
        return Columns(
            at_ms=at_ms[order],
            treated=np.array(self._treated, np.bool_)[order],
            weights=weights,
            band=np.digitize(affinity, BAND_EDGES).astype(np.int64),
            waited_ms=waited_ms,
            outcomes=outcomes,
            earlier={kind: _spread(order, *self._earlier[kind]) for kind in self._earlier},
        )


def readings(outcomes: Mapping[str, float]) -> dict[str, float]:
    """Return what recorded outcomes count as, by kind."""
    read = {kind: reading(kind, value) for kind, value in outcomes.items() if kind != RETURNED_WITHIN}
    if RETURNED_WITHIN in outcomes:
        read["returned"] = 1.0
    return read


def _note(noted: dict[str, tuple[array[int], array[float]]], place: int, outcomes: Mapping[str, float]) -> None:
    for kind, value in outcomes.items():
        places, values = noted.setdefault(kind, (array("q"), array("d")))
        places.append(place)
        values.append(value)


def _spread(order: NDArray[np.int64], places: array[int], values: array[float]) -> Floats:
    """Return a value for each contact in their order, NaN where it has none."""
    whole = np.full(len(order), np.nan)
    whole[np.array(places, np.int64)] = values
    return whole[order]
