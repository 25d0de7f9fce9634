"""matcher.v1.FeedbackService: each method validates its request, calls a service and converts the answer."""

# ruff: noqa: N802 - the methods have their names on the wire

from __future__ import annotations

from matcher.rpc.convert_impact import impact_report
from matcher.rpc.grpc_types import Context
from matcher.rpc.ports import Services
from matcher.rpc.validation import impact as check_impact
from matcher.v1 import feedback_pb2_grpc, impact_pb2


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Serves what became of contacts."""

    def __init__(self, services: Services) -> None:
        self._impact = services.impact

    async def GetImpactReport(
        self, request: impact_pb2.GetImpactReportRequest, _context: Context
    ) -> impact_pb2.ImpactReport:
        """Report what the comparison shows."""
        site, asked = check_impact.report(request)
        return impact_report(site, await self._impact.report(site, asked), with_days=request.with_days)
