"""Channels that reach every worker behind one address equally."""

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
"""A worker of four that 32 connections in a row all miss is one case in ten thousand."""

Channel = grpc.aio.Channel


async def spread(
    channels: Sequence[Channel], more: Callable[[], Channel], least: int, seconds: float
) -> tuple[list[Channel], list[Channel]]:
    """Return the channels to use, equally many a worker, and those to close.

    channels are tried first, then new ones out of `more`, at most 32 for each that is wanted; a worker that none of
    them reached stays out. Raises MatcherCallError where the service does not answer.
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
        for of_worker in zip(*(found[:even] for found in reached.values()), strict=True)
        for channel in of_worker
    ]
    uneven = [channel for of_worker in reached.values() for channel in of_worker[even:]]
    return kept, uneven + spare


def _supply(channels: Sequence[Channel], more: Callable[[], Channel], most: int) -> Iterator[Channel]:
    yield from channels
    for _ in range(most):
        yield more()


async def _worker_of(channel: Channel, seconds: float) -> tuple[int, int]:
    """Return which of how many workers a channel reaches; (0, 0) where the service has none."""
    stub: Any = health_pb2_grpc.HealthStub(channel)  # the stub package leaves its methods out
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
