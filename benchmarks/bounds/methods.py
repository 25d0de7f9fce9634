"""Methods measured on a real server: processor time, entries read from the store, memory and lag of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from redis.asyncio import Redis

from benchmarks.bounds.growth import STEEPEST, exponent
from benchmarks.bounds.rows import STEPS, accepted, refused, row_of
from benchmarks.machine import cpu_seconds, resident_mb
from tests.auth.asked import METHODS, Place
from tests.processes import Server

STREAM_SECONDS: Final = 0.2
"""How long a stream is held open; what it costs to open is measured, not how long it waits."""
DEADLINE: Final = 60.0
MOST_REFUSED_SECONDS: Final = 0.4
"""Of processor time, for the largest body of all that is refused, 16 MiB."""
MOST_ACCEPTED_SECONDS: Final = 8.0
"""For the largest batch of messages: the model's own work is most of it."""
MOST_MEMORY_MB: Final = 128.0
MOST_ENTRIES: Final = 12_000
"""Keys of the store that one call looks up at most: a page of 1,000, and what each of its entries refers to."""
NOISE_SECONDS: Final = 0.02
"""What the service does by itself in the time of a call; below it no growth is told."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost the server, in seconds of its processor time, keys looked up and MiB of further memory."""

    seconds: float
    entries: int
    memory_mb: float
    answer: str


@dataclass(frozen=True, slots=True)
class MethodRow:
    """What the worst request of a method costs that is accepted, or refused."""

    method: str
    kind: str
    shape: str
    answer: str
    milliseconds: float
    exponent: float
    entries: int
    memory_mb: float
    within: bool


@dataclass(frozen=True, slots=True)
class Bench:
    """A server with its store, and a channel to it."""

    server: Server
    store: Redis
    channel: grpc.aio.Channel
    place: Place
    key: str

    async def measured(self, method: str, tries: int) -> list[MethodRow]:
        """Return the two rows of a method."""
        rows = [await self._row(method, "accepted", "", [accepted(method, self.place, step) for step in STEPS], tries)]
        shapes: dict[str, list[Any]] = {}
        for step in STEPS:
            for shape, body in refused(method, step):
                shapes.setdefault(shape, []).append([body])
        bad = [
            await self._row(method, "refused", shape, bodies, min(tries, 3))
            for shape, bodies in shapes.items()
            if len(bodies) == len(STEPS)
        ]
        outside = [row for row in bad if not row.within]
        return [*rows, *(outside or [max(bad, key=lambda row: row.milliseconds)])]

    async def _row(self, method: str, kind: str, shape: str, sizes: Sequence[Sequence[Any]], tries: int) -> MethodRow:
        costs = [[await self._cost(method, requests) for _ in range(tries)] for requests in sizes]
        seconds = [min(cost.seconds for cost in of_size) for of_size in costs]
        last = costs[-1]
        grown = exponent(STEPS, seconds) if seconds[-1] > NOISE_SECONDS else 0.0
        entries, memory = min(cost.entries for cost in last), min(cost.memory_mb for cost in last)
        most = MOST_ACCEPTED_SECONDS if kind == "accepted" else MOST_REFUSED_SECONDS
        right = last[0].answer not in FAULTS and (kind == "refused" or last[0].answer not in UNUSED)
        within = grown <= STEEPEST and seconds[-1] <= most and memory <= MOST_MEMORY_MB and entries <= MOST_ENTRIES
        within = within and right
        return MethodRow(row_of(method), kind, shape, last[0].answer, seconds[-1] * 1e3, grown, entries, memory, within)

    async def _cost(self, method: str, requests: Sequence[Any]) -> Cost:
        pid = self.server.process.pid
        _begin_peak(pid)
        memory, looked_up, began = resident_mb(pid, "VmHWM"), await self._looked_up(), cpu_seconds(pid)
        answer = await self.answer(method, requests)
        seconds = cpu_seconds(pid) - began
        entries = await self._looked_up() - looked_up
        return Cost(seconds, entries, max(0.0, resident_mb(pid, "VmHWM") - memory), answer)

    async def _looked_up(self) -> int:
        stats = await self.store.info("stats")
        return int(stats["keyspace_hits"]) + int(stats["keyspace_misses"])

    async def answer(self, method: str, requests: Sequence[Any]) -> str:
        """Call a method with requests or bytes; return the name of the status that it is answered with."""
        shape = METHODS[method]
        bodies = [body if isinstance(body, bytes) else body.SerializeToString() for body in requests]
        opener: Any = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, True): self.channel.stream_stream,
        }[shape.client_streaming, shape.server_streaming]
        shown = (("authorization", f"Bearer {self.key}"),)
        if not shape.server_streaming:
            call = opener(method)(bodies[0], timeout=DEADLINE, metadata=shown)
            with contextlib.suppress(grpc.aio.AioRpcError):
                await call
            return str((await call.code()).name)
        call = opener(method)(iter(bodies) if shape.client_streaming else bodies[0], timeout=DEADLINE, metadata=shown)
        try:
            async with asyncio.timeout(DEADLINE if shape.client_streaming else STREAM_SECONDS):
                while await call.read() is not grpc.aio.EOF:
                    pass
            return str((await call.code()).name)
        except TimeoutError:
            call.cancel()
            return "OK"
        except grpc.aio.AioRpcError as error:
            return error.code().name


def _begin_peak(pid: int) -> None:
    """Let the peak of a process's memory begin here."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


UNUSED: Final = ("INVALID_ARGUMENT", "PERMISSION_DENIED", "UNAUTHENTICATED")
"""Statuses of a request that is not the worst accepted one."""
FAULTS: Final = ("UNKNOWN", "INTERNAL")
"""Statuses that no request may be answered with."""
