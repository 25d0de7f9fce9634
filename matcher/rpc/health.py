"""Health of this process by grpc.health.v1: of each service and each open site, and "" for the server as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from matcher.model.resource_names import site_name
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

SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING

LIVENESS: Final = "liveness"
"""A service of its own: SERVING while the process runs, whatever the store does. A restart because the store does not
answer would only prolong the outage."""

_log = structlog.get_logger(__name__)


SITE: Final = "sites/"
"""What the names of sites begin with, as in the API: some sites of a cluster may be out of reach, and others served."""


class _Servicer(aio.HealthServicer):
    """Has a status for every service from the start; the library's own class has only "", and that as SERVING.

    A site that this process has not opened has the status of the process: health is open to everybody, and must not
    tell which sites exist.
    """

    def __init__(self) -> None:
        super().__init__()
        self._server_status = {
            **dict.fromkeys(SERVICES, NOT_SERVING),
            LIVENESS: SERVING,
        }

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Return the status of a service or a site."""
        if request.service.startswith(SITE) and request.service not in self._server_status:
            request = health_pb2.HealthCheckRequest()
        return await super().Check(request, context)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Send the status of a service or a site, and each change of it."""
        if request.service.startswith(SITE):
            self._server_status.setdefault(request.service, self._server_status[""])
        await super().Watch(request, context)

    async def set_all(self, serving: bool, sites: Mapping[str, bool] | None) -> None:
        """Set the status of every service and of every site that is open, by its name, or watched; see `Health.set`."""
        names = [name for name in self._server_status if name.startswith(SITE)]
        statuses = dict.fromkeys((*SERVICES, *names), serving) | dict(sites or {})
        for name, served in statuses.items():
            await self.set(name, SERVING if served else NOT_SERVING)
        closed = [name for name in names if sites is not None and name not in sites]
        if not self._gracefully_shutting_down:  # type: ignore[attr-defined]  # it goes through the statuses
            for name in closed:
                if name not in self._server_watchers:  # type: ignore[attr-defined]
                    del self._server_status[name]


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

    async def set(self, serving: bool, why: str, sites: Mapping[str, bool] | None = None) -> None:
        """Set whether this process serves calls; `why` is logged when it changes.

        sites: of each open site whether it is served; None: each is what the process is.
        """
        if self.stopping.is_set():
            return
        await self.servicer.set_all(
            serving, None if sites is None else {site_name(site): served for site, served in sites.items()}
        )
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
