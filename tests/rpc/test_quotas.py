"""Quotas of callers: one who has used up a quota is refused by its name, and takes nothing from the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from matcher.auth.principal import Grant, Principal, PrincipalKind, Role, set_principal
from matcher.errors import QuotaExceeded
from matcher.rpc.health import Health
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.quotas import MOST_KNOWN, NEVER_REFUSED, PrincipalQuotas
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import roster_pb2, roster_pb2_grpc, routing_pb2, routing_pb2_grpc
from tests.auth.guarded import ByName
from tests.rpc.conftest import failure
from tests.rpc.doubles import Doubles

ROUTE = "/matcher.v1.RoutingService/RouteMessage"


@asynccontextmanager
async def serving(quotas: PrincipalQuotas) -> AsyncIterator[tuple[Any, Any]]:
    """Serve doubles to the platforms crm and shop; give stubs of routing and roster."""
    callers, telemetry = ByName(), Telemetry()
    for name in ("crm", "shop"):
        callers.add(name, Grant(Role.PLATFORM), Grant(Role.ADMIN))
    server = build_server(Doubles().services, Health(telemetry), telemetry, sign_in=SignIn(callers), quotas=quotas)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield routing_pb2_grpc.RoutingServiceStub(channel), roster_pb2_grpc.RosterServiceStub(channel)
    await server.stop(None)


def by(name: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata by which a caller is known."""
    return (("authorization", f"Bearer {name}"),)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def test_a_caller_beyond_the_calls_of_a_second_is_refused_and_the_others_are_not() -> None:
    """The refusal names the quota, its limit and when to try again; calls that end something always pass."""
    clock = Clock()
    asked = routing_pb2.GetReservationRequest(name="sites/default/reservations/01JR")
    ends = routing_pb2.CompleteReservationRequest(name="sites/default/reservations/01JR")
    async with serving(PrincipalQuotas(2, clock=clock)) as (routing, _):
        for _ in range(2):
            await routing.GetReservation(asked, metadata=by("crm"))
        refused = await failure(routing.GetReservation(asked, metadata=by("crm")))
        assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        assert refused.metadata == {"quota": "calls_per_second", "limit": "2"}
        assert refused.retry_seconds == 1.0
        await routing.CompleteReservation(ends, metadata=by("crm"))
        await routing.GetReservation(asked, metadata=by("shop"))
        clock.now += 0.5
        await routing.GetReservation(asked, metadata=by("crm"))
        assert (await failure(routing.GetReservation(asked, metadata=by("crm")))).reason == "QUOTA_EXCEEDED"


async def test_a_caller_with_as_many_streams_as_it_may_have_opens_no_other() -> None:
    """Another caller opens one all the same, and where one of them ends, the next one opens."""
    quotas = PrincipalQuotas(streams=1)
    crm, shop = (Principal(name, PrincipalKind.KEY, ()) for name in ("crm", "shop"))
    set_principal(crm)
    with quotas.stream():
        with pytest.raises(QuotaExceeded, match="the quota streams of 1 is used up"), quotas.stream():
            raise AssertionError
        set_principal(shop)
        with quotas.stream():
            set_principal(crm)
    with quotas.stream():
        assert list(quotas._open.values()) == [1]
    assert not quotas._open


async def test_a_stream_of_a_caller_without_a_place_is_refused_by_name() -> None:
    """The service counts the streams that are open now, and says which quota is used up."""
    asked = roster_pb2.WatchReservationsRequest(parent="sites/default/agents/maya")
    quotas = PrincipalQuotas(streams=1)
    quotas._open[Principal("crm", PrincipalKind.KEY, (Grant(Role.PLATFORM), Grant(Role.ADMIN)))] = 1
    async with serving(quotas) as (_, roster):
        refused = await failure(roster.WatchReservations(asked, metadata=by("crm")))
        assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        assert (refused.metadata, refused.retry_seconds) == ({"quota": "streams", "limit": "1"}, 1.0)
        assert (await roster.WatchReservations(asked, metadata=by("shop")).read()).reservation.name


async def test_a_caller_reads_how_much_of_its_quotas_is_used() -> None:
    """The site's own first, then the caller's: the call that asks is one of them."""
    asked = roster_pb2.GetUsageRequest(name="sites/default")
    async with serving(PrincipalQuotas(5, 2, clock=Clock())) as (_, roster):
        used = await roster.GetUsage(asked, metadata=by("crm"))
        again = await roster.GetUsage(asked, metadata=by("crm"))
    shown = [[(one.quota, one.used, one.limit) for one in usage.quotas] for usage in (used, again)]
    assert shown == [
        [("agents", 2, 200.0), ("calls_per_second", number, 5.0), ("streams", 0, 2.0)] for number in (1, 2)
    ]


async def test_without_quotas_nobody_is_refused_and_nothing_is_remembered() -> None:
    """As it is by default."""
    quotas = PrincipalQuotas()
    set_principal(Principal("crm", PrincipalKind.KEY, ()))
    for _ in range(1_000):
        quotas.take_call(ROUTE)
    assert not quotas._left


async def test_principals_that_an_issuer_makes_up_are_forgotten_the_longest_silent_first() -> None:
    """A flood of names takes no memory beyond a bound."""
    quotas = PrincipalQuotas(1, clock=lambda: 0.0)
    for number in range(MOST_KNOWN + 5):
        set_principal(Principal(f"p{number}", PrincipalKind.TOKEN, ()))
        quotas.take_call(ROUTE)
    assert len(quotas._left) == MOST_KNOWN
    with pytest.raises(QuotaExceeded):
        quotas.take_call(ROUTE)


def test_the_calls_that_are_never_refused_are_methods() -> None:
    """A method that is renamed would be refused without notice."""
    methods = {
        method.name
        for module in (routing_pb2, roster_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert methods >= NEVER_REFUSED
