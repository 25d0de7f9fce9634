"""Health of this process by grpc.health.v1: for each service, and "" for the server as a whole."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from matcher.telemetry import Telemetry
from matcher.v1 import customers_pb2, feedback_pb2, keys_pb2, roster_pb2, routing_pb2

SERVICES: Final = (
    "",
    routing_pb2.DESCRIPTOR.services_by_name["RoutingService"].full_name,
    roster_pb2.DESCRIPTOR.services_by_name["RosterService"].full_name,
    customers_pb2.DESCRIPTOR.services_by_name["CustomerService"].full_name,
    feedback_pb2.DESCRIPTOR.services_by_name["FeedbackService"].full_name,
    keys_pb2.DESCRIPTOR.services_by_name["KeyService"].full_name,
)

LIVENESS: Final = "liveness"
"""A service of its own: SERVING while the process runs, whatever the store does. A restart because the store does not
answer would only prolong the outage."""

_log = structlog.get_logger(__name__)


class _Servicer(aio.HealthServicer):
    """Has a status for every service from the start; the library's own class has only "", and that as SERVING."""

    def __init__(self) -> None:
        super().__init__()
        self._server_status = {
            **dict.fromkeys(SERVICES, health_pb2.HealthCheckResponse.NOT_SERVING),
            LIVENESS: health_pb2.HealthCheckResponse.SERVING,
        }


class Health:
    """Says whether this process serves calls: NOT_SERVING until `set`, and for good after `stop`."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.servicer = _Servicer()
        self.stopping = asyncio.Event()
        self._telemetry = telemetry
        self._last: tuple[bool, str] | None = None

    @property
    def serving(self) -> bool:
        """Return whether this process serves calls."""
        return self._last is not None and self._last[0]

    async def set(self, serving: bool, why: str) -> None:
        """Set whether this process serves calls; `why` is logged when it changes."""
        if self.stopping.is_set():
            return
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in SERVICES:
            await self.servicer.set(service, status)
        self._record(serving, why)

    async def stop(self) -> None:
        """Set NOT_SERVING for good, and end the open streams."""
        await self.servicer.enter_graceful_shutdown()
        self._record(False, "stopping")
        self.stopping.set()

    def _record(self, serving: bool, why: str) -> None:
        self._telemetry.serving.set(serving)
        if self._last != (serving, why):
            self._last = (serving, why)
            _log.info("health", serving=serving, why=why)
