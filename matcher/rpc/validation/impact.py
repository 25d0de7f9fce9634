"""Validates GetImpactReport, and returns its arguments as domain values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.model.basis import Basis
from matcher.model.impact import ImpactRequest
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation.violations import DAY, MISSING, Violations
from matcher.v1 import impact_pb2 as pb
from matcher.v1 import routing_pb2

LONGEST_MS: Final = 400 * DAY
MOST_WANTED: Final = 32
LATEST_SECONDS: Final = 253_402_300_799
"""The last second of the year 9999, which is the last that a Timestamp may have."""
_BASES: Final = {
    routing_pb2.BASIS_UNSPECIFIED: Basis.AFFINITY,
    routing_pb2.AFFINITY: Basis.AFFINITY,
    routing_pb2.RELATIONSHIP: Basis.RELATIONSHIP,
}
_KIND: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_.-]{0,62})?").fullmatch


def report(request: pb.GetImpactReportRequest) -> tuple[str, ImpactRequest]:
    """Check a GetImpactReportRequest; return site and what is asked for; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else ""
    from_ms = _time(wrong, "start_time", request.start_time) if request.HasField("start_time") else None
    to_ms = _time(wrong, "end_time", request.end_time) if request.HasField("end_time") else None
    if from_ms is not None and to_ms is not None and not from_ms < to_ms <= from_ms + LONGEST_MS:
        wrong.note("end_time", "must be after start_time, at most 400 days")
    wanted = _wanted(wrong, request.wanted_differences)
    if request.of_basis not in _BASES:
        wrong.note("of_basis", "must be AFFINITY or RELATIONSHIP")
    wrong.refuse()
    return site, ImpactRequest(from_ms, to_ms, pool, wanted, _BASES[request.of_basis])


def _wanted(wrong: Violations, given: Sequence[pb.WantedDifference]) -> Mapping[str, float]:
    """Return the differences to plan for, by kind."""
    field = "wanted_differences"
    listed = wrong.first(field, given, MOST_WANTED)
    for number, one in enumerate(listed):
        if not _KIND(one.kind):
            wrong.note(f"{field}[{number}].kind", "is no kind of outcome" if one.kind else MISSING)
        if not (math.isfinite(one.difference) and one.difference):
            wrong.note(f"{field}[{number}].difference", "must be a number other than 0")
    wrong.unique(field, (one.kind for one in listed))
    return {one.kind: one.difference for one in listed}


def _time(wrong: Violations, field: str, given: Timestamp) -> int:
    """Return a time in milliseconds; 0 where it is wrong."""
    if not (0 < given.seconds <= LATEST_SECONDS and 0 <= given.nanos < 1_000_000_000):
        wrong.note(field, "is no time after 1970 and before the year 10000")
        return 0
    return given.seconds * 1_000 + given.nanos // 1_000_000
