"""Outcomes: what became of contacts afterwards, which source outranks which, and corrections with their history.

Pure. No decision reads an outcome: an import contract keeps this module from the packages that decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

import msgspec

AGENT_SOURCE: Final = "agent"
"""The source of what CompleteReservation reports; every other source outranks it."""
PRAISE: Final = "praise"
METRIC: Final = "metrics."
"""What the kind of a number of the platform's own begins with; its name follows."""


class Kind(StrEnum):
    """A kind of outcome; a number of the platform's own has the kind "metrics.<name>"."""

    RESOLVED = "resolved"
    """1 or 0."""
    CSAT = "csat"
    """1 to 5; the rating of CompleteReservation is one."""
    NPS = "nps"
    """0 to 10."""
    RECOMMENDED = "recommended"
    """A Recommendation."""
    RETURNED_WITHIN = "returned_within"
    """Seconds until the customer came back."""


class Recommendation(IntEnum):
    """What a customer was seen to say of the service to others."""

    WARNED = -1
    NEITHER = 0
    PROMOTED = 1


MOST_BAD: Final[Mapping[str, float]] = {Kind.RESOLVED: 0, Kind.CSAT: 2, Kind.NPS: 6, Kind.RECOMMENDED: -1}
"""By kind the highest value that is criticism."""


class Outcome(msgspec.Struct, frozen=True):
    """One value of one kind, as one source gave it.

    observed_ms: when it was observed, recorded_ms: when the service was told; by the store's clock. place: where a
    recommendation was seen.
    """

    source: str
    kind: str
    value: float
    observed_ms: int
    recorded_ms: int = 0
    place: str = ""

    @property
    def is_criticism(self) -> bool:
        """Whether the customer says that the service was not good."""
        return self.kind in MOST_BAD and self.value <= MOST_BAD[self.kind]

    def says_the_same(self, other: Outcome) -> bool:
        """Return whether another outcome of the same source and kind changes nothing, whenever it was observed."""
        return self.value == other.value and self.place == other.place


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a contact: its id may be given again when its record is gone."""

    contact: str
    born_ms: int


@dataclass(frozen=True, slots=True)
class AskedLife:
    """A life that is asked for. born_ms None: the contact's latest that had begun at `by_ms`, None: the latest."""

    contact: str
    born_ms: int | None
    by_ms: int | None


@dataclass(frozen=True, slots=True)
class LedgerLife:
    """A life that the ledger knows. customer: the digest of the handle; agent: who accepted the contact last."""

    life: Life
    customer: str
    agent: str


@dataclass(frozen=True, slots=True, repr=False)
class OutcomeWrite:
    """What a caller records of a contact. born_ms None: of the latest life that had begun by then. Never logged.

    observed_ms: when the source observed it all; None: now. An outcome with the observed_ms 0 was observed then, too.
    praise "": none.
    """

    contact: str
    born_ms: int | None
    observed_ms: int | None
    outcomes: tuple[Outcome, ...]
    source: str
    praise: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeRecorded:
    """What a record changed: the kinds that were new or corrected, those that were known, and whom the praise is of.

    Praise is a kind of its own there, PRAISE.
    """

    life: Life
    recorded: tuple[str, ...]
    unchanged: tuple[str, ...]
    praised: str = ""


@dataclass(frozen=True, slots=True)
class ContactOutcomes:
    """All outcomes of a contact's life, in the order in which they were recorded, those that were corrected too."""

    life: Life
    outcomes: tuple[Outcome, ...]


def corrects(before: Outcome | None, now: Outcome) -> bool:
    """Return whether an outcome is to be recorded beside the last one of its source and kind; None: it is the first."""
    return before is None or not before.says_the_same(now)


def current(history: Iterable[Outcome]) -> dict[tuple[str, str], Outcome]:
    """Return the last outcome of each source and kind. history: in the order in which they were recorded."""
    return {(outcome.source, outcome.kind): outcome for outcome in history}


def standing(history: Iterable[Outcome]) -> dict[str, Outcome]:
    """Return the outcome of each kind that counts. history: in the order in which they were recorded.

    Every other source outranks the agent; among the others the outcome that was recorded last counts.
    """
    counts: dict[str, Outcome] = {}
    for outcome in history:
        before = counts.get(outcome.kind)
        if before is None or outcome.source != AGENT_SOURCE or before.source == AGENT_SOURCE:
            counts[outcome.kind] = outcome
    return counts


def without_repeats(history: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return a history without what changed nothing, in its order: the same twice, from a file imported twice."""
    last: dict[tuple[str, str], Outcome] = {}
    kept = []
    for outcome in history:
        if corrects(last.get((outcome.source, outcome.kind)), outcome):
            last[outcome.source, outcome.kind] = outcome
            kept.append(outcome)
    return tuple(kept)


def facts_of(outcome: Outcome) -> str:
    """Return what the outbox holds of an outcome, 'name=value;' one after another, but for when it was observed."""
    place = f"place={outcome.place};" if outcome.place else ""
    return f"source={outcome.source};outcome={outcome.kind};value={outcome.value!r};{place}"
