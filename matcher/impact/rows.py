"""Rows of the comparison: what the ledger knows of a contact, and the columns that the statistics read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.impact.kinds import RETURNED_WITHIN, reading
from matcher.impact.sequence import Floats

BAND_EDGES: Final = (0.5, 0.65, 0.8)
BANDS: Final = ("below 0.50", "0.50 to 0.65", "0.65 to 0.80", "0.80 and above")
DAY_MS: Final = 86_400_000
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; weeks begin on Mondays."""


@dataclass(frozen=True, slots=True)
class ImpactRow:
    """A contact as the report reads it.

    at_ms: when it came. treated: None where it is outside the comparison, for the reason `outside`. probability: of the
    arm that was drawn. affine: the router's own choice would have been by affinity, whichever arm was drawn.
    affinity: of that choice. earlier: the means of the same customer's outcomes before this contact. assigned: a
    supervisor chose, and whether the router would have chosen the same agent.
    """

    pool: str
    at_ms: int
    treated: bool | None = None
    outside: str = ""
    probability: float = 1.0
    affine: bool = False
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


def columns(rows: Iterable[ImpactRow]) -> Columns:
    """Return rows of one pool as columns; every row has an arm."""
    ordered = sorted(rows, key=lambda row: row.at_ms)
    read = [readings(row.outcomes) for row in ordered]
    before = [readings(row.earlier) for row in ordered]
    if any("returned" in outcomes for outcomes in read):
        # Who is not said to have returned did not return.
        read = [{"returned": 0.0, **outcomes} for outcomes in read]
    kinds = sorted({kind for outcomes in read for kind in outcomes})
    return Columns(
        at_ms=np.array([row.at_ms for row in ordered], np.int64),
        treated=np.array([bool(row.treated) for row in ordered], np.bool_),
        weights=np.array([1 / row.probability for row in ordered], np.float64),
        band=np.digitize(np.array([row.affinity for row in ordered], np.float64), BAND_EDGES).astype(np.int64),
        waited_ms=_array(row.waited_ms for row in ordered),
        outcomes={kind: _array(outcomes.get(kind) for outcomes in read) for kind in kinds},
        earlier={kind: _array(outcomes.get(kind) for outcomes in before) for kind in kinds},
    )


def readings(outcomes: Mapping[str, float]) -> dict[str, float]:
    """Return what recorded outcomes count as, by kind."""
    read = {kind: reading(kind, value) for kind, value in outcomes.items() if kind != RETURNED_WITHIN}
    if RETURNED_WITHIN in outcomes:
        read["returned"] = 1.0
    return read


def _array(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
