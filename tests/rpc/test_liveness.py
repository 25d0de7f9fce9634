"""Liveness of the process for container platforms, apart from its readiness."""

from __future__ import annotations

from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from matcher.rpc.health import LIVENESS
from tests.rpc.conftest import Service

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_liveness_does_not_follow_the_store(service: Service) -> None:
    """A process that runs is alive from the start, also while it serves no calls: a restart would not help."""
    checks: Any = health_pb2_grpc.HealthStub(service.channel)
    alive = health_pb2.HealthCheckRequest(service=LIVENESS)
    assert (await checks.Check(alive)).status == SERVING
    await service.health.set(True, "")
    await service.health.set(False, "the store does not answer")
    assert (await checks.Check(alive)).status == SERVING
    await service.health.stop()
    assert (await checks.Check(alive)).status == NOT_SERVING
