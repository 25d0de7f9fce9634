"""GetImpactReport: what is asked for, and the figures on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.errors import FieldsInvalid
from matcher.rpc.validation import impact as check
from matcher.v1 import impact_pb2 as pb
from matcher.v1 import routing_pb2
from tests.rpc.conftest import Service
from tests.rpc.double import NOW_MS
from tests.rpc.impact_double import four_weeks

SITE = "sites/default"

BAD: dict[str, tuple[Any, set[str]]] = {
    "no site": (pb.GetImpactReportRequest(), {"parent"}),
    "a pool of another site": (pb.GetImpactReportRequest(parent=SITE, pool="sites/acme/pools/night"), {"pool"}),
    "a time that ends before it begins": (
        pb.GetImpactReportRequest(parent=SITE, start_time=Timestamp(seconds=9), end_time=Timestamp(seconds=9)),
        {"end_time"},
    ),
    "a time of more than 400 days": (
        pb.GetImpactReportRequest(
            parent=SITE, start_time=Timestamp(seconds=9), end_time=Timestamp(seconds=10 + 400 * 86_400)
        ),
        {"end_time"},
    ),
    "a time that is none": (pb.GetImpactReportRequest(parent=SITE, start_time=Timestamp(nanos=-1)), {"start_time"}),
    "differences that are none": (
        pb.GetImpactReportRequest(
            parent=SITE,
            wanted_differences=[
                pb.WantedDifference(kind="resolved"),
                pb.WantedDifference(kind="csat", difference=float("nan")),
                pb.WantedDifference(kind="No Kind", difference=0.1),
                pb.WantedDifference(kind="metrics.sales", difference=3),
                pb.WantedDifference(difference=3),
                pb.WantedDifference(kind="metrics.sales", difference=4),
            ],
        ),
        {
            "wanted_differences[0].difference",
            "wanted_differences[1].difference",
            "wanted_differences[2].kind",
            "wanted_differences[4].kind",
            "wanted_differences[5]",
        },
    ),
    "a basis that is not compared": (
        pb.GetImpactReportRequest(parent=SITE, of_basis=routing_pb2.TRANSFER),
        {"of_basis"},
    ),
    "too many differences": (
        pb.GetImpactReportRequest(
            parent=SITE,
            wanted_differences=[pb.WantedDifference(kind=f"metrics.m{number}", difference=1) for number in range(33)],
        ),
        {"wanted_differences"},
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_request_names_its_fields(case: str) -> None:
    """All at once."""
    request, fields = BAD[case]
    with pytest.raises(FieldsInvalid) as refused:
        check.report(request)
    assert {violation.field for violation in refused.value.violations} == fields


async def test_what_is_asked_for_reaches_the_service(service: Service) -> None:
    """Names arrive as ids, times in milliseconds, and what is not set as None."""
    stamp = Timestamp()
    stamp.FromMilliseconds(NOW_MS)
    await service.feedback.GetImpactReport(
        pb.GetImpactReportRequest(
            parent=SITE,
            pool=f"{SITE}/pools/billing",
            end_time=stamp,
            wanted_differences=[pb.WantedDifference(kind="csat", difference=0.2)],
        )
    )
    assert service.doubles.impact.calls == [("report", ("default", None, NOW_MS, "billing", {"csat": 0.2}))]


async def test_the_figures_of_a_report_are_on_the_wire(service: Service) -> None:
    """Every figure of the report; the days of a path only where they are asked for."""
    (pool,) = four_weeks().pools
    answer = await service.feedback.GetImpactReport(pb.GetImpactReportRequest(parent=SITE, with_days=True))
    (shown,) = answer.pools
    assert (shown.pool, shown.contacts, shown.compared_contacts) == (f"{SITE}/pools/default", 4004, 4000)
    assert dict(shown.outside) == {"PREFERRED": 3, "ASSIGNED": 1}
    assert shown.sentence == pool.sentence
    resolved, nps = shown.outcomes
    mark = pool.outcomes[0].mark
    assert (resolved.kind, nps.kind) == ("resolved", "nps")
    assert (resolved.difference.treatment_outcomes, resolved.difference.control_outcomes) == (2800, 1200)
    assert (resolved.difference.low, resolved.difference.high) == (mark.low, mark.high)
    assert resolved.difference.low < 0.1 < resolved.difference.high
    assert not resolved.HasField("more_contacts")
    assert resolved.plan.difference == 0.02
    assert nps.difference.HasField("low") == (pool.outcomes[1].mark.low is not None)
    assert nps.missing.treatment_share == pool.outcomes[1].missing.treatment
    assert [week.name for week in resolved.weeks] == ["2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23"]
    assert len(resolved.days) == 28
    assert resolved.days[-1].difference == resolved.difference
    assert shown.waits.treatment.contacts == 2800
    assert shown.overrides.other_agent == 1
    assert [(gap.records, gap.start_time.ToMilliseconds()) for gap in answer.gaps] == [
        (17, four_weeks().gaps[0].from_ms)
    ]
    without = await service.feedback.GetImpactReport(pb.GetImpactReportRequest(parent=SITE))
    assert not without.pools[0].outcomes[0].days
