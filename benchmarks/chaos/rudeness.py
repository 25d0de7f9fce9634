"""Rude requests: bodies beyond every limit, connections that send half a call, readers who take nothing."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from typing import Final

from benchmarks.chaos import history as h
from benchmarks.chaos.load import SiteLoad
from matcher.v1 import routing_pb2 as pb

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS = 0x4, 0x1
UNKNOWN_FIELD: Final = b"\xfa\xff\xff\xff\x0f"
"""The tag of a field that no message has, of the type of bytes."""
OVERSIZED_BYTES: Final = 600 * 1024
"""More than a route may have."""
LONGEST_SECONDS: Final = 6.0


def _frame(kind: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of HTTP/2 without flags (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, 0]) + struct.pack(">I", stream) + payload


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Rude:
    """Sends what no client of good will sends, at random replicas."""

    def __init__(self, load: SiteLoad) -> None:
        self._load = load
        self._rng = random.Random(f"rude {load.site}")

    async def oversized(self, name: str) -> None:
        """Send a route whose body is larger than a route may be; the contact must not be taken."""
        load = self._load
        request = pb.RouteMessageRequest(parent=load.parent, contact_id=f"oversized-{name}")
        request.message.text = "Hello?"
        request.MergeFromString(UNKNOWN_FIELD + _varint(OVERSIZED_BYTES) + bytes(OVERSIZED_BYTES))
        await load.wire.once(lambda line: line.routing.RouteMessage(request), load.asked("oversized", request=name))

    async def half_open(self, name: str) -> None:
        """Open a connection, send the beginning of a call, and wait for nothing."""
        load, began = self._load, time.time()
        replica = self._rng.randrange(len(load.wire.addresses))
        host, _, port = load.wire.addresses[replica].rpartition(":")
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(PREFACE + _frame(SETTINGS, 0, b"") + _frame(HEADERS, 1, b"\x83"))
            await writer.drain()
            await asyncio.sleep(self._rng.uniform(1.0, LONGEST_SECONDS))
            writer.transport.abort()
        except OSError:
            pass
        self._note("half open", name, replica, began)

    async def slow_reader(self, name: str) -> None:
        """Ask for the site's events, and read none of them."""
        load, began = self._load, time.time()
        line = self._rng.choice(load.wire.lines)
        call = line.routing.WatchEvents(pb.WatchEventsRequest(parent=load.parent))
        try:
            await asyncio.sleep(self._rng.uniform(1.0, LONGEST_SECONDS))
        finally:
            call.cancel()
        self._note("slow reader", name, line.replica, began)

    def _note(self, verb: str, name: str, replica: int, began: float) -> None:
        self._load.wire.history.add(
            h.Call(
                site=self._load.site,
                verb=verb,
                replica=replica,
                began=began,
                ended=time.time(),
                ending=h.UNKNOWN,
                request=name,
            )
        )
