from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from matcher.rpc.health import Health
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import customers_pb2_grpc, feedback_pb2_grpc, roster_pb2_grpc, routing_pb2_grpc
from tests.rpc.doubles import Doubles


@dataclass
class Service:
    """A real gRPC server on loopback, and a channel to it."""

    port: int
    server: grpc.aio.Server
    channel: grpc.aio.Channel
    doubles: Doubles
    health: Health
    telemetry: Telemetry

    @property
    def routing(self) -> routing_pb2_grpc.RoutingServiceAsyncStub:
        """Return a client of the RoutingService."""
        return routing_pb2_grpc.RoutingServiceStub(self.channel)

    @property
    def people(self) -> roster_pb2_grpc.RosterServiceAsyncStub:
        """Return a client of the RosterService."""
        return roster_pb2_grpc.RosterServiceStub(self.channel)

    @property
    def customers(self) -> customers_pb2_grpc.CustomerServiceAsyncStub:
        """Return a client of the CustomerService."""
        return customers_pb2_grpc.CustomerServiceStub(self.channel)

    @property
    def feedback(self) -> feedback_pb2_grpc.FeedbackServiceAsyncStub:
        """Return a client of the FeedbackService."""
        return feedback_pb2_grpc.FeedbackServiceStub(self.channel)

    def raw(self, method: str, body: bytes) -> Any:
        """Start a unary call with a message of any bytes."""
        call: Any = self.channel.unary_unary(method)
        return call(body)

    def calls(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return every call that reached a service."""
        return self.doubles.calls()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Yield a server whose servicers call doubles."""
    doubles, telemetry = Doubles(), Telemetry()
    health = Health(telemetry)
    server = build_server(doubles.services, health, telemetry)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield Service(port, server, channel, doubles, health, telemetry)
    await server.stop(None)


@dataclass(frozen=True)
class Failure:
    """The status of a failed call, with its details."""

    code: grpc.StatusCode
    sentence: str
    reason: str
    metadata: dict[str, str]
    violations: dict[str, str]
    retry_seconds: float | None


def failure_of(status: status_pb2.Status) -> Failure:
    """Return the parts of a status and of its details."""
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        for kind in (info, bad, retry):
            detail.Unpack(kind)
    assert info.domain == "matcher.v1"
    return Failure(
        code=next(code for code in grpc.StatusCode if code.value[0] == status.code),
        sentence=status.message,
        reason=info.reason,
        metadata=dict(info.metadata),
        violations={violation.field: violation.description for violation in bad.field_violations},
        retry_seconds=retry.retry_delay.ToMilliseconds() / 1000 if retry.HasField("retry_delay") else None,
    )


async def failure(call: Any) -> Failure:
    """Await a call that fails, and return its status."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        if hasattr(call, "read"):
            while await call.read() is not grpc.aio.EOF:
                pass
        else:
            await call
    status = await rpc_status.aio.from_call(call)
    assert status is not None, f"{await call.code()} {await call.details()}: the status has no details"
    return failure_of(status)
