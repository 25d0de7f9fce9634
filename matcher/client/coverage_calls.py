"""Calls of FeedbackService that tell what customers bring up."""

from __future__ import annotations

from matcher.client.connection import Connection
from matcher.v1 import coverage_pb2 as pb

LONGEST_SECONDS = 120.0
"""The first report of a process waits until the entries are encoded."""


class CoverageCalls(Connection):
    """Reads what customers bring up."""

    async def coverage(self, pool: str = "", *, days: int = 0, deadline: float | None = None) -> pb.GetCoverageResponse:
        """Read what customers brought up in the last days, today among them; pool "": the default pool, days 0: 28."""
        request = pb.GetCoverageRequest(parent=self.parent, pool=self.name("pools", pool), days=days)
        return await self._call(self._feedback.GetCoverage, request, deadline or LONGEST_SECONDS)
