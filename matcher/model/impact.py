"""Report of a comparison: what is said of a site, a pool, an outcome, and a difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from matcher.model.basis import Basis


@dataclass(frozen=True, slots=True)
class Missing:
    """The share of contacts without an outcome, by arm and by band of affinity.

    differs_by_arm: the shares of the arms differ by more than chance. bands: pairs of a band and its share;
    uneven_bands: those whose share differs from the rest's by more than chance.
    """

    treatment: float
    control: float
    differs_by_arm: bool
    bands: tuple[tuple[str, float], ...]
    uneven_bands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a difference needs: contacts of the comparison in both arms, and days; None: more than can be waited for."""

    effect: float
    contacts: int | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A difference between the arms, in the outcome's own unit.

    treatment, control: outcomes. A mean is None where the arm has none, the difference where either has none; low and
    high are None below 100 outcomes in an arm.
    """

    treatment: int
    control: int
    treatment_mean: float | None
    control_mean: float | None
    difference: float | None
    low: float | None
    high: float | None

    @property
    def settled(self) -> bool:
        """Return whether the interval leaves zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A difference adjusted by earlier outcomes of the same customers.

    known: contacts with an earlier outcome; explained: the share of the outcomes' variance that they foretold.
    """

    mark: Mark
    known: int
    explained: float


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """An outcome of a pool.

    bounds: the least and the greatest difference, whatever those without an outcome would have said; None where values
    have no bounds. bands, weeks, days: pairs of a name and the difference there, of days up to the day's end.
    more_contacts: that would settle the difference if it stays; None: settled, without an interval, or too many.
    """

    kind: str
    mark: Mark
    adjustment: Adjustment | None
    bounds: tuple[float, float] | None
    missing: Missing
    bands: tuple[tuple[str, Mark], ...]
    weeks: tuple[tuple[str, Mark], ...]
    days: tuple[tuple[str, Mark], ...]
    more_contacts: int | None
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds until the first offer, of the contacts of an arm."""

    contacts: int
    mean: float
    median: float
    ninth_decile: float


@dataclass(frozen=True, slots=True)
class WaitsByArm:
    """How long the contacts of either arm waited; difference: of the means, which must hold zero."""

    treatment: Waits
    control: Waits
    difference: Mark


@dataclass(frozen=True, slots=True)
class OverrideOutcome:
    """Outcomes of contacts that a supervisor assigned; same_agent: the router would have chosen that agent too."""

    kind: str
    same_agent: bool
    contacts: int
    mean: float


@dataclass(frozen=True, slots=True)
class Overrides:
    """Contacts that a supervisor assigned; same, other: how many the router would have given to that agent, or not."""

    contacts: int
    same: int
    other: int
    outcomes: tuple[OverrideOutcome, ...]


@dataclass(frozen=True, slots=True)
class PoolReport:
    """A pool.

    contacts: all of the period; compared: those of the main estimate, of which control_share are control's; outside:
    the others by reason. sentence: the report in one line. warnings: what puts its figures in doubt.
    """

    pool: str
    contacts: int
    compared: int
    outside: Mapping[str, int]
    contacts_a_day: float
    control_share: float
    outcomes: tuple[OutcomeReport, ...]
    waits: WaitsByArm | None
    overrides: Overrides | None
    sentence: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerGap:
    """A time of which the ledger lost records; lost: how many."""

    from_ms: int
    to_ms: int
    lost: int


@dataclass(frozen=True, slots=True)
class ImpactReport:
    """The report of a site's pools over a time, with the gaps of the ledger within it."""

    from_ms: int
    to_ms: int
    pools: tuple[PoolReport, ...]
    gaps: tuple[LedgerGap, ...]


@dataclass(frozen=True, slots=True)
class ImpactRequest:
    """What a report is asked for.

    from_ms, to_ms: the contacts that came from here on and before; None: of the last 90 days, until now. pool "": every
    pool. wanted: differences to plan for, by kind, in its own unit.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    pool: str = ""
    wanted: Mapping[str, float] = field(default_factory=dict)
    basis: Basis = Basis.AFFINITY
