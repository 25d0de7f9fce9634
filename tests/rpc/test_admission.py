"""Admission: which calls are admitted and which are refused when too many come, by a clock that the tests set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from matcher.model import ReservedOutcome
from matcher.rpc.admission_queue import CROWD, Admission
from matcher.rpc.health import Health
from matcher.rpc.interceptors.admission import AdmissionGate
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc
from tests.rpc.conftest import failure
from tests.rpc.doubles import CANDIDATE, OFFER, Doubles, RouterDouble

BURST_SECONDS = 2.0


@dataclass
class Gate:
    """An admission with a clock of its own, and a record of its decisions."""

    most: int = 1
    most_waiting: int = 1_000
    in_order: int = 0
    crowd: int = 0
    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    admitted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    callers: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admission = Admission(
            self.most,
            self.most_waiting,
            BURST_SECONDS,
            lambda: self.now,
            in_order=self.in_order,
            crowd=self.crowd,
            on_wait=self.waits.append,
            on_refusal=lambda reason, _site: self.refusals.append(reason),
        )

    async def arrive(self, *numbers: int) -> None:
        """Start calls one after another."""

        async def caller(number: int) -> None:
            (self.admitted if await self.admission.enter() else self.refused).append(number)

        for number in numbers:
            self.callers[number] = asyncio.create_task(caller(number))
            await settle()

    async def finish(self, times: int = 1) -> None:
        """End calls that are in flight."""
        for _ in range(times):
            self.admission.leave()
            await settle()


async def settle() -> None:
    """Run everything that is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_that_wait_a_moment_are_admitted_in_the_order_of_their_arrival() -> None:
    """One call is admitted at once; of two that wait for less than 0.1 s, the first is admitted first."""
    gate = Gate()
    await gate.arrive(1, 2, 3)
    gate.now = 0.09
    await gate.finish(2)
    assert gate.admitted == [1, 2, 3]


async def test_the_newest_call_of_a_standing_line_is_admitted_first() -> None:
    """Two calls are admitted at once; of three that wait longer, the last is admitted first."""
    gate = Gate(most=2)
    await gate.arrive(1, 2, 3, 4, 5)
    assert gate.admitted == [1, 2]
    assert (gate.admission.in_flight, gate.admission.waiting) == (2, 3)
    gate.now = 0.5
    await gate.finish(3)
    assert gate.admitted == [1, 2, 5, 4, 3]
    assert gate.waits == [0.0, 0.0, 0.5, 0.5, 0.5]
    await gate.finish(2)
    assert (gate.admission.in_flight, gate.admission.waiting) == (0, 0)


async def test_callers_who_each_wait_for_their_answer_are_served_in_rounds_and_never_refused() -> None:
    """Nine callers call again as soon as they are answered, one call at a time: each is served every ninth time."""
    gate = Gate(in_order=8)
    await gate.arrive(*range(9))
    for call in range(9, 3_000):
        gate.now += 0.1
        await gate.finish()
        await gate.arrive(call)
    assert gate.refusals == []
    assert gate.admitted == list(range(len(gate.admitted)))


async def test_in_an_overload_the_newest_call_is_admitted_first_until_the_line_was_empty() -> None:
    """A line that is short again because calls were refused does not go back to the order of arrival."""
    gate = Gate(in_order=2)
    await gate.arrive(0, 1, 2, 3)
    gate.now = BURST_SECONDS
    await gate.arrive(4)
    assert gate.refused == [1, 2]
    await gate.finish()
    assert gate.admitted == [0, 4]


async def test_every_call_of_a_crowd_is_answered_however_long_it_takes() -> None:
    """Of 1,000 calls within the time of a burst none is refused, though the last is admitted an hour later."""
    gate = Gate()
    await gate.arrive(*range(1_000))
    gate.now = 3_600.0
    await gate.finish(1_000)
    assert sorted(gate.admitted) == list(range(1_000))
    assert gate.refusals == []


async def test_a_crowd_is_answered_also_where_it_arrives_slowly() -> None:
    """A thousand calls that a slow machine receives within a minute are a crowd; of more, the oldest are refused."""
    gate = Gate(most_waiting=2_048, crowd=CROWD)
    await gate.arrive(0)
    for number in range(1, 1_001):
        gate.now += 0.06
        await gate.arrive(number)
    assert gate.refusals == []
    await gate.arrive(*range(1_001, 1_026))
    assert gate.refused == [1, 2]


