"""The gRPC server: its servicers, interceptors and options, and its graceful stop."""

from __future__ import annotations

from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from matcher.auth.authorizer import TABLE_AUTHORIZER, Authorizer
from matcher.rpc.body_limits import GRPC_BYTES
from matcher.rpc.call_prefetch import MethodRegistrar, prefetching
from matcher.rpc.customer_servicer import CustomerServicer
from matcher.rpc.feedback_servicer import FeedbackServicer
from matcher.rpc.health import SERVICES, Health
from matcher.rpc.interceptors.admission import AdmissionGate
from matcher.rpc.interceptors.errors import ErrorInterceptor
from matcher.rpc.interceptors.metrics import MetricsInterceptor
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.interceptors.worker import WorkerInterceptor
from matcher.rpc.key_servicer import KeyServicer
from matcher.rpc.open_streams import MOST_CONCURRENT, OpenStreams
from matcher.rpc.permissions import Permissions
from matcher.rpc.ports import Services
from matcher.rpc.quotas import PrincipalQuotas
from matcher.rpc.roster_servicer import RosterServicer
from matcher.rpc.routing_servicer import RoutingServicer
from matcher.telemetry import Telemetry
from matcher.v1 import customers_pb2_grpc, feedback_pb2_grpc, keys_pb2_grpc, roster_pb2_grpc, routing_pb2_grpc

KEEPALIVE_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Without it gRPC waits a minute for the answer to a ping, whatever the time above (measured with grpcio 1.85).
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)
"""The service pings every connection every 20 s, however long nothing else is sent. So a caller that vanished is
noticed within 40 s, and nginx, which ends a stream after 60 s without a byte from the service, keeps a stream open in
which nothing happens (measured with nginx 1.22: without pings the stream ends after 60.1 s). A caller may ping every
5 s, with and without a call: gRPC's defaults disconnect an idle channel that pings more than twice in two hours."""

HANDSHAKE_MS: Final = 20_000
"""How long a connection may take until it speaks HTTP/2: gRPC's own 120 s let a caller hold connections for nothing."""

MOST_IN_GRPC: Final = 32_768
"""Calls that gRPC keeps until the service accepts them. Above its default of 1,000 gRPC ends calls with CANCELLED and
no reason; with this limit the service refuses them, with the reason and when to try again."""


def build_server(
    services: Services,
    health: Health,
    telemetry: Telemetry,
    *,
    admission: AdmissionGate | None = None,
    streams: OpenStreams | None = None,
    sign_in: SignIn | None = None,
    authorizer: Authorizer = TABLE_AUTHORIZER,
    quotas: PrincipalQuotas | None = None,
    share_port: bool = False,
    worker: str = "",
    calls_per_connection: int = MOST_CONCURRENT,
) -> grpc.aio.Server:
    """Return a server that has no port yet and is not started.

    admission: admits the calls that begin new work, when their body is read; None: all of them at once.
    streams: the places of the open streams; None: those of the defaults.
    sign_in: recognises who makes a call; None: nobody is asked, and every call has the owner's rights.
    authorizer: decides what a caller who was recognised may do. quotas: how much; None: as much as there is.
    share_port: several processes may listen on the same port; without it the second process fails to bind.
    worker: the name of this worker process, sent with every unary answer; "" for none.
    calls_per_connection: how many calls, streams among them, gRPC lets one connection have open.
    """
    workers = (WorkerInterceptor(worker),) if worker else ()
    streams, quotas = streams or OpenStreams(), quotas or PrincipalQuotas()
    errors = ErrorInterceptor(
        health.stopping,
        gate=admission,
        streams=streams,
        sign_in=sign_in,
        permissions=None if sign_in is None else Permissions(authorizer),
        quotas=quotas,
        on_quota=lambda quota: telemetry.quota_refusals.labels(quota).inc(),
        worker=worker,
    )
    with prefetching():
        server = grpc.aio.server(
            interceptors=(MetricsInterceptor(telemetry), errors, *workers),
            options=(
                ("grpc.max_receive_message_length", GRPC_BYTES),
                ("grpc.so_reuseport", int(share_port)),
                ("grpc.server.max_pending_requests", MOST_IN_GRPC),
                ("grpc.server.max_pending_requests_hard_limit", MOST_IN_GRPC),
                ("grpc.max_concurrent_streams", calls_per_connection),
                ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
                *KEEPALIVE_OPTIONS,
            ),
        )
    registrar: Any = MethodRegistrar(server)
    routing_pb2_grpc.add_RoutingServiceServicer_to_server(RoutingServicer(services, telemetry, streams), registrar)
    roster_pb2_grpc.add_RosterServiceServicer_to_server(RosterServicer(services, streams, quotas), registrar)
    customers_pb2_grpc.add_CustomerServiceServicer_to_server(CustomerServicer(services), registrar)
    feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(FeedbackServicer(services, streams), registrar)
    keys_pb2_grpc.add_KeyServiceServicer_to_server(KeyServicer(services.access_keys), registrar)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, registrar)
    served = (*SERVICES[1:], health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(served, server)
    return server


async def drain(server: grpc.aio.Server, health: Health, grace: float) -> None:
    """Accept no more calls, end the open streams, and give the calls in flight `grace` seconds to finish."""
    await health.stop()
    await server.stop(grace)
