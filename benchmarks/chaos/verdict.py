"""The verdict of the checker: which laws were broken, how often, and in which cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Law(StrEnum):
    """What must hold of every history."""

    CAPACITY = "above capacity"
    GONE = "gone without being told"
    FENCE = "fence does not grow"
    LOST = "contact lost"
    TWICE = "served twice"
    OVERTAKEN = "overtaken"
    LEFT = "held at the end"
    TENANT = "another tenant's"
    UNTOLD = "step untold"
    ENDED = "ended by nobody"
    AWAY = "offered to who is away"
    AGAIN = "offered again to who declined"
    LATE = "duty late"
    HEALTH = "health untrue"
    UNKNOWN = "unknown error"
    LEDGER = "ledger differs"
    FORGOTTEN = "forgotten and still there"
    DELETED = "deleted and still there"
    REVOKED = "key counts wrongly"
    BOUND = "taken beyond the limit"
    UNREPORTED = "loss told late"


@dataclass(frozen=True, slots=True)
class Breach:
    """One case of a broken law."""

    law: Law
    what: str


@dataclass(frozen=True)
class Verdict:
    """All breaches, and how much was judged."""

    breaches: tuple[Breach, ...]
    claims: Mapping[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return the number of breaches of each law that was broken."""
        return dict(Counter(str(breach.law) for breach in self.breaches))

    def count(self, law: Law) -> int:
        """Return how often a law was broken."""
        return sum(breach.law is law for breach in self.breaches)
