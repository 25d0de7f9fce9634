"""Words of the coverage page: what customers bring up, sorted by what a person can do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matcher.v1 import coverage_pb2 as pb

MOST_DRAWN: Final = 30
SIZE: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An interest or a theme. group: "unshared", "shared" or "theme"; width: of its bar, 0 to 1000."""

    name: str
    group: str
    contacts: int
    width: float
    sharing: str
    nobody_free: int
    week: str
    before: str
    rising: bool


@dataclass(frozen=True, slots=True)
class CoverageWords:
    """What the page says of a pool.

    unshared: interests that no agent shares. short: interests that agents share, none of whom was free. unasked: agents
    with the interests that too few customers bring up.
    """

    pool: str
    listening: bool
    period: str
    heard: str
    entries: tuple[Entry, ...]
    unshared: tuple[Entry, ...]
    short: tuple[Entry, ...]
    rising: tuple[Entry, ...]
    unasked: tuple[tuple[str, tuple[str, ...]], ...]


def coverage_words(report: pb.GetCoverageResponse) -> CoverageWords:
    """Return what the page says."""
    most = max((entry.contacts for entry in report.entries), default=0)
    entries = tuple(_entry(entry, most) for entry in report.entries)
    of_agents: defaultdict[str, list[str]] = defaultdict(list)
    for one in report.unasked:
        of_agents[one.agent.rpartition("/")[2]].append(one.display_name)
    return CoverageWords(
        pool=report.pool.rpartition("/")[2],
        listening=report.listening,
        period=f"{report.first_day} to {report.last_day}",
        heard=_heard(report),
        entries=entries,
        unshared=tuple(entry for entry in entries if entry.group == "unshared"),
        short=tuple(entry for entry in entries if entry.group == "shared" and entry.nobody_free),
        rising=tuple(entry for entry in entries if entry.rising),
        unasked=tuple((agent, tuple(names)) for agent, names in of_agents.items()),
    )


def drawn(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries that are drawn as bars."""
    return entries[:MOST_DRAWN]


def _heard(report: pb.GetCoverageResponse) -> str:
    if not report.contacts:
        return "No contact was listened to in this time."
    days = "one day" if report.days_heard == 1 else f"{report.days_heard} days"
    return f"About {report.contacts:,} contacts were listened to, on {days}."


def _entry(entry: pb.CoverageEntry, most: int) -> Entry:
    interest = entry.kind == pb.COVERAGE_KIND_INTEREST
    agents = entry.sharing_agents
    return Entry(
        name=entry.display_name,
        group="theme" if not interest else "shared" if agents else "unshared",
        contacts=entry.contacts,
        width=SIZE * entry.contacts / most if most else 0.0,
        sharing="" if not interest else "nobody" if not agents else "1 agent" if agents == 1 else f"{agents:,} agents",
        nobody_free=entry.nobody_free,
        week=f"{entry.this_week:,}" if entry.HasField("this_week") else "few",
        before=f"{entry.week_before:,}" if entry.HasField("week_before") else "few",
        rising=entry.rising,
    )
