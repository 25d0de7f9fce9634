"""The picture of the map: dots, heat, gaps and labels at places in the drawing, made of the API's answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.v1.coverage_pb2 import COVERAGE_KIND_INTEREST, CoverageEntry
from matcher.v1.roster_pb2 import InterestMap, MappedEntry

WIDTH: Final = 1000.0
HEIGHT: Final = 760.0
MARGIN: Final = 40.0
LABELS: Final = 60
GAPS: Final = 14
"""Gaps that are labelled whatever stands beside them, unless a larger gap does."""
LETTER: Final = 6.2
LINE: Final = 14.0
LARGEST: Final = 46.0
"""The radius of what is brought up most."""


@dataclass(frozen=True, slots=True)
class Dot:
    """An interest of agents."""

    x: float
    y: float
    r: float
    text: str
    near: str
    names: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Heat:
    """What customers bring up; gap: nobody of the pool shares it."""

    x: float
    y: float
    r: float
    name: str
    contacts: int
    sharing: int
    gap: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A word in the drawing."""

    x: float
    y: float
    text: str
    gap: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn. unplaced: what is brought up and has no place, because the site's own list has it."""

    dots: tuple[Dot, ...]
    heat: tuple[Heat, ...]
    labels: tuple[Label, ...]
    unplaced: tuple[str, ...]

    @property
    def gaps(self) -> tuple[Heat, ...]:
        """What customers bring up and nobody shares, the most often first."""
        return tuple(one for one in self.heat if one.gap)


def at(x: float, y: float) -> tuple[float, float]:
    """Return the place in the drawing of a place in the map: -1 to 1, upwards."""
    across = MARGIN + (x + 1) / 2 * (WIDTH - 2 * MARGIN)
    down = MARGIN + (1 - y) / 2 * (HEIGHT - 2 * MARGIN)
    return round(min(max(across, 4.0), WIDTH - 4), 1), round(min(max(down, 4.0), HEIGHT - 4), 1)


def picture(drawn: InterestMap, entries: Iterable[CoverageEntry]) -> Picture:
    """Return the picture of a map, with what customers bring up."""
    known = {entry.entry: entry for entry in drawn.entries}
    brought = [entry for entry in entries if entry.kind == COVERAGE_KIND_INTEREST]
    most = max((entry.contacts for entry in brought), default=1) or 1
    heat = tuple(_heat(entry, known[entry.entry], most) for entry in brought if entry.entry in known)
    dots = []
    for one in drawn.interests:
        x, y = at(one.x, one.y)
        near = known[one.entry].display_name if one.entry in known else ""
        names = tuple(agent.rpartition("/")[2] for agent in one.agents)
        dots.append(
            Dot(
                x,
                y,
                round(2.6 + min(math.log2(max(one.agent_count, 1)), 6), 1),
                one.interest,
                near,
                names,
                one.agent_count,
            )
        )
    return Picture(
        tuple(dots),
        heat,
        labels(heat, drawn.entries),
        tuple(entry.display_name for entry in brought if entry.entry not in known),
    )


def labels(heat: Sequence[Heat], entries: Iterable[MappedEntry]) -> tuple[Label, ...]:
    """Return the words of the drawing, none over another: gaps, then regions that people love."""
    wanted = [Label(one.x, one.y, one.name, gap=True) for one in heat if one.gap][:GAPS]
    wanted += [Label(one.x, one.y, one.name, gap=False) for one in heat if not one.gap][:GAPS]
    for entry in sorted(entries, key=lambda one: (-one.agent_count, one.entry)):
        wanted.append(Label(*at(entry.x, entry.y), entry.display_name, gap=False))
    placed: list[Label] = []
    for label in wanted:
        if len(placed) == LABELS:
            break
        if all(_apart(label, other) for other in placed):
            placed.append(label)
    return tuple(placed)


def _heat(entry: CoverageEntry, place: MappedEntry, most: int) -> Heat:
    x, y = at(place.x, place.y)
    radius = round(8 + (LARGEST - 8) * math.sqrt(entry.contacts / most), 1)
    return Heat(x, y, radius, entry.display_name, entry.contacts, entry.sharing_agents, not entry.sharing_agents)


def _apart(one: Label, other: Label) -> bool:
    wide = (len(one.text) + len(other.text)) / 2 * LETTER + 8
    return abs(one.x - other.x) > wide or abs(one.y - other.y) > LINE + 2
