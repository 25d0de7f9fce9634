"""Calls of FeedbackService that report what routing by affinity changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from matcher.client.connection import Connection
from matcher.v1 import impact_pb2 as pb


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
        deadline: float | None = None,
    ) -> pb.ImpactReport:
        """Report what the comparison shows, of one pool or of all.

        start, end: aware times; without them the last 90 days. wanted: differences to plan for, by kind of outcome, in
        the unit of Difference. with_days: each outcome as it stood at the end of each day.
        """
        request = pb.GetImpactReportRequest(
            parent=self.parent,
            pool=self.name("pools", pool) if pool else "",
            wanted_differences=(
                pb.WantedDifference(kind=kind, difference=difference) for kind, difference in (wanted or {}).items()
            ),
            with_days=with_days,
        )
        for stamp, moment in ((request.start_time, start), (request.end_time, end)):
            if moment is not None:
                stamp.FromDatetime(moment)
        return await self._call(self._feedback.GetImpactReport, request, deadline or self.deadlines.report)
