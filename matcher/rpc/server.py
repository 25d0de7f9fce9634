"""Puts the services, the interceptors and the options of the gRPC server together, and stops it gracefully."""

from __future__ import annotations

from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from matcher.rpc.call_prefetch import MethodRegistrar, asked_ahead
from matcher.rpc.health import SERVICES, Health
from matcher.rpc.interceptors.admission import AdmissionInterceptor
from matcher.rpc.interceptors.errors import RECEIVE_LIMIT_BYTES, ErrorInterceptor
from matcher.rpc.interceptors.metrics import MetricsInterceptor
from matcher.rpc.interceptors.worker import WorkerInterceptor
from matcher.rpc.ports import Services
from matcher.rpc.roster_servicer import RosterServicer
from matcher.rpc.routing_servicer import RoutingServicer
from matcher.telemetry import Telemetry
from matcher.v1 import roster_pb2_grpc, routing_pb2_grpc

KEEPALIVE_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)
"""A caller who vanished is noticed within 80 s, and one that pings every 10 s is not sent away for it."""

MOST_IN_GRPC: Final = 32_768
"""Calls that gRPC holds until the service takes them up. Above its own limit of 1,000 it ends them CANCELLED, without a
word; here whoever comes is refused by the service, with the reason and when to come again."""


def build_server(
    services: Services,
    health: Health,
    telemetry: Telemetry,
    *,
    admission: AdmissionInterceptor | None = None,
    share_port: bool = False,
    worker: str = "",
) -> grpc.aio.Server:
    """Return a server that has no port yet and is not started.

    admission: stands around the guard of the error interceptor, within the count of the metrics.
    worker: which of several processes this is, said with every answer; "": not said.
    share_port: several processes may listen on the same port; without it a second one fails to bind.
    """
    named = (WorkerInterceptor(worker),) if worker else ()
    gate = (admission,) if admission is not None else ()
    guard = ErrorInterceptor(health.stopping)
    with asked_ahead():
        server = grpc.aio.server(
            interceptors=(MetricsInterceptor(telemetry), *gate, guard, *named),
            options=(
                ("grpc.max_receive_message_length", RECEIVE_LIMIT_BYTES),
                ("grpc.so_reuseport", int(share_port)),
                ("grpc.server.max_pending_requests", MOST_IN_GRPC),
                ("grpc.server.max_pending_requests_hard_limit", MOST_IN_GRPC),
                *KEEPALIVE_OPTIONS,
            ),
        )
    doors: Any = MethodRegistrar(server)
    routing_pb2_grpc.add_RoutingServiceServicer_to_server(RoutingServicer(services, telemetry), doors)
    roster_pb2_grpc.add_RosterServiceServicer_to_server(RosterServicer(services), doors)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, doors)
    served = (*SERVICES[1:], health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(served, server)
    return server


async def drain(server: grpc.aio.Server, health: Health, grace: float) -> None:
    """Stop taking calls, end the open streams, and give the calls under way `grace` seconds to finish."""
    await health.stop()
    await server.stop(grace)