async def test_a_standing_line_is_overload_and_each_new_call_refuses_the_oldest() -> None:
    """Once the line has stood for two seconds, each new call refuses two calls that have waited over 0.05 s."""
    gate = Gate()
    await gate.arrive(0, 1, 2, 3, 4, 5)
    gate.now = BURST_SECONDS - 0.001
    await gate.arrive(6)
    assert gate.refused == []
    gate.now = BURST_SECONDS
    await gate.arrive(7)
    assert gate.refused == [1, 2]
    await gate.arrive(8, 9)
    assert gate.refused == [1, 2, 3, 4, 5]
    assert gate.admission.waiting == 4  # 6 to 9 arrived less than 0.05 s ago
    gate.now += 0.06
    await gate.arrive(10)
    assert gate.refused == [1, 2, 3, 4, 5, 6, 7]
    assert gate.refusals == ["standing"] * 7
    await gate.finish()
    assert gate.refused == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert gate.admitted == [0, 10]


async def test_in_an_overload_the_end_of_a_call_refuses_the_oldest_too() -> None:
    """When no new calls arrive, the calls that have waited too long are not admitted seconds later."""
    gate = Gate()
    await gate.arrive(0, 1, 2, 3)
    gate.now = BURST_SECONDS
    await gate.arrive(4, 5, 6)
    assert gate.refused == [1, 2, 3]
    gate.now += 0.06
    await gate.finish()
    assert gate.refused == [1, 2, 3, 4, 5]
    assert gate.admitted == [0, 6]


async def test_an_empty_line_begins_a_new_burst() -> None:
    """After the line was empty, new calls wait without being refused."""
    gate = Gate()
    await gate.arrive(0, 1)
    gate.now = 10 * BURST_SECONDS
    await gate.finish()
    await gate.arrive(2, 3, 4)
    gate.now += 1.0
    await gate.arrive(5)
    assert gate.refused == []


async def test_a_moment_without_a_line_does_not_end_an_overload() -> None:
    """A line that fills again within a second of a refusal is still overload; after a second it is a new burst."""
    gate = Gate()
    await gate.arrive(0, 1)
    gate.now = BURST_SECONDS
    await gate.arrive(2)
    assert gate.refused == [1]
    await gate.finish(1)
    assert gate.admission.waiting == 0
    gate.now += 0.5
    await gate.arrive(3)
    gate.now += 0.2
    await gate.arrive(4)
    assert gate.refused == [1, 3]
    await gate.finish(1)
    gate.now += 1.0
    await gate.arrive(5)
    gate.now += 0.2
    await gate.arrive(6)
    assert gate.refused == [1, 3]


async def test_a_full_line_refuses_the_oldest_at_once() -> None:
    """The limit of the line holds from the first moment: beyond it a new call replaces the oldest."""
    gate = Gate(most_waiting=2)
    await gate.arrive(0, 1, 2, 3, 4)
    assert gate.refused == [1, 2]
    assert gate.refusals == ["full", "full"]
    without_line = Gate(most_waiting=0)
    await without_line.arrive(0, 1)
    assert (without_line.admitted, without_line.refused) == ([0], [1])


async def test_a_cancelled_call_leaves_the_line_and_blocks_no_other() -> None:
    """A call that is cancelled while it waits, or at the moment it is admitted, makes way for the next."""
    gate = Gate()
    await gate.arrive(0, 1, 2, 3)
    gate.callers[2].cancel()
    await settle()
    assert gate.admission.waiting == 2
    gate.admission.leave()  # admits 3, which is cancelled before it continues
    gate.callers[3].cancel()
    await settle()
    assert gate.admitted == [0, 1]
    await gate.finish()
    assert (gate.admission.in_flight, gate.admission.waiting) == (0, 0)


