"""Health by grpc.health.v1: per service, and "" for the server as a whole."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from matcher.telemetry import Telemetry
from matcher.v1 import roster_pb2, routing_pb2

SERVICES: Final = (
    "",
    routing_pb2.DESCRIPTOR.services_by_name["RoutingService"].full_name,
    roster_pb2.DESCRIPTOR.services_by_name["RosterService"].full_name,
)

LIVENESS: Final = "liveness"
"""A service of its own: SERVING while the process runs, whatever the store does. To restart a process for the store's
sake would only make a disturbance longer."""

_log = structlog.get_logger(__name__)


class _Servicer(aio.HealthServicer):
    """Knows every service from the start; the library's own knows only "", and that as SERVING."""

    def __init__(self) -> None:
        super().__init__()
        self._server_status = {
            **dict.fromkeys(SERVICES, health_pb2.HealthCheckResponse.NOT_SERVING),
            LIVENESS: health_pb2.HealthCheckResponse.SERVING,
        }


class Health:
    """Says whether this process takes calls; NOT_SERVING until told otherwise, and for good once it stops."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.servicer = _Servicer()
        self.stopping = asyncio.Event()
        self._telemetry = telemetry
        self._said: tuple[bool, str] | None = None

    @property
    def serving(self) -> bool:
        """Return whether calls are taken."""
        return self._said is not None and self._said[0]

    async def set(self, serving: bool, why: str) -> None:
        """Say whether calls are taken; `why` goes to the log when it changes."""
        if self.stopping.is_set():
            return
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in SERVICES:
            await self.servicer.set(service, status)
        self._tell(serving, why)

    async def stop(self) -> None:
        """Say NOT_SERVING for good, and end the streams that are open."""
        await self.servicer.enter_graceful_shutdown()
        self._tell(False, "stopping")
        self.stopping.set()

    def _tell(self, serving: bool, why: str) -> None:
        self._telemetry.serving.set(serving)
        if self._said != (serving, why):
            self._said = (serving, why)
            _log.info("health", serving=serving, why=why)
