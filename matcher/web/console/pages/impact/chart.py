"""Charts of the impact page, as shapes in a box of 0 to 1000 by 0 to 1000: the server draws, the page stretches.

Labels stand beside the box and not in it, so that they stay readable however wide the page is; ticks are evenly spaced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from matcher.v1 import impact_pb2 as pb

SIZE: Final = 1000.0
STEPS: Final = 4
"""Spaces between the ticks of an axis."""
ROUND: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)


@dataclass(frozen=True, slots=True)
class PathChart:
    """The path of a difference by day.

    area: the interval, as points of a polygon. line: the difference, as points. zero: the height of no difference.
    ticks: the labels of the heights, from the top. days: the first day, the middle and the last. settled: where the
    interval left zero for the first time, and that day, or None.
    """

    area: str
    line: str
    zero: float
    ticks: tuple[str, ...]
    days: tuple[str, str, str]
    settled: tuple[float, str] | None


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval in a row of its own: from low to high, and the difference between them; None: too few outcomes."""

    name: str
    outcomes: int
    low: float | None
    high: float | None
    middle: float | None


@dataclass(frozen=True, slots=True)
class BandChart:
    """The difference by band of affinity. zero: the place of no difference; ticks: labels from the left."""

    rows: tuple[Whisker, ...]
    zero: float
    ticks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis with evenly spaced ticks, from low to high."""

    low: float
    high: float
    ticks: tuple[str, ...]

    def at(self, value: float) -> float:
        """Return the place of a value, 0 at the low end."""
        return SIZE * (value - self.low) / (self.high - self.low)


def axis(values: Sequence[float]) -> Axis:
    """Return an axis that holds zero and all values, with round ticks."""
    low, high = min(0.0, *values), max(0.0, *values)
    rough = max((high - low) / STEPS, 1e-9)
    scale = 10.0 ** math.floor(math.log10(rough))
    for step in (scale * one for one in (*ROUND, 15.0, 20.0)):
        first = math.floor(low / step) * step
        if step >= rough and first + STEPS * step >= high:
            break
    marks = [first + place * step for place in range(STEPS + 1)]
    digits = max(0, 1 - math.floor(math.log10(step)))
    return Axis(marks[0], marks[-1], tuple(_label(mark, digits) for mark in marks))


def path_of(days: Sequence[pb.DifferenceOf], factor: float) -> PathChart | None:
    """Return the chart of a difference by day; None where fewer than two days have an interval."""
    shown = [day for day in days if day.difference.HasField("low")]
    if len(shown) < 2:
        return None
    dates = [date.fromisoformat(day.name).toordinal() for day in shown]
    lows = [day.difference.low * factor for day in shown]
    highs = [day.difference.high * factor for day in shown]
    middles = [day.difference.difference * factor for day in shown]
    height = axis([*lows, *highs])
    across = [SIZE * (day - dates[0]) / (dates[-1] - dates[0]) for day in dates]
    first = next((n for n, (low, high) in enumerate(zip(lows, highs, strict=True)) if low > 0 or high < 0), None)
    middle = date.fromordinal((dates[0] + dates[-1]) // 2)

    def points(xs: Sequence[float], values: Sequence[float]) -> str:
        return " ".join(f"{x:.1f},{SIZE - height.at(value):.1f}" for x, value in zip(xs, values, strict=True))

    return PathChart(
        area=f"{points(across, highs)} {points(across[::-1], lows[::-1])}",
        line=points(across, middles),
        zero=SIZE - height.at(0),
        ticks=height.ticks[::-1],
        days=(shown[0].name, middle.isoformat(), shown[-1].name),
        settled=None if first is None else (across[first], shown[first].name),
    )


def bands_of(bands: Sequence[pb.DifferenceOf], factor: float) -> BandChart | None:
    """Return the chart of the differences by band; None where no band has an interval."""
    known = [band.difference for band in bands if band.difference.HasField("low")]
    if not known:
        return None
    width = axis([end * factor for one in known for end in (one.low, one.high)])

    def whisker(band: pb.DifferenceOf) -> Whisker:
        found = band.difference
        outcomes = found.treatment_outcomes + found.control_outcomes
        if not found.HasField("low"):
            return Whisker(band.name, outcomes, None, None, None)
        low, high, middle = (width.at(end * factor) for end in (found.low, found.high, found.difference))
        return Whisker(band.name, outcomes, low, high, middle)

    return BandChart(tuple(map(whisker, bands)), width.at(0), width.ticks)


def _label(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    plain = text.rstrip("0").rstrip(".") if "." in text else text
    return plain if float(plain) else "0"