@dataclass
class Busy:
    """A real server that works on one route at a time, with a router that answers when `answer` is set."""

    port: int
    routing: routing_pb2_grpc.RoutingServiceAsyncStub
    router: RouterDouble
    health: Health
    telemetry: Telemetry
    entered: asyncio.Queue[str]
    answer: asyncio.Event
    gate: Gate

    def route(self, text: str) -> Any:
        """Call RouteMessage."""
        return self.routing.RouteMessage(
            pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text=text)), timeout=60
        )

    def counted(self, name: str, **labels: str) -> float:
        """Return a metric."""
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def busy() -> AsyncIterator[Busy]:
    """Yield a server that admits one route at once and lets one more wait in the line."""
    router, telemetry = RouterDouble(), Telemetry()
    health = Health(telemetry)
    await health.set(True, "")
    entered: asyncio.Queue[str] = asyncio.Queue()
    answer = asyncio.Event()

    async def blocked(*given: Any, **_: Any) -> ReservedOutcome:
        entered.put_nowait(given[1].message.text)
        await answer.wait()
        return ReservedOutcome(OFFER, CANDIDATE, replayed=False)

    router.route = blocked  # type: ignore[method-assign]
    gate = Gate(most_waiting=1)
    limit = AdmissionGate(gate.admission, health)
    server = build_server(Doubles(router).services, health, telemetry, admission=limit, worker="1/2")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = routing_pb2_grpc.RoutingServiceStub(channel)
        yield Busy(port, stub, router, health, telemetry, entered, answer, gate)
    await server.stop(None)


async def in_line(busy: Busy, calls: int) -> None:
    """Wait until `calls` calls wait in the line."""
    while busy.gate.admission.waiting != calls:  # noqa: ASYNC110 - the line has no event for its length
        await asyncio.sleep(0.001)


async def test_a_refusal_says_when_to_try_again_and_the_body_is_not_read(busy: Busy) -> None:
    """When the third of three calls arrives, one is in flight and one waits: the waiting call is refused, unread."""
    first = busy.route("first")
    assert await busy.entered.get() == "first"
    second = busy.route("second")
    await in_line(busy, 1)
    third = busy.route("third")
    refusal = await failure(second)
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (refusal.reason, refusal.retry_seconds) == ("SERVICE_OVERLOADED", 0.5)
    assert ("matcher-worker", "1/2") in tuple(await second.trailing_metadata())
    busy.answer.set()
    assert (await first).reservation.name == (await third).reservation.name != ""
    assert busy.entered.get_nowait() == "third"
    assert busy.entered.empty()
    exhausted = {
        "grpc_type": "unary",
        "grpc_service": "matcher.v1.RoutingService",
        "grpc_method": "RouteMessage",
        "grpc_code": "RESOURCE_EXHAUSTED",
    }
    assert busy.counted("grpc_server_handled_total", **exhausted) == 1
    assert (busy.gate.admission.in_flight, busy.gate.admission.waiting) == (0, 0)


async def test_a_batch_of_far_too_many_messages_is_refused_before_it_is_decoded(busy: Busy) -> None:
    """Millions of empty messages would take a gigabyte; that the end of this body is no protobuf is never noticed."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{busy.port}") as channel:
        batch: Any = channel.unary_unary("/matcher.v1.RoutingService/RouteMessages")
        one = pb.RouteMessagesRequest(requests=[pb.RouteMessageRequest()]).SerializeToString()
        refused = await failure(batch(one * 1_100 + b"\xff"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELDS_INVALID")
        assert refused.violations == {"requests": "has more than 1024 entries; at most 256 are allowed"}
        read = await failure(batch(one * 1_000 + b"\xff"))
        assert read.reason == "MESSAGE_MALFORMED"


async def test_a_call_that_ends_a_conversation_never_waits(busy: Busy) -> None:
    """While a route is in flight and another waits, a reservation is completed and read at once."""
    first, second = busy.route("first"), busy.route("second")
    await busy.entered.get()
    await in_line(busy, 1)
    name = "sites/default/reservations/01JR"
    await busy.routing.CompleteReservation(pb.CompleteReservationRequest(name=name))
    await busy.routing.GetReservation(pb.GetReservationRequest(name=name))
    busy.answer.set()
    await asyncio.gather(first, second)


async def test_a_service_that_is_not_serving_lets_no_call_wait(busy: Busy) -> None:
    """While the store does not answer, calls are not limited, so that they get the store's error."""
    await busy.health.set(False, "the store does not answer")
    calls = [busy.route(str(number)) for number in range(5)]
    assert {await busy.entered.get() for _ in calls} == set("01234")
    busy.answer.set()
    await asyncio.gather(*calls)


async def test_a_call_whose_deadline_passes_leaves_the_line(busy: Busy) -> None:
    """A call that waits until its deadline ends with DEADLINE_EXCEEDED and is never routed."""
    first = busy.route("first")
    await busy.entered.get()
    late = busy.routing.RouteMessage(
        pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="late")), timeout=0.05
    )
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await late
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await in_line(busy, 0)
    busy.answer.set()
    await first
    assert busy.entered.empty()
