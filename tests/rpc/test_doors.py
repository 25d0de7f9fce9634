"""Which methods gRPC lets calls in to at a door of their own."""

from __future__ import annotations

from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2

from matcher.rpc.doors import OWN_DOOR
from matcher.v1 import routing_pb2

SERVED = {routing_pb2.DESCRIPTOR.package, health_pb2.DESCRIPTOR.package}


def test_every_door_leads_to_a_method_that_is_served() -> None:
    """A method that was renamed would lose its door without a word, and stand in line with all others."""
    for door in OWN_DOOR:
        service, _, name = door.removeprefix("/").partition("/")
        method = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
        assert method.containing_service.file.package in SERVED
