"""Fuzz over the wire: requests of every method, as messages and as bytes, to a real server that must stay well."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any, Final

import grpc

from benchmarks.fuzz.grammar import HOSTILE, made, mutated
from benchmarks.fuzz.within import Found
from tests.auth.asked import METHODS, Place, requests_of

AT_ONCE: Final = 16
DEADLINE: Final = 20.0
STREAM_SECONDS: Final = 0.05
FAULTS: Final = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
PLACE: Final = Place("default", "default", agents="a1", contacts="c-1")
KEPT: Final = ("DeleteSite", "CreateKey", "RotateKey", "RevokeKey")
"""Methods whose requests are only mutated here where they would take the place of all others away."""
LOCAL: Final = ("Internal error from Core", "Exception deserializing response")
"""What grpc.aio's client itself says; no service sent it."""


def body_of(method: Any, random: Random) -> bytes:
    """Return the body of a request: made by the grammar, mutated, or any bytes."""
    kind = random.random()
    if kind < 0.05:
        return random.randbytes(random.choice((0, 1, 7, 60, 4_000)))
    message = made(method.input_type, random)
    if random.random() < 0.5:  # a request that is right but for a field or two
        right = requests_of(method, PLACE)[-1]
        for field, value in random.sample(message.ListFields(), min(len(message.ListFields()), random.randint(0, 2))):
            if field.message_type is None and not field.is_repeated:
                setattr(right, field.name, value)
        message = right
    if method.name in KEPT and "name" in message.DESCRIPTOR.fields_by_name:
        message.name = "sites/none"
    body: bytes = message.SerializeToString()
    return mutated(body, random) if kind < 0.4 else body


def metadata_of(random: Random) -> tuple[tuple[str, str | bytes], ...]:
    """Return metadata, often none, at times wrong."""
    if random.random() < 0.8:
        return ()
    value = random.choice([text for text in HOSTILE if text.isascii() and text.isprintable()])
    named = random.choice(
        ("authorization", "traceparent", "x-request-id", "grpc-accept-encoding", "tracestate", "x-bin-bin")
    )
    return ((named, value.encode() if named.endswith("-bin") else value),)


async def call(channel: grpc.aio.Channel, seed: int) -> tuple[str, grpc.StatusCode, str]:
    """Make the call of a seed; return its method, and the status and sentence of its answer."""
    random = Random(seed)
    name = random.choice(list(METHODS))
    method = METHODS[name]
    metadata = metadata_of(random)
    opener: Any = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }[method.client_streaming, method.server_streaming]
    opened: Any
    if method.client_streaming:
        bodies = [body_of(method, random) for _ in range(random.randint(0, 4))]
        opened = opener(name)(iter(bodies), metadata=metadata, timeout=DEADLINE)
    else:
        opened = opener(name)(body_of(method, random), metadata=metadata, timeout=DEADLINE)
    try:
        if not method.server_streaming:
            await opened
        else:
            async with asyncio.timeout(DEADLINE if method.client_streaming else STREAM_SECONDS):
                while await opened.read() is not grpc.aio.EOF:
                    pass
    except TimeoutError:
        opened.cancel()
        return name, grpc.StatusCode.OK, ""
    except grpc.aio.AioRpcError as error:
        return name, error.code(), error.details() or ""
    return name, grpc.StatusCode.OK, ""


async def run(target: str, seeds: range) -> tuple[Counter[str], list[Found]]:
    """Make the calls of the seeds; return the statuses with their counts, and the calls that ended in a fault."""
    statuses: Counter[str] = Counter()
    found: list[Found] = []
    remaining = iter(seeds)

    async def worker(channel: grpc.aio.Channel) -> None:
        for seed in remaining:
            name, code, details = await call(channel, seed)
            ours = code in FAULTS and details in LOCAL
            statuses["ended while the client sent" if ours else code.name] += 1
            if (code in FAULTS and not ours) or code is grpc.StatusCode.DEADLINE_EXCEEDED:
                found.append(Found(name, seed, f"{code.name} {details}"[:200]))

    async with grpc.aio.insecure_channel(target) as channel:
        await asyncio.gather(*(worker(channel) for _ in range(AT_ONCE)))
    return statuses, found
