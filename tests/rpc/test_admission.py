"""Who is let in when more calls come than can be worked on, by a clock that the tests turn."""

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
from matcher.rpc.interceptors.admission import AdmissionInterceptor
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc
from tests.rpc.conftest import told
from tests.rpc.doubles import CANDIDATE, OFFER, Doubles, RouterDouble

BURST_SECONDS = 2.0


@dataclass
class Gate:
    """An admission with a clock of its own, and what it told."""

    most: int = 1
    most_waiting: int = 1_000
    in_order: int = 0
    crowd: int = 0
    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    inside: list[int] = field(default_factory=list)
    sent_away: list[int] = field(default_factory=list)
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
            on_refusal=self.refusals.append,
        )

    async def arrive(self, *numbers: int) -> None:
        """Let callers come one after another."""

        async def caller(number: int) -> None:
            (self.inside if await self.admission.enter() else self.sent_away).append(number)

        for number in numbers:
            self.callers[number] = asyncio.create_task(caller(number))
            await settle()

    async def finish(self, times: int = 1) -> None:
        """Let calls that are under way end."""
        for _ in range(times):
            self.admission.leave()
            await settle()


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_waits_a_moment_goes_in_the_order_of_coming() -> None:
    """One is let in at once; of two who wait for less than 0.1 s, the first to come is the first to go in."""
    gate = Gate()
    await gate.arrive(1, 2, 3)
    gate.now = 0.09
    await gate.finish(2)
    assert gate.inside == [1, 2, 3]


async def test_so_many_are_let_in_and_the_newest_of_a_line_that_stands_goes_next() -> None:
    """Two are let in at once; of three who wait longer, the last to come is the first to go in."""
    gate = Gate(most=2)
    await gate.arrive(1, 2, 3, 4, 5)
    assert gate.inside == [1, 2]
    assert (gate.admission.in_flight, gate.admission.waiting) == (2, 3)
    gate.now = 0.5
    await gate.finish(3)
    assert gate.inside == [1, 2, 5, 4, 3]
    assert gate.waits == [0.0, 0.0, 0.5, 0.5, 0.5]
    await gate.finish(2)
    assert (gate.admission.in_flight, gate.admission.waiting) == (0, 0)


async def test_callers_who_each_wait_for_their_answer_take_turns_and_none_is_ever_refused() -> None:
    """Nine callers, one worked on at a time, who call again as soon as they are answered: each has every ninth turn."""
    gate = Gate(in_order=8)
    await gate.arrive(*range(9))
    for call in range(9, 3_000):
        gate.now += 0.1
        await gate.finish()
        await gate.arrive(call)
    assert gate.refusals == []
    assert gate.inside == list(range(len(gate.inside)))


async def test_once_it_is_overload_the_newest_goes_first_until_the_line_was_empty() -> None:
    """A line that is short again because so many were sent away is no line of callers who take turns."""
    gate = Gate(in_order=2)
    await gate.arrive(0, 1, 2, 3)
    gate.now = BURST_SECONDS
    await gate.arrive(4)
    assert gate.sent_away == [1, 2]
    await gate.finish()
    assert gate.inside == [0, 4]


async def test_a_crowd_that_comes_at_once_is_answered_to_the_last_however_long_it_takes() -> None:
    """Of 1,000 calls within the time a burst may take, none is refused, though the last goes in an hour later."""
    gate = Gate()
    await gate.arrive(*range(1_000))
    gate.now = 3_600.0
    await gate.finish(1_000)
    assert sorted(gate.inside) == list(range(1_000))
    assert gate.refusals == []


async def test_a_crowd_is_answered_also_where_it_takes_long_to_come_in() -> None:
    """A thousand calls that a slow machine takes a minute to let come in are a crowd; of more, the oldest go."""
    gate = Gate(most_waiting=2_048, crowd=CROWD)
    await gate.arrive(0)
    for number in range(1, 1_001):
        gate.now += 0.06
        await gate.arrive(number)
    assert gate.refusals == []
    await gate.arrive(*range(1_001, 1_026))
    assert gate.sent_away == [1, 2]


async def test_a_line_that_stands_is_overload_and_newcomers_send_the_oldest_away() -> None:
    """Once the line has stood for two seconds, each newcomer sends away two who have waited over a twentieth of one."""
    gate = Gate()
    await gate.arrive(0, 1, 2, 3, 4, 5)
    gate.now = BURST_SECONDS - 0.001
    await gate.arrive(6)
    assert gate.sent_away == []
    gate.now = BURST_SECONDS
    await gate.arrive(7)
    assert gate.sent_away == [1, 2]
    await gate.arrive(8, 9)
    assert gate.sent_away == [1, 2, 3, 4, 5]
    assert gate.admission.waiting == 4  # 6 to 9 came less than a twentieth of a second ago
    gate.now += 0.06
    await gate.arrive(10)
    assert gate.sent_away == [1, 2, 3, 4, 5, 6, 7]
    assert gate.refusals == ["standing"] * 7
    await gate.finish()
    assert gate.sent_away == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert gate.inside == [0, 10]


