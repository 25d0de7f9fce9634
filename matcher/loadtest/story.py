"""Whether the client's counts and the service's metrics tell the same story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matcher.loadtest.service_metrics import ServiceSaid
from matcher.loadtest.tally import Ending, Tally

UNKNOWN_FATE: Final = ("DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED", "UNKNOWN")
"""Codes after which the service may, or may not, have done the work: its count may exceed the client's by these."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that both counted. They agree when the service's count is the client's, plus at most `unsure`."""

    what: str
    client: int
    service: int
    unsure: int

    @property
    def agrees(self) -> bool:
        """Whether both can be right."""
        return self.client <= self.service <= self.client + self.unsure


def compare(total: Tally, said: ServiceSaid) -> Sequence[Line]:
    """Set the client's counts beside the service's: decisions by basis, unmatched, refusals by status code."""
    unsure = sum(total.codes[code] for code in UNKNOWN_FATE)
    held = total.endings[Ending.HELD]
    lines = [
        Line(f"held, basis {basis}", held[basis], said.held.get(basis, 0), unsure)
        for basis in sorted({*held, *said.held})
    ]
    lines.append(Line("unmatched", total.count(Ending.UNMATCHED), said.unmatched, unsure))
    codes = sorted({*total.codes, *said.codes}.difference(UNKNOWN_FATE, {"OK"}))
    lines += [Line(f"error, {code}", total.codes[code], said.codes.get(code, 0), unsure) for code in codes]
    return lines
