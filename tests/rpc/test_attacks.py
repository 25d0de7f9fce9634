"""Attacks of the transport: the caller who makes them is refused, and another caller is answered meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from matcher.v1 import routing_pb2 as pb
from tests.rpc.conftest import Service

ROUTE = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="My tent leaks."))
METHOD = "/matcher.v1.RoutingService/RouteMessage"
HEADERS = [
    (":method", "POST"),
    (":path", METHOD),
    (":scheme", "http"),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]


async def answered(service: Service) -> bool:
    """Return whether a call of somebody else is answered."""
    return bool((await service.routing.RouteMessage(ROUTE, timeout=60)).contact)


async def test_a_body_that_is_large_only_when_unpacked_is_refused(service: Service) -> None:
    """Sixty-four megabytes of nothing in a few kilobytes: gRPC bounds what it unpacks, and the method what it reads."""
    call: Any = service.channel.unary_unary(METHOD)
    for megabytes, code in ((1, grpc.StatusCode.INVALID_ARGUMENT), (64, grpc.StatusCode.RESOURCE_EXHAUSTED)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"\0" * (megabytes << 20), compression=grpc.Compression.Gzip, timeout=60)
        assert refused.value.code() is code
    assert await answered(service)


async def test_metadata_without_end_is_refused(service: Service) -> None:
    """At most 16 KB of it is taken: the call does not begin."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.routing.RouteMessage(ROUTE, metadata=(("x-request-id", "a" * 65_536),), timeout=60)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await answered(service)


async def test_calls_that_are_begun_and_reset_at_once_hold_nobody_up(service: Service) -> None:
    """Two thousand on one connection (CVE-2023-44487): nothing of them stays, and others are served."""
    _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    attacker = H2Connection(H2Configuration(client_side=True))
    attacker.initiate_connection()
    for number in range(2_000):
        attacker.send_headers(2 * number + 1, HEADERS)
        attacker.reset_stream(2 * number + 1)
        writer.write(attacker.data_to_send())
    assert await answered(service)
    writer.close()
    assert await answered(service)


async def test_a_header_that_never_ends_and_pings_without_end_hold_nobody_up(service: Service) -> None:
    """A HEADERS frame that is continued for ever, and 10,000 pings: gRPC ends such connections."""
    for frames in (_endless_header(), _pings(10_000)):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(0x4, 0, 0, b"") + frames)
        assert await answered(service)
        async with asyncio.timeout(60):
            while await reader.read(65_536):
                pass
        writer.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _endless_header() -> bytes:
    """Return a header field whose value is continued in hundreds of frames, none of which says that it ends."""
    field = b"\x00\x01a\x7f\x81\x7e" + b"a" * 16_000
    return _frame(0x1, 0, 1, field) + b"".join(_frame(0x9, 0, 1, field) for _ in range(500))


def _pings(count: int) -> bytes:
    return b"".join(_frame(0x6, 0, 0, number.to_bytes(8, "big")) for number in range(count))
