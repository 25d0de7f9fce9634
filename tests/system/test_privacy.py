"""Privacy: a customer's words are nowhere but in the call."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from matcher.client import MatcherCallError, MatcherClient
from matcher.encoder import PACKAGED_PAIR, EncoderSettings, halves_of, open_encoder
from matcher.replica.text_reading import TEXT_READING
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, Store, health, metric_page, model_cache

MARKER = "zebrafinch" + uuid.uuid4().hex
TEXT = f"My passport number is {MARKER}. I keep honey bees, and my hive tool is broken."
ALIKE = 0.95
"""The cosine above which stored numbers count as a text's vector."""


@pytest.fixture
async def watched() -> AsyncIterator[Store]:
    """Give a store that also records every command in its slow log."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        store = Store(Path(name))
        await store.start()
        try:
            async with store.client() as redis:
                await redis.config_set("slowlog-log-slower-than", 0)
                await redis.config_set("slowlog-max-len", 100_000)
            yield store
        finally:
            await store.end(signal.SIGKILL)


async def kept(store: Store) -> bytes:
    """Return all bytes of a store: its append-only files, its slow log, and every key with its value."""
    async with store.client() as redis:
        said: list[Any] = [await redis.slowlog_get(100_000)]
        async for key in redis.scan_iter():
            reads: dict[bytes | str, Any] = {
                b"string": redis.get,
                b"hash": redis.hgetall,
                b"set": redis.smembers,
                b"zset": lambda name: redis.zrange(name, 0, -1),
                b"stream": redis.xrange,
            }
            said += [key, await reads[await redis.type(key)](key)]
    return b"".join(flat(said)) + b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())


def flat(value: Any) -> list[bytes]:
    """Return the byte strings in an answer of the store."""
    match value:
        case bytes():
            return [value]
        case dict():
            return [part for pair in value.items() for each in pair for part in flat(each)]
        case list() | tuple() | set():
            return [part for each in value for part in flat(each)]
        case _:
            return [str(value).encode()]


def likeness(held: bytes, vector: NDArray[np.float32]) -> float:
    """Return the highest cosine between a vector and any run of fp16 or fp32 numbers in `held`."""
    best = 0.0
    for kind in (np.float16, np.float32):
        width = np.dtype(kind).itemsize
        for start in range(width):
            usable = held[start : len(held) - (len(held) - start) % width]
            numbers = np.frombuffer(usable, dtype=kind).astype(np.float32)
            # Numbers out of a unit vector's range are no vector.
            numbers = np.where(np.abs(numbers) <= 1.0, numbers, 0.0)
            runs = np.lib.stride_tricks.sliding_window_view(numbers, len(vector))
            lengths = np.sqrt(np.maximum(np.convolve(numbers**2, np.ones(len(vector)), "valid"), 1e-12))
            # Noise near zero is no vector either.
            cosines = np.where(lengths > 0.5, runs @ vector / lengths, 0.0)
            best = max(best, float(cosines.max(initial=0.0)))
    return best


async def send_marker(client: MatcherClient, server: Server, store: Store) -> None:
    """Send the marker in every way: in valid, invalid and repeated calls, and while the store is away."""
    first = await client.route(TEXT, request_id="r-1", contact_id="c-1")
    assert first.reservation.agent == client.name("agents", "bea")
    assert (await client.route(TEXT, request_id="r-1", contact_id="c-1")).replayed
    assert (await client.route(TEXT, explain_unmatched=True)).unmatched.would_match
    await client.suggest(TEXT, ignore_availability=True, explain_left_out=True)
    wrong = (
        client.route(TEXT, pool="nowhere"),
        client.route(TEXT * 200),
        client.route(TEXT, channel=MARKER.upper()),
        client.route(TEXT, contact_id=f"{MARKER} {MARKER}"),
        client.route(TEXT, required_skills={MARKER.upper(): 999}),
        client.route(TEXT, request_id="r-1", contact_id="c-2"),
        client.route(TEXT, contact_id="c-1"),
    )
    several = [
        pb.RouteMessageRequest(contact_id=contact, message=pb.Message(text=text))
        for contact, text in (("c-1", TEXT), ("c-3", TEXT), (MARKER + "!", TEXT), ("c-4", TEXT * 200))
    ]
    results = await client.route_many(several)
    assert [one.WhichOneof("result") for one in results] == ["status", "response", "status", "status"]
    failures = await asyncio.gather(*wrong, return_exceptions=True)
    assert [isinstance(failure, MatcherCallError) for failure in failures] == [True] * len(wrong)
    async with grpc.aio.insecure_channel(server.target) as channel:
        raw: Any = channel.unary_unary("/matcher.v1.RoutingService/RouteMessage")
        body = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text=TEXT)).SerializeToString()
        for broken in (body[:-3], body.replace(b"passport", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe")):
            with pytest.raises(grpc.aio.AioRpcError):
                await raw(broken, timeout=30)
    store.send(signal.SIGSTOP)
    try:
        with pytest.raises(MatcherCallError) as failed:
            await client.route(TEXT, deadline=60)
        assert failed.value.reason == "STORE_UNAVAILABLE"
    finally:
        store.send(signal.SIGCONT)

    async def serving() -> bool:
        return await health(server.target)

    await wait_until(serving, "the store is back")
    assert (await client.route(TEXT, request_id="r-1", contact_id="c-1")).replayed


async def test_words_and_vectors_of_a_customer_are_stored_nowhere(watched: Store, launch: StartServer) -> None:
    """After calls that succeed, fail and are repeated, no log, metric, file or key contains the text or its vectors."""
    settings = {
        "MATCHER_STORE_URL": watched.url,
        "MATCHER_LOG_LEVEL": "debug",
        "MATCHER_STORE_TIMEOUT_SECONDS": "1",
    }
    server = await launch(settings)
    interest = "I keep honey bees."
    async with server.client() as client:
        await hire(client, {"bea": person(interest)})
        await send_marker(client, server, watched)
    held = await kept(watched)
    for place in (server.log().encode(), (await metric_page(server)).encode(), held):
        assert len(place) > 1_000
        for word in (MARKER, MARKER.upper(), "hive tool", "passport number"):
            assert word.encode() not in place

    encoder = await open_encoder(
        EncoderSettings(model_cache(), PACKAGED_PAIR), lambda _step: None, reading=TEXT_READING
    )
    try:
        halves = halves_of(encoder)
        assert halves is not None
        known = (await encoder.encode([interest], english=True))[0]
        units = [unit.strip() for unit in TEXT.split(". ")]
        whole = await encoder.encode([TEXT, *units, TEXT.rpartition(".")[0]], english=True)
    finally:
        await encoder.close()
    vectors = [part for vector in whole for part in (vector / 2**0.5, *np.split(vector, halves[:1]))]
    assert likeness(held, known / 2**0.5) > ALIKE, (
        "the interest's own vector is in the store, so the search finds vectors"
    )
    assert [round(likeness(held, vector), 2) for vector in vectors if likeness(held, vector) > ALIKE] == []
