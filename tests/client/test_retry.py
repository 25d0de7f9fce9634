"""Repeats of the shipped client, at a server that fails: a failover is bridged, and an outage gets no fivefold load."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from matcher.client import MatcherCallError, MatcherClient
from matcher.client.retry import THROTTLING
from matcher.v1 import routing_pb2

REPEATED = THROTTLING["maxTokens"] // 2
"""Failed attempts after which gRPC repeats no more."""


class Failing:
    """A service that answers the first attempts of each call with UNAVAILABLE."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.attempts: Counter[str] = Counter()

    async def contact(
        self,
        request: routing_pb2.GetContactRequest,
        context: grpc.aio.ServicerContext[routing_pb2.GetContactRequest, routing_pb2.Contact],
    ) -> routing_pb2.Contact:
        """Fail or answer."""
        self.attempts[request.name] += 1
        if self.attempts[request.name] <= self.failures:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return routing_pb2.Contact(name=request.name)


@asynccontextmanager
async def calling(failing: Failing) -> AsyncIterator[MatcherClient]:
    """Serve, and yield a client."""
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        failing.contact, routing_pb2.GetContactRequest.FromString, routing_pb2.Contact.SerializeToString
    )
    service = routing_pb2.DESCRIPTOR.services_by_name["RoutingService"].full_name
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"GetContact": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with MatcherClient(f"127.0.0.1:{port}") as client:
            yield client
    finally:
        await server.stop(None)


async def test_calls_at_once_bridge_a_failover() -> None:
    """Two hundred calls that fail twice each are repeated by gRPC, and each is answered."""
    failing = Failing(2)
    async with calling(failing) as client:
        answers = await asyncio.gather(*(client.contact(f"c-{number}", deadline=60) for number in range(200)))
    assert len(answers) == 200
    assert set(failing.attempts.values()) == {3}


async def test_an_outage_is_not_made_worse_by_repeats() -> None:
    """Of a thousand calls at a service that is down only some attempts are repeated, not four for each call."""
    calls, failing = 1_000, Failing(99)
    async with calling(failing) as client:
        answers = await asyncio.gather(
            *(client.contact(f"c-{number}", deadline=60) for number in range(calls)), return_exceptions=True
        )
    assert all(isinstance(answer, MatcherCallError) for answer in answers)
    assert calls <= sum(failing.attempts.values()) < calls + REPEATED
