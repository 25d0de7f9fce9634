"""What the checker says of a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Law(StrEnum):
    """What must not happen, by the name of its count."""

    LOST = "lost"
    SERVED_TWICE = "served_twice"
    OVERTAKEN = "overtaken_beyond_law"
    DRIFT = "capacity_drift"
    UNTOLD = "steps_untold"


@dataclass(frozen=True, slots=True)
class Breach:
    """One case in which a law was broken, with the ids that lead to it in the history."""

    law: Law
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The breaches of all laws, and what else can be said of the day."""

    breaches: tuple[Breach, ...]
    figures: dict[str, float | int | None] = field(default_factory=dict)

    def count(self, law: Law) -> int:
        """Return how often a law was broken."""
        return sum(one.law is law for one in self.breaches)

    @property
    def clean(self) -> bool:
        """Whether no law was broken."""
        return not self.breaches

    def counts(self) -> dict[str, int]:
        """Return the count of each law."""
        return {law.value: self.count(law) for law in Law}
