"""Double of the service of the impact report: a real report of contacts whose truth is known."""

# ruff: noqa: D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from functools import cache

import numpy as np

from matcher.impact.report import report
from matcher.impact.rows import DAY_MS, ImpactRow
from matcher.model.impact import ImpactReport, ImpactRequest, LedgerGap
from tests.rpc.double import Double

MONDAY_MS = 1_793_577_600_000
"""2026-11-02, 0:00 UTC."""


@cache
def four_weeks() -> ImpactReport:
    """Return the report of 4,000 contacts of four weeks, with ten planted points of `resolved` and a gap."""
    random = np.random.default_rng(4)
    rows = [
        ImpactRow(
            pool="default",
            at_ms=MONDAY_MS + number * 28 * DAY_MS // 4000,
            treated=bool(number % 10 < 7),
            probability=0.7 if number % 10 < 7 else 0.3,
            affinity=float(random.uniform(0.4, 0.9)),
            waited_ms=int(random.exponential(9_000)),
            outcomes={
                "resolved": float(random.random() < (0.8 if number % 10 < 7 else 0.7)),
                **({"nps": float(random.integers(0, 11))} if random.random() < 0.1 else {}),
            },
        )
        for number in range(4000)
    ]
    rows += [ImpactRow("default", MONDAY_MS, outside="PREFERRED")] * 3
    rows.append(
        ImpactRow("default", MONDAY_MS, outside="ASSIGNED", assigned=True, same_agent=False, outcomes={"csat": 4})
    )
    gap = LedgerGap(MONDAY_MS + DAY_MS, MONDAY_MS + DAY_MS + 1_000, 17)
    return ImpactReport(MONDAY_MS, MONDAY_MS + 28 * DAY_MS, report(rows, {"resolved": 0.02}), (gap,))


class ImpactDouble(Double):
    """Reports four weeks."""

    async def report(self, site: str, request: ImpactRequest) -> ImpactReport:
        arguments = (site, request.from_ms, request.to_ms, request.pool, dict(request.wanted))
        return self.record("report", four_weeks(), *arguments)
