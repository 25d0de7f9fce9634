"""The verdict of the checker on a day: the breaches of each law, and the figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Law(StrEnum):
    """A law, by the name of the count of its breaches."""

    LOST = "lost"
    SERVED_TWICE = "served_twice"
    OVERTAKEN = "overtaken_beyond_law"
    DRIFT = "capacity_drift"
    UNTOLD = "steps_untold"


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach of a law; `what` has the ids to find it in the history."""

    law: Law
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The breaches of all laws, and the figures of the day."""

    breaches: tuple[Breach, ...]
    figures: dict[str, float | int | None] = field(default_factory=dict)

    def count(self, law: Law) -> int:
        """Return the number of breaches of a law."""
        return sum(breach.law is law for breach in self.breaches)

    @property
    def clean(self) -> bool:
        """Whether no law was broken."""
        return not self.breaches

    def counts(self) -> dict[str, int]:
        """Return the count of each law."""
        return {law.value: self.count(law) for law in Law}
