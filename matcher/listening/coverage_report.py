"""Coverage report: of the counts of days what may be shown, what rises, and whose interests nobody asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.listening.listened_entries import Listened
from matcher.model.coverage import Coverage, Covered, EntryKind, Unasked
from matcher.store.listening import HeardDay

LEAST_CUSTOMERS: Final = 10
"""What fewer customers brought up on a day is not shown of that day alone."""
STEP: Final = 5
WEEK: Final = 7
RISES: Final = 3.0
"""Deviations by which an entry's share of contacts must be higher than before: of a thousand entries one seems to."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which agents of a pool share which entries, by the entries' keys."""

    agents: Mapping[str, Sequence[str]]


def coverage(
    pool: str,
    days: Sequence[HeardDay],
    period: tuple[int, int],
    entries: Iterable[Listened],
    sharing: Sharing,
    *,
    listening: bool,
) -> Coverage:
    """Return what may be shown of a pool's days.

    period: the first and the last day. An entry is shown where on one day at least ten customers brought it up: people
    of two days cannot be told apart, so that no sum of days says how many there were.
    """
    first, last = period
    known = {entry.key: entry for entry in entries}
    shown = [
        _covered(known[key], days, last, sharing)
        for key in dict.fromkeys(key for day in days for key in day.entries)
        if key in known and _enough(days, key)
    ]
    shown.sort(key=lambda entry: (-entry.contacts, entry.kind, entry.id))
    asked = {entry.id for entry in shown if entry.kind is EntryKind.INTEREST}
    unasked = sorted(
        (
            Unasked(agent, known[key].id, known[key].name)
            for key, agents in sharing.agents.items()
            if shown and key in known and known[key].kind is EntryKind.INTEREST
            for agent in agents
        ),
        key=lambda one: (one.agent, one.id),
    )
    return Coverage(
        pool,
        first,
        last,
        rounded(sum(day.contacts for day in days)),
        len(days),
        listening,
        tuple(shown),
        tuple(one for one in unasked if one.id not in asked),
    )


def rounded(count: float) -> int:
    """Return a count rounded to 5."""
    return STEP * math.floor(count / STEP + 0.5)


def _covered(entry: Listened, days: Sequence[HeardDay], last: int, sharing: Sharing) -> Covered:
    now = [day for day in days if day.day > last - WEEK]
    before = [day for day in days if day.day <= last - WEEK]
    counts = [day.entries[entry.key] for day in days if entry.key in day.entries]
    nobody_free = sum(count.nobody_free for count in counts)
    weeks = len({(last - day.day) // WEEK for day in before})
    return Covered(
        entry.kind,
        entry.id,
        entry.name,
        rounded(sum(count.contacts for count in counts)),
        rounded(max(count.people for count in counts)),
        len(sharing.agents.get(entry.key, ())),
        rounded(nobody_free) if nobody_free >= LEAST_CUSTOMERS else 0,
        rounded(_contacts(now, entry.key)) if _enough(now, entry.key) else None,
        rounded(_contacts(before, entry.key) / weeks) if weeks and _enough(before, entry.key) else None,
        _rises(now, before, entry.key),
    )


def _enough(days: Sequence[HeardDay], key: str) -> bool:
    return any(key in day.entries and day.entries[key].people >= LEAST_CUSTOMERS for day in days)


def _contacts(days: Sequence[HeardDay], key: str) -> int:
    return sum(day.entries[key].contacts for day in days if key in day.entries)


def _rises(now: Sequence[HeardDay], before: Sequence[HeardDay], key: str) -> bool:
    """Return whether an entry's share of contacts is higher than before by more than chance explains."""
    all_now, all_before = sum(day.contacts for day in now), sum(day.contacts for day in before)
    if not all_before or not _enough(now, key):
        return False
    this, that = _contacts(now, key), _contacts(before, key)
    share = (this + that) / (all_now + all_before)
    deviation = math.sqrt(share * (1 - share) * (1 / all_now + 1 / all_before))
    return deviation > 0 and this / all_now - that / all_before >= RISES * deviation
