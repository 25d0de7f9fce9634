"""The comparison of the client's counts with the service's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matcher.loadtest.service_metrics import ServiceFigures
from matcher.loadtest.tally import Ending, Tally

UNKNOWN_FATE: Final = ("DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED", "UNKNOWN")
"""Codes after which the service may have done the work or not, so that its count may exceed the client's by these."""


@dataclass(frozen=True, slots=True)
class ComparedCount:
    """A count of the client and of the service; they agree if the service's is larger by 0 to `unsure`."""

    what: str
    client: int
    service: int
    unsure: int

    @property
    def agrees(self) -> bool:
        """Whether both counts can be right."""
        return self.client <= self.service <= self.client + self.unsure


def compare(total: Tally, figures: ServiceFigures) -> Sequence[ComparedCount]:
    """Compare the client's counts with the service's: decisions by basis, unmatched messages, errors by status code."""
    unsure = sum(total.codes[code] for code in UNKNOWN_FATE)
    held = total.endings[Ending.HELD]
    counts = [
        ComparedCount(f"held, basis {basis}", held[basis], figures.held.get(basis, 0), unsure)
        for basis in sorted({*held, *figures.held})
    ]
    counts.append(ComparedCount("unmatched", total.count(Ending.UNMATCHED), figures.unmatched, unsure))
    codes = sorted({*total.codes, *figures.codes}.difference(UNKNOWN_FATE, {"OK"}))
    counts += [ComparedCount(f"error, {code}", total.codes[code], figures.codes.get(code, 0), unsure) for code in codes]
    return counts
