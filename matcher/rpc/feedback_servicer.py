"""matcher.v1.FeedbackService: each method validates its request, calls a service and converts the answer."""

# ruff: noqa: N802 - the methods have their names on the wire

from __future__ import annotations

from matcher.rpc.convert_coverage import coverage, coverage_request
from matcher.rpc.grpc_types import Context
from matcher.rpc.ports import Services
from matcher.v1 import coverage_pb2, feedback_pb2_grpc


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Serves what customers bring up."""

    def __init__(self, services: Services) -> None:
        self._coverage = services.coverage

    async def GetCoverage(
        self, request: coverage_pb2.GetCoverageRequest, _context: Context
    ) -> coverage_pb2.GetCoverageResponse:
        """Report what the customers of a pool bring up."""
        site, pool, days = coverage_request(request)
        return coverage(site, await self._coverage.coverage(site, pool, days))