async def test_in_an_overload_the_end_of_a_call_sends_the_oldest_away_too() -> None:
    """When nobody comes any more, those who have waited too long are not let in seconds later."""
    gate = Gate()
    await gate.arrive(0, 1, 2, 3)
    gate.now = BURST_SECONDS
    await gate.arrive(4, 5, 6)
    assert gate.sent_away == [1, 2, 3]
    gate.now += 0.06
    await gate.finish()
    assert gate.sent_away == [1, 2, 3, 4, 5]
    assert gate.inside == [0, 6]


async def test_an_empty_line_begins_a_new_burst() -> None:
    """After the line was empty once, those who come then wait without being sent away."""
    gate = Gate()
    await gate.arrive(0, 1)
    gate.now = 10 * BURST_SECONDS
    await gate.finish()
    await gate.arrive(2, 3, 4)
    gate.now += 1.0
    await gate.arrive(5)
    assert gate.sent_away == []


async def test_a_moment_without_a_line_does_not_end_an_overload() -> None:
    """A line that is empty and fills again within a second of a refusal is judged as before; after that anew."""
    gate = Gate()
    await gate.arrive(0, 1)
    gate.now = BURST_SECONDS
    await gate.arrive(2)
    assert gate.sent_away == [1]
    await gate.finish(1)
    assert gate.admission.waiting == 0
    gate.now += 0.5
    await gate.arrive(3)
    gate.now += 0.2
    await gate.arrive(4)
    assert gate.sent_away == [1, 3]
    await gate.finish(1)
    gate.now += 1.0
    await gate.arrive(5)
    gate.now += 0.2
    await gate.arrive(6)
    assert gate.sent_away == [1, 3]


async def test_a_full_line_sends_the_oldest_away_at_once() -> None:
    """The line has its longest length from the first moment: beyond it the newcomer takes the oldest's place."""
    gate = Gate(most_waiting=2)
    await gate.arrive(0, 1, 2, 3, 4)
    assert gate.sent_away == [1, 2]
    assert gate.refusals == ["full", "full"]
    without_line = Gate(most_waiting=0)
    await without_line.arrive(0, 1)
    assert (without_line.inside, without_line.sent_away) == ([0], [1])


async def test_who_gives_up_leaves_the_line_and_takes_no_room() -> None:
    """A caller who goes while waiting, or at the very moment of being let in, leaves the room to the next."""
    gate = Gate()
    await gate.arrive(0, 1, 2, 3)
    gate.callers[2].cancel()
    await settle()
    assert gate.admission.waiting == 2
    gate.admission.leave()  # lets 3 in, who goes before hearing of it
    gate.callers[3].cancel()
    await settle()
    assert gate.inside == [0, 1]
    await gate.finish()
    assert (gate.admission.in_flight, gate.admission.waiting) == (0, 0)


@dataclass
class Busy:
    """A real server that works on one route at a time, and a router that does not answer until told."""

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
    """Give a server that lets one route in at once and one more stand in line."""
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
    interceptor = AdmissionInterceptor(gate.admission, health, worker="1/2")
    server = build_server(Doubles(router).services, health, telemetry, admission=interceptor)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = routing_pb2_grpc.RoutingServiceStub(channel)
        yield Busy(stub, router, health, telemetry, entered, answer, gate)
    await server.stop(None)


async def in_line(busy: Busy, calls: int) -> None:
    """Wait until so many calls stand in line."""
    while busy.gate.admission.waiting != calls:  # noqa: ASYNC110 - the line tells nobody how long it is
        await asyncio.sleep(0.001)


async def test_a_refusal_says_when_to_come_back_and_nothing_of_it_was_read(busy: Busy) -> None:
    """The third of three calls finds one under way and one in line: the one in line is refused, unread."""
    first = busy.route("first")
    assert await busy.entered.get() == "first"
    second = busy.route("second")
    await in_line(busy, 1)
    third = busy.route("third")
    refused = await told(second)
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (refused.reason, refused.retry_seconds) == ("SERVICE_OVERLOADED", 0.5)
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


async def test_what_ends_a_conversation_is_never_kept_waiting(busy: Busy) -> None:
    """While a route is under way and another waits, a reservation is completed and read as ever."""
    first, second = busy.route("first"), busy.route("second")
    await busy.entered.get()
    await in_line(busy, 1)
    name = "sites/default/reservations/01JR"
    await busy.routing.CompleteReservation(pb.CompleteReservationRequest(name=name))
    await busy.routing.GetReservation(pb.GetReservationRequest(name=name))
    busy.answer.set()
    await asyncio.gather(first, second)


async def test_a_service_that_is_not_serving_keeps_nobody_in_line(busy: Busy) -> None:
    """While the store is away, calls go in at once, to be told what is wrong rather than that it is busy."""
    await busy.health.set(False, "the store does not answer")
    calls = [busy.route(str(number)) for number in range(5)]
    assert {await busy.entered.get() for _ in calls} == set("01234")
    busy.answer.set()
    await asyncio.gather(*calls)


async def test_a_caller_whose_time_is_over_leaves_the_line(busy: Busy) -> None:
    """A call that waits past its deadline ends with it, and its place is free."""
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
