"""Report of a comparison: from the ledger's contacts to the figures of each pool."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.impact.adjustment import adjusted
from matcher.impact.missing import missing, uneven_draw, worst_case
from matcher.impact.plan import Rates, contacts_to_settle, plan
from matcher.impact.rows import BANDS, DAY_MS, Columns, Gathering, ImpactRow, readings
from matcher.impact.sentence import sentence, warnings
from matcher.impact.sequence import Floats, Path, path
from matcher.model.impact import (
    Adjustment,
    Mark,
    OutcomeReport,
    OverrideOutcome,
    Overrides,
    PoolReport,
    Waits,
    WaitsByArm,
)
from matcher.model.outcome_kinds import KINDS, kind_of

_ORDER: Final = tuple(KINDS)


def report(rows: Iterable[ImpactRow], wanted: Mapping[str, float]) -> tuple[PoolReport, ...]:
    """Return the report of each pool, by name; wanted: differences to plan for, by kind, in the outcome's own unit."""
    pools: dict[str, _Pool] = defaultdict(_Pool)
    for row in rows:
        pools[row.pool].add(row)
    # A metric may be any number, and sums of the largest have no value: such a figure is left out (`_mark`), and numpy
    # has nothing to say on stderr.
    with np.errstate(all="ignore"):
        return tuple(pools[pool].report(pool, wanted) for pool in sorted(pools))


class _Pool:
    """The contacts of a pool."""

    def __init__(self) -> None:
        self._contacts = 0
        self._outside = Counter[str]()
        self._compared = Gathering()
        self._assigned: list[ImpactRow] = []

    def add(self, row: ImpactRow) -> None:
        """Add a contact."""
        self._contacts += 1
        if row.assigned:
            self._assigned.append(row)
        if row.treated is None:
            self._outside[row.outside] += 1
        else:
            self._compared.add(row)

    def report(self, pool: str, wanted: Mapping[str, float]) -> PoolReport:
        """Return the report of the contacts so far."""
        compared = self._compared.columns()
        span = int(compared.at_ms[-1] - compared.at_ms[0]) / DAY_MS if len(compared) else 0.0
        a_day = len(compared) / max(1.0, span)
        share = float((~compared.treated).mean()) if len(compared) else 0.0
        kinds = sorted(compared.outcomes, key=lambda kind: (_ORDER.index(kind) if kind in KINDS else len(_ORDER), kind))
        outcomes = tuple(_outcome(kind, compared, a_day, share, wanted) for kind in kinds)
        waits = _waits(compared)
        return PoolReport(
            pool=pool,
            contacts=self._contacts,
            compared=len(compared),
            outside=dict(sorted(self._outside.items())),
            contacts_a_day=a_day,
            control_share=share,
            outcomes=outcomes,
            waits=waits,
            overrides=_overrides(self._assigned),
            sentence=sentence(outcomes),
            warnings=warnings(outcomes, waits, uneven_draw(compared)),
        )


def _outcome(kind: str, contacts: Columns, a_day: float, share: float, wanted: Mapping[str, float]) -> OutcomeReport:
    form, values = kind_of(kind), contacts.outcomes[kind]
    said = ~np.isnan(values)
    along = _path(kind, contacts, said, values)
    mark = _mark(along)
    more = None
    if mark.low is not None and mark.difference is not None and not mark.settled:
        more = contacts_to_settle(mark.difference, float(along.error[-1]), float(along.m[-1]), len(contacts))
    effect = wanted.get(kind, form.wanted / form.factor if form.wanted is not None else 0.0)
    rates = Rates(float(values[said].std()), float(said.mean()), share, a_day)
    return OutcomeReport(
        kind=kind,
        mark=mark,
        adjustment=_adjustment(kind, contacts, said),
        bounds=worst_case(contacts, values, *form.ends) if form.ends and mark.difference is not None else None,
        missing=missing(contacts, values),
        bands=_cells(kind, contacts, said, contacts.band, BANDS.__getitem__),
        weeks=_cells(kind, contacts, said, contacts.week, _day_name),
        days=_days(along, contacts.at_ms[said]),
        more_contacts=more,
        plan=plan(effect, rates) if effect else None,
    )


def _path(kind: str, contacts: Columns, members: NDArray[np.bool_], values: Floats) -> Path:
    """Return the path of a kind's difference over some contacts."""
    return path(values[members], contacts.treated[members], contacts.weights[members], kind_of(kind).ends)


def _mark(along: Path, place: int = -1) -> Mark:
    if not len(along):
        return Mark(0, 0, None, None, None, None, None)
    return Mark(
        int(along.treatment[place]),
        int(along.control[place]),
        *(
            float(array[place]) if np.isfinite(array[place]) else None
            for array in (along.treatment_mean, along.control_mean, along.difference, along.low, along.high)
        ),
    )


def _adjustment(kind: str, contacts: Columns, said: NDArray[np.bool_]) -> Adjustment | None:
    earlier = contacts.earlier.get(kind)
    after = None if earlier is None else adjusted(contacts.outcomes[kind][said], earlier[said])
    if after is None:
        return None
    along = path(after.values, contacts.treated[said], contacts.weights[said])
    return Adjustment(_mark(along), after.known, after.explained)


def _cells(
    kind: str, contacts: Columns, said: NDArray[np.bool_], cell_of: NDArray[np.int64], name: Callable[[int], str]
) -> tuple[tuple[str, Mark], ...]:
    """Return the difference within each cell, in order."""
    return tuple(
        (name(int(cell)), _mark(_path(kind, contacts, said & (cell_of == cell), contacts.outcomes[kind])))
        for cell in np.unique(cell_of[said])
    )


def _days(along: Path, at_ms: NDArray[np.int64]) -> tuple[tuple[str, Mark], ...]:
    """Return the difference as it stood at the end of each day with an outcome."""
    days = at_ms // DAY_MS
    last = np.flatnonzero(np.append(days[1:] != days[:-1], True)) if len(days) else np.array([], np.int64)
    return tuple((_day_name(int(days[place])), _mark(along, int(place))) for place in last)


def _day_name(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


def _waits(contacts: Columns) -> WaitsByArm | None:
    """Return how long the arms waited; None where no contact of one of them was offered."""
    offered = ~np.isnan(contacts.waited_ms)
    seconds = contacts.waited_ms[offered] / 1000
    treated = contacts.treated[offered]
    if not treated.any() or treated.all():
        return None
    difference = _mark(path(seconds, treated, contacts.weights[offered]))
    return WaitsByArm(_waited(seconds[treated]), _waited(seconds[~treated]), difference)


def _waited(seconds: Floats) -> Waits:
    return Waits(len(seconds), float(seconds.mean()), float(np.median(seconds)), float(np.quantile(seconds, 0.9)))


def _overrides(assigned: Sequence[ImpactRow]) -> Overrides | None:
    if not assigned:
        return None
    values: dict[tuple[str, bool], list[float]] = defaultdict(list)
    read = [(row.same_agent, readings(row.outcomes)) for row in assigned if row.same_agent is not None]
    nobody_returned = {"returned": 0.0} if any("returned" in outcomes for _, outcomes in read) else {}
    for same_agent, outcomes in read:
        for kind, value in {**nobody_returned, **outcomes}.items():
            values[kind, same_agent].append(value)
    return Overrides(
        contacts=len(assigned),
        same=sum(row.same_agent is True for row in assigned),
        other=sum(row.same_agent is False for row in assigned),
        outcomes=tuple(
            OverrideOutcome(kind, same, len(values[kind, same]), float(np.mean(values[kind, same])))
            for kind, same in sorted(values)
        ),
    )
