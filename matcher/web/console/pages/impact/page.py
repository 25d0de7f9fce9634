"""The page Impact: the report of a comparison by pool and time, in words, and the plan of wanted differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from matcher.model.outcome_kinds import kind_of
from matcher.v1 import impact_pb2 as pb
from matcher.v1 import routing_pb2
from matcher.web.console.access import reason_of
from matcher.web.console.page import Get, Page
from matcher.web.console.pages.impact.verdicts import title_of
from matcher.web.console.pages.impact.words import pool_words
from matcher.web.console.pools import pools_of
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

METHOD: Final = "FeedbackService/GetImpactReport"
WANTED: Final = "want."
"""Before the kind, in the name of a field of the form that wants a difference."""
OF: Final[Mapping[str, routing_pb2.Basis.ValueType]] = {
    "affinity": routing_pb2.AFFINITY,
    "relationship": routing_pb2.RELATIONSHIP,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form asks for. wanted: differences as they were typed, by kind; wrong: what cannot be read."""

    pool: str
    since: str
    until: str
    of: str
    wanted: Mapping[str, str]
    wrong: tuple[str, ...]

    def request(self, site: str) -> pb.GetImpactReportRequest:
        """Return the request."""
        request = pb.GetImpactReportRequest(parent=f"sites/{site}", with_days=True, of_basis=OF[self.of])
        if self.pool:
            request.pool = f"sites/{site}/pools/{self.pool}"
        for field, day in ((request.start_time, self.since), (request.end_time, self.until)):
            if (moment := _day(day)) is not None:
                field.CopyFrom(moment)
        for kind, typed in self.wanted.items():
            if (difference := _number(typed)) is not None:
                request.wanted_differences.add(kind=kind, difference=difference / kind_of(kind).factor)
        return request


def asked_of(fields: Mapping[str, str]) -> Asked:
    """Return what the fields of the form ask for; what cannot be read is named, and left out of the request."""
    of = fields.get("of", "affinity")
    since, until = fields.get("since", "").strip(), fields.get("until", "").strip()
    wanted = {name.removeprefix(WANTED): value.strip() for name, value in fields.items() if name.startswith(WANTED)}
    wanted = {kind: typed for kind, typed in wanted.items() if typed}
    wrong = [
        f"{name}: {day[:40]} is not a day such as 2026-11-30."
        for name, day in (("From", since), ("Until", until))
        if day and _day(day) is None
    ]
    wrong += [
        f"{title_of(kind)}: {typed[:40]} is not a number other than 0."
        for kind, typed in wanted.items()
        if _number(typed) is None
    ]
    return Asked(fields.get("pool", ""), since, until, of if of in OF else "affinity", wanted, tuple(wrong))


async def show(visitor: Visitor) -> Response:
    """Show the report."""
    asked = asked_of(dict(visitor.request.query_params))
    pools = await pools_of(visitor)
    try:
        report, asked = await _report(visitor, asked, pools)
    except Fault as fault:
        if reason_of(fault) != "LEDGER_OFF":
            raise
        return visitor.page("impact_off.html")
    return visitor.page(
        "impact.html", asked=asked, pools=pools, report=report, shown=[pool_words(pool) for pool in report.pools]
    )


async def _report(visitor: Visitor, asked: Asked, pools: tuple[str, ...]) -> tuple[pb.ImpactReport, Asked]:
    """Return the report; of the first pool in reach where the visitor does not reach all. Raises Fault."""
    method = visitor.stubs.feedback.GetImpactReport
    try:
        return await visitor.ask(method, asked.request(visitor.site)), asked
    except Fault as fault:
        if asked.pool or not pools or reason_of(fault) != "PERMISSION_DENIED":
            raise
    narrowed = Asked(pools[0], asked.since, asked.until, asked.of, asked.wanted, asked.wrong)
    return await visitor.ask(method, narrowed.request(visitor.site)), narrowed


def _day(typed: str) -> Timestamp | None:
    try:
        moment = datetime.strptime(typed, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _number(typed: str) -> float | None:
    try:
        number = float(typed.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and number else None


PAGE: Final = Page("impact", "Impact", (METHOD,), (Get("", show),))
