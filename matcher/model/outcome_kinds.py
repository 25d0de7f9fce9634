"""Kinds of outcomes: the range of their values, and the unit in which a difference is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROMOTER: Final = 9
DETRACTOR: Final = 6


@dataclass(frozen=True, slots=True)
class Kind:
    """How an outcome is read.

    low, high: the least and the greatest value, None where there is none. factor: what a value is multiplied with for
    people to read. unit: the word after the number. digits: after the point, None: three in all. wanted: the difference
    that a plan is made for by default, as people read it.
    """

    low: float | None = None
    high: float | None = None
    factor: float = 1.0
    unit: str = ""
    digits: int | None = None
    wanted: float | None = None

    @property
    def ends(self) -> tuple[float, float] | None:
        """Return the least and the greatest value, None where there is none."""
        return None if self.low is None or self.high is None else (self.low, self.high)


KINDS: Final[dict[str, Kind]] = {
    "resolved": Kind(0, 1, 100, "points", 1, 3),
    "csat": Kind(1, 5, 1, "", 2, 0.1),
    "nps": Kind(-1, 1, 100, "points", 1, 5),
    "recommended": Kind(-1, 1, 100, "points", 1, 5),
    "returned": Kind(0, 1, 100, "points", 1, 3),
}
"""`nps` is promoters less detractors: 1, 0 or -1 a customer. `returned` is made of returned_within."""

RETURNED_WITHIN: Final = "returned_within"
ANY_NUMBER: Final = Kind()


def kind_of(name: str) -> Kind:
    """Return how outcomes of a kind are read; a kind of the platform's own is any number."""
    return KINDS.get(name, ANY_NUMBER)


def reading(name: str, value: float) -> float:
    """Return what a recorded value counts as: an nps of 0 to 10 is 1 (a promoter), -1 (a detractor) or 0."""
    if name == "nps":
        return float(value >= PROMOTER) - float(value <= DETRACTOR)
    return value


def number(kind: str, value: float, *, signed: bool = True) -> str:
    """Return a value or a difference of a kind as people read it."""
    form = kind_of(kind)
    shown = value * form.factor
    if form.digits is None:
        return f"{shown:{'+' if signed else ''}.3g}"
    return f"{shown:{'+' if signed else ''}.{form.digits}f}"
