"""Coverage on the wire: what was brought up, what rises, and whose interests nobody asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from matcher.model import DEFAULT_POOL
from matcher.model.coverage import Coverage, Covered, EntryKind
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.validation.violations import Violations
from matcher.v1 import coverage_pb2 as pb

DEFAULT_DAYS: Final = 28
MOST_DAYS: Final = 90

_KINDS: Final = {EntryKind.INTEREST: pb.COVERAGE_KIND_INTEREST, EntryKind.THEME: pb.COVERAGE_KIND_THEME}
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def coverage_request(request: pb.GetCoverageRequest) -> tuple[str, str, int]:
    """Check a GetCoverageRequest; return site, pool and days; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else DEFAULT_POOL
    days = wrong.between("days", request.days, 0, MOST_DAYS)
    wrong.refuse()
    return site, pool, days or DEFAULT_DAYS


def coverage(site: str, record: Coverage) -> pb.GetCoverageResponse:
    """Convert what was brought up in a pool."""
    return pb.GetCoverageResponse(
        pool=name(Kind.POOL, site, record.pool),
        first_day=_day(record.first_day),
        last_day=_day(record.last_day),
        contacts=record.contacts,
        days_heard=record.days_heard,
        listening=record.listening,
        entries=map(_entry, record.entries),
        unasked=(
            pb.UnaskedInterest(agent=name(Kind.AGENT, site, one.agent), entry=one.id, display_name=one.name)
            for one in record.unasked
        ),
    )


def _entry(entry: Covered) -> pb.CoverageEntry:
    return pb.CoverageEntry(
        kind=_KINDS[entry.kind],
        entry=entry.id,
        display_name=entry.name,
        contacts=entry.contacts,
        most_customers=entry.most_customers,
        sharing_agents=entry.sharing_agents,
        nobody_free=entry.nobody_free,
        this_week=entry.this_week,
        week_before=entry.week_before,
        rising=entry.rising,
    )


def _day(day: int) -> str:
    return (_FIRST + timedelta(days=day)).date().isoformat()
