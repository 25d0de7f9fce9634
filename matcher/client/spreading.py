"""Channels balanced over the workers that share one address."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from matcher.client.failure import MatcherCallError

WORKER_KEY = "matcher-worker"
TRIES_A_CHANNEL = 32
"""32 connections in a row all miss a given worker of four in one case of ten thousand."""

Channel = grpc.aio.Channel


async def spread(
    channels: Sequence[Channel], more: Callable[[], Channel], least: int, seconds: float
) -> tuple[list[Channel], list[Channel]]:
    """Return the channels to use, the same number for each worker, and the channels to close.

    `channels` are tried first, then new channels from `more`, at most 32 for each of `least`; a worker that no channel
    reaches gets none. Raises MatcherCallError where the service does not answer.
    """
    reached: dict[int, list[Channel]] = defaultdict(list)
    spare: list[Channel] = []
    share = 0
    for channel in _supply(channels, more, least * TRIES_A_CHANNEL):
        try:
            worker, workers = await _worker_of(channel, seconds)
        except BaseException:
            await channel.close()
            raise
        if not workers:
            return list(channels), spare
        share = math.ceil(least / workers)
        (reached[worker] if len(reached[worker]) < share else spare).append(channel)
        if sum(map(len, reached.values())) == share * workers:
            break
    even = min(map(len, reached.values()))
    kept = [
        channel
        for of_worker in zip(*(channels_of[:even] for channels_of in reached.values()), strict=True)
        for channel in of_worker
    ]
    uneven = [channel for of_worker in reached.values() for channel in of_worker[even:]]
    return kept, uneven + spare


def _supply(channels: Sequence[Channel], more: Callable[[], Channel], most: int) -> Iterator[Channel]:
    yield from channels
    for _ in range(most):
        yield more()


async def _worker_of(channel: Channel, seconds: float) -> tuple[int, int]:
    """Return the worker that a channel reaches, and how many there are; (0, 0) where the service has no workers."""
    stub: Any = health_pb2_grpc.HealthStub(channel)  # the stub package omits the methods
    call = stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds, wait_for_ready=True)
    try:
        await call
        trailing = await call.trailing_metadata()
    except grpc.aio.AioRpcError as error:
        raise MatcherCallError.of_call(error) from error
    for key, value in trailing or ():
        if key == WORKER_KEY:
            worker, _, workers = str(value).partition("/")
            return int(worker), int(workers)
    return 0, 0
