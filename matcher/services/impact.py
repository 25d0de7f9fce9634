"""The impact report: what the ledger knows of a site's comparison, in figures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from matcher.errors import FieldsInvalid, FieldViolation
from matcher.impact.report import report
from matcher.impact.rows import ImpactRow
from matcher.ledger.reader import ContactLife, LedgerReader
from matcher.model.basis import Basis
from matcher.model.comparison import Arm, Part
from matcher.model.impact import ImpactReport, ImpactRequest, LedgerGap
from matcher.replica.site_registry import SiteRegistry
from matcher.services.ledger import Ledger
from matcher.store.clock import Clocks

DEFAULT_MS: Final = 90 * 86_400_000
"""The time of a report that names no beginning."""
MOST_CONTACTS: Final = 2_000_000
"""Contacts of a report: half a minute, and about 200 MB while it is made."""
SLICE: Final = 500
PAUSE_SECONDS: Final = 0.01
"""After each slice, which is 5 ms of work: a report takes at most a third of the interpreter from routes."""

NO_COMPARISON: Final = "NO_COMPARISON"
"""Why a contact is outside: no arm was drawn, since its pool compared nothing then."""
NEVER_OFFERED: Final = "NEVER_OFFERED"
"""Why a contact is outside: no decision chose an agent for it."""


class ImpactService:
    """Report what the comparison shows. Raises MatcherErrors: LedgerOff, LedgerAway, those of the store."""

    def __init__(self, ledger: Ledger, sites: SiteRegistry, clocks: Clocks) -> None:
        self._ledger = ledger
        self._sites = sites
        self._clocks = clocks

    async def report(self, site: str, request: ImpactRequest) -> ImpactReport:
        """Report the differences between the arms, by pool and outcome.

        Raises PoolNotFound where the pool neither exists nor has a contact in that time, FieldsInvalid where there are
        more than MOST_CONTACTS.
        """
        replica = await self._sites.replica(site)
        to_ms = self._clocks.of(site).now_ms() if request.to_ms is None else request.to_ms
        from_ms = max(1, to_ms - DEFAULT_MS) if request.from_ms is None else request.from_ms
        found = await self._ledger.read(partial(_report, replica.life, from_ms, to_ms, request))
        if request.pool and not found.pools:
            await replica.pools.pool(request.pool)
        return found


def _report(uid: str, from_ms: int, to_ms: int, request: ImpactRequest, reader: LedgerReader) -> ImpactReport:
    lives = reader.lives(uid, pool=request.pool, from_ms=from_ms, to_ms=to_ms, earlier=True)
    pools = report((row_of(life, request.basis) for life in _unhurried(lives)), request.wanted)
    gaps = (LedgerGap(gap.from_ms, gap.to_ms, gap.lost) for gap in reader.gaps(uid, from_ms, to_ms))
    return ImpactReport(from_ms, to_ms, pools, tuple(gaps))


def _unhurried(lives: Iterable[ContactLife]) -> Iterator[ContactLife]:
    """Yield lives, with pauses for the event loop; raise FieldsInvalid where there are too many."""
    for number, life in enumerate(lives, 1):
        if number > MOST_CONTACTS:
            said = f"takes in more than {MOST_CONTACTS:,} contacts: name a later time, or a pool"
            raise FieldsInvalid([FieldViolation("start_time", said)])
        yield life
        if number % SLICE == 0:
            time.sleep(PAUSE_SECONDS)


def row_of(life: ContactLife, basis: Basis = Basis.AFFINITY) -> ImpactRow:
    """Return a contact as the statistics read it.

    The main estimate is over the contacts that took part and whose choice would have been by `basis` in either arm.
    The bands are by the best affinity there was, which does not depend on the arm, as that of the agent does.
    """
    outside = _outside(life, basis)
    treated = None if outside else life.arm == Arm.TREATMENT
    is_known = life.part == Part.ASSIGNED and life.would_be_agent and life.agent
    return ImpactRow(
        pool=life.pool,
        at_ms=life.born_ms,
        treated=treated,
        outside=outside,
        probability=life.probability or 1.0,
        affinity=life.best_affinity or 0.0,
        waited_ms=life.waited_ms,
        outcomes=life.outcomes,
        earlier=life.earlier,
        assigned=life.assigned_by_hand > 0,
        same_agent=life.would_be_agent == life.agent if is_known else None,
    )


def _outside(life: ContactLife, basis: Basis) -> str:
    """Return why a contact is not of the main estimate; "" where it is."""
    if life.part is not None and life.part != Part.TOOK_PART:
        return life.part
    if life.arm is None:
        return NO_COMPARISON
    if life.part is None:
        return NEVER_OFFERED
    return "" if life.would_be_basis == basis else life.would_be_basis or Basis.FALLBACK
