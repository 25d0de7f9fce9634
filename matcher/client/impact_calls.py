"""Calls of FeedbackService that report what routing by affinity changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from matcher.client.connection import Connection
from matcher.v1 import impact_pb2 as pb
from matcher.v1 import routing_pb2


class ImpactCalls(Connection):
    """Reads the report of the comparison."""

    async def impact_report(
        self,
        pool: str = "",
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        wanted: Mapping[str, float] | None = None,
        with_days: bool = False,
        of_basis: routing_pb2.Basis.ValueType = routing_pb2.AFFINITY,
        deadline: float | None = None,
    ) -> pb.ImpactReport:
        """Report what the comparison shows, of one pool or of all.

        start, end: aware times; without them the last 90 days. wanted: differences to plan for, by kind of outcome, in
        the unit of Difference. with_days: each outcome as it stood at the end of each day. of_basis: by what
        the compared choices are made where there is no control, AFFINITY or RELATIONSHIP.
        """
        request = pb.GetImpactReportRequest(
            parent=self.parent,
            pool=self.name("pools", pool) if pool else "",
            wanted_differences=(
                pb.WantedDifference(kind=kind, difference=difference) for kind, difference in (wanted or {}).items()
            ),
            with_days=with_days,
            of_basis=of_basis,
        )
        for stamp, moment in ((request.start_time, start), (request.end_time, end)):
            if moment is not None:
                stamp.FromDatetime(moment)
        return await self._call(self._feedback.GetImpactReport, request, deadline or self.deadlines.report)
