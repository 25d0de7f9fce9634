"""A load generator: a process that makes the calls of a job with as little overhead as possible."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Final, cast

import grpc
import numpy as np
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from benchmarks.echo import METHOD
from benchmarks.load import Arrivals, Completions, Echoes, Job, Outcome, Routes, handle
from benchmarks.material import unique
from matcher.v1 import routing_pb2 as pb

ROUTE: Final = "/matcher.v1.RoutingService/RouteMessage"
COMPLETE: Final = "/matcher.v1.RoutingService/CompleteReservation"
DEADLINE_SECONDS: Final = 30.0
CHANNELS: Final = 4
SEED: Final = 17


class Generator:
    """The handle of a generator's process."""

    def __init__(self, pid: int, connection: Connection) -> None:
        self.pid = pid
        self._connection = connection

    async def run(self, job: Job) -> Outcome:
        """Run a job to its end."""
        self._connection.send(job)
        outcome = await asyncio.to_thread(self._connection.recv)
        assert isinstance(outcome, Outcome), outcome
        return outcome


@asynccontextmanager
async def generator(messages: Sequence[str]) -> AsyncIterator[Generator]:
    """Start a generator that routes these messages, and repeats no text."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, tuple(messages)), daemon=True)
    process.start()
    theirs.close()  # so that this process notices the end of the other
    assert process.pid is not None
    try:
        yield Generator(process.pid, ours)
    finally:
        ours.close()
        await asyncio.to_thread(process.join, 10)
        if process.is_alive():
            process.kill()


def _main(connection: Connection, messages: Sequence[str]) -> None:
    asyncio.run(_Caller(messages).serve(connection))


class _Caller:
    def __init__(self, messages: Sequence[str]) -> None:
        self._messages = messages
        self._next = 0
        self._stubs: dict[tuple[str, str], list[Callable[..., Awaitable[bytes]]]] = {}
        self._held: list[str] = []

    async def serve(self, connection: Connection) -> None:
        """Run jobs until the other end closes."""
        while True:
            try:
                job = await asyncio.to_thread(connection.recv)
            except (EOFError, OSError):
                return
            try:
                connection.send(await self._run(job))
            except Exception as error:  # noqa: BLE001 - reported to the parent process
                connection.send(repr(error))

    async def _run(self, job: Job) -> Outcome:
        match job:
            case Echoes(target, calls, in_flight, body_bytes):
                return await self._closed(iter([b"x" * body_bytes] * calls), in_flight, self._echo(target))
            case Routes(target, calls, in_flight, complete, repeat, seconds, customers):
                requests = self._requests(repeat, customers)
                if not seconds:
                    requests = iter(list(islice(requests, calls)))
                until = time.perf_counter() + seconds if seconds else float("inf")
                return await self._closed(requests, in_flight, self._router(target, complete == "at once"), until)
            case Completions(target, in_flight):
                names, self._held = self._held, []
                return await self._closed(iter(names), in_flight, self._completer(target))
            case Arrivals(target, rate, seconds):
                return await self._open(target, rate, seconds)

    def _calls(self, target: str, method: str) -> list[Callable[..., Awaitable[bytes]]]:
        """Return the method on several channels, each with a connection of its own; it takes and returns bytes."""
        stubs = self._stubs.get((target, method))
        if stubs is None:
            options = [("grpc.use_local_subchannel_pool", 1)]
            channels = [grpc.aio.insecure_channel(target, options=options) for _ in range(CHANNELS)]
            token = os.environ.get("MATCHER_TOKEN")
            shown = (("authorization", f"Bearer {token}"),) if token else None
            stubs = [partial(channel.unary_unary(method), metadata=shown) for channel in channels]
            self._stubs[target, method] = stubs
        return stubs

    def _requests(self, repeat: int, customers: int = 0) -> Iterator[bytes]:
        while True:
            number = self._next % repeat if repeat else self._next
            customer = handle(self._next % customers) if customers else ""
            self._next += 1
            request = pb.RouteMessageRequest(
                parent="sites/default",
                message=pb.Message(text=unique(self._messages, number), customer=customer),
                request_id=uuid.uuid4().hex,
                auto_accept=True,
            )
            yield request.SerializeToString()

    async def _closed(
        self,
        work: Iterator[Any],
        in_flight: int,
        call: Callable[[Any, int, Outcome], Awaitable[float | None]],
        until: float = float("inf"),
    ) -> Outcome:
        outcome = Outcome()
        latencies: list[float] = []

        async def worker(number: int) -> None:
            for item in work:
                seconds = await call(item, number, outcome)
                if seconds is not None:
                    latencies.append(seconds)
                if time.perf_counter() >= until:
                    return

        start = time.perf_counter()
        await asyncio.gather(*map(worker, range(in_flight)))
        outcome.seconds = time.perf_counter() - start
        outcome.latencies = np.array(latencies)
        return outcome

    def _echo(self, target: str) -> Callable[[bytes, int, Outcome], Awaitable[float | None]]:
        calls = self._calls(target, METHOD)

        async def call(body: bytes, number: int, outcome: Outcome) -> float:
            start = time.perf_counter()
            await calls[number % CHANNELS](body, timeout=DEADLINE_SECONDS)
            outcome.held += 1
            return time.perf_counter() - start

        return call

    def _router(self, target: str, complete: bool) -> Callable[[bytes, int, Outcome], Awaitable[float | None]]:
        calls, finish = self._calls(target, ROUTE), self._completer(target)

        async def call(body: bytes, number: int, outcome: Outcome) -> float | None:
            start = time.perf_counter()
            try:
                answer = await calls[number % CHANNELS](body, timeout=DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                _count_error(error, outcome)
                return None
            seconds = time.perf_counter() - start
            name = pb.RouteMessageResponse.FromString(answer).reservation.name
            if not name:
                outcome.unmatched += 1
                return None
            outcome.held += 1
            if complete:
                await finish(name, number, outcome)
            else:
                self._held.append(name)
            return seconds

        return call

    def _completer(self, target: str) -> Callable[[str, int, Outcome], Awaitable[float | None]]:
        calls = self._calls(target, COMPLETE)

        async def call(name: str, number: int, outcome: Outcome) -> None:
            body = pb.CompleteReservationRequest(name=name).SerializeToString()
            try:
                await calls[number % CHANNELS](body, timeout=DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                outcome.failed[f"complete {error.code().name}"] = (
                    outcome.failed.get(f"complete {error.code().name}", 0) + 1
                )

        return call

    async def _open(self, target: str, rate: float, seconds: float) -> Outcome:
        outcome = Outcome()
        gaps = np.random.default_rng(SEED).exponential(1 / rate, size=max(1, round(rate * seconds)))
        requests = list(islice(self._requests(0), len(gaps)))
        call = self._router(target, complete=False)
        finish = self._completer(target)
        latencies: list[float] = []
        late: list[float] = []
        tasks: set[asyncio.Task[None]] = set()
        start = time.perf_counter() + 0.05

        async def send(number: int, scheduled: float) -> None:
            late.append(time.perf_counter() - scheduled)
            held_before = len(self._held)
            seconds = await call(requests[number], number, outcome)
            if seconds is not None:
                latencies.append(time.perf_counter() - scheduled)
                assert len(self._held) >= held_before
                await finish(self._held.pop(), number, outcome)

        for number, moment in enumerate(np.cumsum(gaps).tolist()):
            wait = start + moment - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(send(number, start + moment))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        sent = time.perf_counter()
        while tasks:
            await asyncio.wait(tasks)
        outcome.seconds = sent - start
        outcome.latencies = np.array(latencies)
        outcome.late = float(np.percentile(late, 99)) if late else 0.0
        return outcome


def _count_error(error: grpc.aio.AioRpcError, outcome: Outcome) -> None:
    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        outcome.failed[error.code().name] = outcome.failed.get(error.code().name, 0) + 1
        return
    outcome.refused += 1
    status = rpc_status.from_call(cast("grpc.Call", error))
    if status is not None and any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in status.details):
        outcome.refused_with_retry += 1
