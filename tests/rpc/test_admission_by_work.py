"""Admission by work: what large calls and busy sites leave to others, by a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from matcher.auth.principal import Grant, Role
from matcher.model import ReservedOutcome
from matcher.rpc.admission_queue import MOST_WAITING_BYTES, Admission
from matcher.rpc.call_cost import CallCost
from matcher.rpc.health import Health
from matcher.rpc.interceptors.admission import AdmissionGate, host_of
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc
from tests.auth.guarded import ByName
from tests.rpc.doubles import CANDIDATE, OFFER, Doubles, RouterDouble


@dataclass
class Line:
    """An admission whose clock stands still, and what it decided."""

    most: int = 8
    most_waiting: int = 1_000
    admitted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    costs: dict[str, CallCost] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admission = Admission(self.most, self.most_waiting, 2.0, lambda: 0.0)

    async def arrive(self, name: str, work: int = 1, site: str = "a", size: int = 0) -> None:
        """Start a call."""
        self.costs[name] = CallCost(work, size, site)

        async def call() -> None:
            (self.admitted if await self.admission.enter(self.costs[name]) else self.refused).append(name)

        self.tasks.append(asyncio.create_task(call()))
        await settle()

    async def finish(self, name: str) -> None:
        """End a call."""
        self.admission.leave(self.costs[name])
        await settle()


async def settle() -> None:
    """Run everything that is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_large_call_takes_as_many_places_as_its_work_and_at_most_half_of_them() -> None:
    """Two of the largest calls leave no place, and one of them leaves half."""
    line = Line(most=8)
    await line.arrive("large", 60)
    for number in range(4):
        await line.arrive(f"small-{number}")
    await line.arrive("waits")
    assert line.admitted == ["large", "small-0", "small-1", "small-2", "small-3"]
    await line.finish("small-0")
    assert line.admitted[-1] == "waits"


async def test_small_calls_do_not_keep_a_large_one_waiting_for_ever() -> None:
    """Once it is next, the calls behind it wait until there is room for it."""
    line = Line(most=8)
    for number in range(8):
        await line.arrive(f"small-{number}")
    await line.arrive("large", 4)
    await line.arrive("behind")
    for number in range(3):
        await line.finish(f"small-{number}")
    assert "large" not in line.admitted
    assert "behind" not in line.admitted
    await line.finish("small-3")
    assert line.admitted[-1] == "large"
    await line.finish("small-4")
    assert line.admitted[-1] == "behind"


async def test_a_busy_site_does_not_stand_before_another_one() -> None:
    """Site b's call comes after two hundred of site a, and waits for at most two turns of it."""
    line = Line(most=1)
    for number in range(200):
        await line.arrive(f"a-{number}")
    await line.arrive("b-0", site="b")
    served = 0
    while "b-0" not in line.admitted:
        await line.finish(line.admitted[-1])
        served += 1
    assert served <= 20


async def test_a_full_line_refuses_the_site_that_fills_it() -> None:
    """The call of the other site stays, though it is the oldest."""
    line = Line(most=1, most_waiting=4)
    await line.arrive("works")
    await line.arrive("b-0", site="b")
    for number in range(10):
        await line.arrive(f"a-{number}")
    assert line.refused == [f"a-{number}" for number in range(7)]
    assert line.admission.waiting == 4


