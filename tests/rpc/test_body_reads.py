"""Bodies that are received: how many at once, and who makes way for whom; no body that does not come keeps a place."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass, field

import grpc
import pytest

from matcher import errors
from matcher.errors import ServiceOverloaded
from matcher.rpc.body_reads import OVERTAKEN, OVERTAKEN_PATIENCE, PATIENCE, PROBES, BodyReads
from matcher.rpc.heap import LARGE_BYTES, Heap
from matcher.v1 import routing_pb2 as pb
from tests.rpc.conftest import Service, failure, failure_of
from tests.rpc.raw_http2 import RawCall
from tests.rpc.test_admission import Busy, busy, settle

__all__ = ["busy"]

ROUTE = "/matcher.v1.RoutingService/RouteMessage"


@dataclass
class Senders:
    """Calls that read their bodies through `reads`; a body comes when its test says so."""

    reads: BodyReads
    begun: list[int] = field(default_factory=list)
    bodies: dict[int, asyncio.Future[str]] = field(default_factory=dict)
    calls: dict[int, asyncio.Task[str]] = field(default_factory=dict)

    async def call(self, *numbers: int) -> None:
        """Start calls one after another, whose bodies do not come yet."""

        async def call(number: int) -> str:
            async def body() -> str:
                self.begun.append(number)
                return await self.bodies[number]

            return await self.reads.run(body)

        for number in numbers:
            self.bodies[number] = asyncio.get_running_loop().create_future()
            self.calls[number] = asyncio.create_task(call(number))
            await settle()

    async def until_begun(self, number: int) -> None:
        """Wait until a call reads its body."""
        while number not in self.begun:  # noqa: ASYNC110 - a read has no event for its beginning
            await asyncio.sleep(0.001)

    async def send(self, *numbers: int) -> None:
        """Let the bodies of these calls come."""
        for number in numbers:
            self.bodies[number].set_result(f"body {number}")
            await settle()

    def refused(self) -> list[int]:
        """Return the calls that had to make way."""
        return [
            number
            for number, call in self.calls.items()
            if call.done() and isinstance(call.exception(), ServiceOverloaded)
        ]


async def test_so_many_bodies_are_received_at_once_and_the_others_in_the_order_of_their_calls() -> None:
    """Of four calls two read; when a body has come, the next call reads, and every call gets its body."""
    senders = Senders(BodyReads(2))
    await senders.call(0, 1, 2, 3)
    assert senders.begun == [0, 1]
    assert (senders.reads.reading, senders.reads.waiting) == (2, 2)
    await senders.send(1)
    assert senders.begun == [0, 1, 2]
    await senders.send(0, 3, 2)
    assert [await senders.calls[number] for number in range(4)] == [f"body {number}" for number in range(4)]
    assert (senders.reads.reading, senders.reads.waiting, senders.refused()) == (0, 0, [])


async def test_a_call_that_is_cancelled_as_its_turn_comes_leaves_the_place_to_the_next() -> None:
    """The place comes free and the caller goes away in one pass of the loop: the call ends as cancelled."""
    senders = Senders(BodyReads(1))
    await senders.call(0, 1, 2)
    senders.bodies[0].set_result("body 0")
    senders.calls[1].cancel()
    await settle()
    assert senders.calls[1].cancelled()
    assert senders.begun == [0, 2]
    assert (senders.reads.reading, senders.reads.waiting) == (1, 0)
    await senders.send(2)
    assert await senders.calls[2] == "body 2"


async def test_a_read_that_later_reads_overtook_makes_way_when_its_place_is_wanted() -> None:
    """A call without a body keeps its place until others have waited for it; then a new call reads."""
    senders = Senders(BodyReads(2, patience=OVERTAKEN_PATIENCE))
    await senders.call(0)
    for number in range(1, 1 + OVERTAKEN):
        await senders.call(number)
        await senders.send(number)
    await senders.call(100, 101)
    await senders.until_begun(101)
    assert senders.refused() == []
    await senders.call(102)
    assert senders.refused() == [0]
    await senders.send(100, 101, 102)
    assert await senders.calls[102] == "body 102"


async def test_of_a_crowd_a_body_that_comes_after_all_the_others_is_read() -> None:
    """Of 200 calls at once a busy machine hands over the body of the first one last: none of the calls is refused."""
    senders = Senders(BodyReads())
    await senders.call(*range(200))
    await senders.send(*range(1, 200), 0)
    assert senders.refused() == []
    assert await asyncio.gather(*senders.calls.values()) == [f"body {number}" for number in range(200)]


async def test_calls_without_a_body_keep_nobody_out() -> None:
    """Where all places are taken by calls without a body, a call is tried beyond them, and the oldest makes way."""
    senders = Senders(BodyReads(3, patience=2 * OVERTAKEN_PATIENCE))
    await senders.call(0, 1, 2)
    for number in range(3, 3 + 2 * OVERTAKEN):
        await senders.call(number)
        await senders.until_begun(number)
        await senders.send(number)
        assert await senders.calls[number] == f"body {number}"
    assert senders.refused() == [0]


async def test_where_no_body_comes_at_all_the_places_go_round() -> None:
    """Of calls that all send nothing, no more read than the places and four, and each makes way in the end."""
    senders = Senders(BodyReads(2, patience=3))
    await senders.call(*range(20))
    while len(senders.begun) < 20:
        await asyncio.sleep(0.001)
        assert senders.reads.reading <= 2 + PROBES
    assert senders.refused()[:2] == [0, 1]


async def test_a_blocked_loop_takes_nobody_s_place() -> None:
    """A read that others wait for is found waiting once after a blocked loop, however long it was blocked."""
    senders = Senders(BodyReads(1))
    await senders.call(0, 1)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        seen = loop.time()
        while loop.time() - seen < 0.05:
            pass  # nothing else runs meanwhile
        await settle()
    assert PATIENCE > 3
    assert senders.refused() == []
    await senders.send(0, 1)
    assert await senders.calls[1] == "body 1"


async def test_a_caller_who_goes_leaves_the_line_and_its_place() -> None:
    """A call that is cancelled while it reads, or while it waits, makes way for the next."""
    senders = Senders(BodyReads(1))
    await senders.call(0, 1, 2)
    senders.calls[1].cancel()
    senders.calls[0].cancel()
    await settle()
    assert senders.begun == [0, 2]
    assert senders.calls[0].cancelled()
    await senders.send(2)
    assert (senders.reads.reading, senders.reads.waiting) == (0, 0)


async def test_calls_without_a_body_take_no_place_of_admission(busy: Busy) -> None:
    """Of a service that works on one route at a time, 24 calls with headers and no body keep no route waiting."""
    idle = [await RawCall.open(busy.port, ROUTE, b"", end=False) for _ in range(24)]
    busy.answer.set()
    for number in range(20):
        assert (await busy.route(f"route {number}")).reservation.name
    assert busy.gate.admission.in_flight == 0
    for call in idle:
        await call.close()


async def test_a_call_that_made_way_is_told_when_to_try_again(service: Service) -> None:
    """A call without a body gets RESOURCE_EXHAUSTED with the reason, while the calls behind it are answered."""
    request = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="My shoes have a hole."))
    idle = [await RawCall.open(service.port, ROUTE, b"", end=False) for _ in range(17)]
    for _ in range(OVERTAKEN + PATIENCE // OVERTAKEN_PATIENCE):
        await service.routing.RouteMessage(request)
    # Which of them began to be read first is gRPC's choice: each has a connection of its own.
    answers = [asyncio.create_task(call.answer()) for call in idle]
    done, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
    answer = failure_of(done.pop().result())
    assert (answer.code, answer.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVICE_OVERLOADED")
    assert answer.retry_seconds == pytest.approx(0.5)
    for waiting in answers:
        waiting.cancel()
    await asyncio.gather(*answers, return_exceptions=True)
    for call in idle:
        await call.close()


async def test_one_trim_gives_the_memory_of_many_large_bodies_back_and_small_ones_cost_none() -> None:
    """Small bodies are followed by no trim, 48 large ones by one, and a later one by another."""
    trims: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    heap = Heap(lambda pad: loop.call_soon_threadsafe(trims.put_nowait, pad), seconds=0.0)
    for _ in range(1_000):
        heap.body(LARGE_BYTES - 1)
    for _ in range(48):
        heap.body(16 * LARGE_BYTES)
    assert await trims.get() == 0
    heap.body(LARGE_BYTES)
    assert await trims.get() == 0
    await settle()
    assert trims.empty()


async def test_a_refused_body_is_free_when_its_call_is_over(service: Service) -> None:
    """Nothing holds what a refused call has sent, though the garbage collector has not come: not even its error."""
    held: list[weakref.ref[Held]] = []

    class Held(bytearray):
        """A request that can be watched."""

    def suggest(*_: object) -> None:
        request = Held(b"the request")
        held.append(weakref.ref(request))
        raise errors.SiteNotFound("sites/default")

    service.doubles.router.suggest = suggest  # type: ignore[assignment]
    gc.disable()
    try:
        request = pb.SuggestAgentsRequest(parent="sites/default", message=pb.Message(text="My shoes have a hole."))
        answer = await failure(service.routing.SuggestAgents(request))
        assert answer.reason == "SITE_NOT_FOUND"
        await settle()
        assert [reference() for reference in held] == [None]
    finally:
        gc.enable()