async def test_the_bodies_in_the_line_have_a_bound_of_bytes() -> None:
    """However few calls wait."""
    line = Line(most=1)
    await line.arrive("works")
    for number in range(6):
        await line.arrive(f"a-{number}", size=MOST_WAITING_BYTES // 4)
    assert line.refused == ["a-0", "a-1"]


def test_the_host_of_a_peer_has_no_port() -> None:
    """The port is new with each connection."""
    assert host_of("ipv4:10.0.0.7:51000") == "ipv4:10.0.0.7"
    assert host_of("ipv6:%5B::1%5D:51000") == "ipv6:%5B::1%5D"


@dataclass
class Served:
    """A real server with one place for calls and one for batches; its router answers when `answer` is set."""

    routing: routing_pb2_grpc.RoutingServiceAsyncStub
    entered: asyncio.Queue[str]
    answer: asyncio.Event
    calls: Admission
    batches: Admission

    def route(self, text: str, site: str = "default", *, caller: str = "") -> Any:
        """Call RouteMessage; caller: by whom, "": nobody says."""
        request = pb.RouteMessageRequest(parent=f"sites/{site}", message=pb.Message(text=text))
        shown = (("authorization", f"Bearer {caller}"),) if caller else ()
        return self.routing.RouteMessage(request, timeout=60, metadata=shown)

    def batch(self, text: str) -> Any:
        """Call RouteMessages with seventy messages."""
        requests = [
            pb.RouteMessageRequest(contact_id=f"c-{number}", message=pb.Message(text=text)) for number in range(70)
        ]
        return self.routing.RouteMessages(
            pb.RouteMessagesRequest(parent="sites/default", requests=requests), timeout=60
        )


@asynccontextmanager
async def serving(*, sign_in: SignIn | None = None, **options: Any) -> AsyncIterator[Served]:
    """Serve with a gate of these options; sign_in: asks callers who they are."""
    router, telemetry, answer = RouterDouble(), Telemetry(), asyncio.Event()
    health = Health(telemetry)
    await health.set(True, "")
    entered: asyncio.Queue[str] = asyncio.Queue()

    async def blocked(*given: Any, **_: Any) -> ReservedOutcome:
        entered.put_nowait(given[1].message.text)
        await answer.wait()
        return ReservedOutcome(OFFER, CANDIDATE, replayed=False)

    router.route = blocked  # type: ignore[method-assign]
    calls, batches = (Admission(1, 1_000, 60.0, lambda: 0.0) for _ in range(2))
    gate = AdmissionGate(calls, health, batches=batches, **options)
    server = build_server(Doubles(router).services, health, telemetry, admission=gate, sign_in=sign_in)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Served(routing_pb2_grpc.RoutingServiceStub(channel), entered, answer, calls, batches)
    await server.stop(None)


async def in_line(admission: Admission, calls: int) -> None:
    """Wait until `calls` calls wait in a line."""
    async with asyncio.timeout(30):
        while admission.waiting != calls:  # noqa: ASYNC110 - the line has no event for its length
            await asyncio.sleep(0.001)


async def test_a_loop_of_batches_takes_no_place_from_single_calls() -> None:
    """While one batch is worked on and another waits, a single call is routed at once."""
    async with serving() as served:
        first, second = served.batch("batch"), served.batch("batch")
        assert await served.entered.get() == "batch"
        await in_line(served.batches, 1)
        single = served.route("single")
        assert await served.entered.get() == "single"
        assert (served.calls.in_flight, served.batches.in_flight) == (1, 1)
        served.answer.set()
        await asyncio.gather(first, second, single)


@pytest.mark.parametrize(("follows", "sites"), [(True, 4), (False, 1)])
async def test_sites_that_a_caller_makes_up_share_the_turns_of_one(follows: bool, sites: int) -> None:
    """Each known site has its turns; names that nobody has created get those of one site together."""
    async with serving(follows=lambda site: follows or site == "default") as served:
        works = served.route("works")
        await served.entered.get()
        calls = []
        for number in range(4):
            calls.append(served.route(f"made-up-{number}", f"s{number}"))
            await in_line(served.calls, number + 1)
        assert len({waiting.cost.site for waiting in served.calls._line}) == sites
        served.answer.set()
        await asyncio.gather(works, *calls)


@pytest.mark.parametrize(("by_peer", "caller"), [(False, ""), (True, "ipv4:127.0.0.1")])
async def test_the_address_of_a_caller_counts_only_where_the_setting_says_so(by_peer: bool, caller: str) -> None:
    """Behind a proxy all callers have one address, so it says nothing by itself."""
    async with serving(fair_by_peer=by_peer) as served:
        works, waits = served.route("works"), served.route("waits")
        await served.entered.get()
        await in_line(served.calls, 1)
        assert [waiting.cost.caller for waiting in served.calls._line] == [caller]
        served.answer.set()
        await asyncio.gather(works, waits)


async def test_callers_who_say_who_they_are_take_turns_by_name() -> None:
    """Two platforms of one site wait in flows of their own, whatever their addresses."""
    callers = ByName()
    async with serving(sign_in=SignIn(callers), fair_by_peer=True) as served:
        for name in ("crm", "shop"):
            callers.add(name, Grant(Role.PLATFORM))
        works = served.route("works", caller="crm")
        await served.entered.get()
        flood = [served.route("flood", caller="crm") for _ in range(3)]
        await in_line(served.calls, 3)
        honest = served.route("honest", caller="shop")
        await in_line(served.calls, 4)
        assert [waiting.cost.caller for waiting in served.calls._line] == ["crm", "crm", "crm", "shop"]
        served.answer.set()
        await asyncio.gather(works, *flood, honest)
