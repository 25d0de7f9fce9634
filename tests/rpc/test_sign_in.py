"""Sign-in: nothing is read of a call before it is known who makes it; a stream ends with its caller's right to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from matcher.auth.identity import Credentials
from matcher.auth.principal import NOBODY, Grant, Principal, PrincipalKind, Role, current_principal
from matcher.errors import CredentialsExpired, CredentialsMissing, CredentialsWrong, MatcherError
from matcher.rpc.health import Health
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import roster_pb2, roster_pb2_grpc, routing_pb2, routing_pb2_grpc
from tests.rpc.conftest import Service, failure
from tests.rpc.doubles import Doubles
from tests.rpc.test_open_streams import SilentWatch

OBSERVER = Principal("wallboard", PrincipalKind.KEY, (Grant(Role.OBSERVER, frozenset({"default"})),))
AS_OBSERVER = (("authorization", "Bearer right"),)
AGENT = roster_pb2.GetAgentRequest(name="sites/default/agents/maya")


@dataclass
class Known:
    """An identity that counts until a test says otherwise."""

    principal: Principal = OBSERVER
    why: MatcherError | None = None

    def fault(self) -> MatcherError | None:
        """Return what the test has set."""
        return self.why


@dataclass
class OneToken:
    """Knows one token."""

    known: Known = field(default_factory=Known)

    async def identify(self, credentials: Credentials) -> Known:
        """Return the one identity."""
        if not credentials.bearer:
            raise CredentialsMissing("tokens of this test")
        if credentials.bearer != "right":
            raise CredentialsWrong("token", "this service does not know it")
        return self.known


@dataclass
class Guarded:
    """A real server that asks who calls."""

    channel: grpc.aio.Channel
    doubles: Doubles
    authentication: OneToken
    sign_in: SignIn

    @property
    def people(self) -> Any:
        """Return a client of the RosterService."""
        return roster_pb2_grpc.RosterServiceStub(self.channel)

    @property
    def routing(self) -> Any:
        """Return a client of the RoutingService."""
        return routing_pb2_grpc.RoutingServiceStub(self.channel)


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    """Yield a server that knows one token."""
    doubles, telemetry, authentication = Doubles(watch=SilentWatch()), Telemetry(), OneToken()
    sign_in = SignIn(authentication)
    server = build_server(doubles.services, Health(telemetry), telemetry, sign_in=sign_in)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield Guarded(channel, doubles, authentication, sign_in)
    await server.stop(None)


async def test_a_call_without_credentials_is_refused_before_its_body_is_read(guarded: Guarded) -> None:
    """The answer says what this service takes; a body that is no message of the method is not looked at."""
    refused = await failure(guarded.people.GetAgent(AGENT))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert refused.metadata == {"accepted": "tokens of this test"}
    garbage: Any = guarded.channel.unary_unary("/matcher.v1.RosterService/GetAgent")
    assert (await failure(garbage(b"\xff\xff"))).reason == "CREDENTIALS_MISSING"
    assert guarded.doubles.calls() == []


@pytest.mark.parametrize("value", ["Bearer wrong", "right", "Basic right", "Bearer"])
async def test_a_wrong_credential_is_refused_and_not_repeated(guarded: Guarded, value: str) -> None:
    """Neither the sentence nor the metadata shows what was sent."""
    refused = await failure(guarded.people.GetAgent(AGENT, metadata=(("authorization", value),)))
    assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    assert "wrong" not in refused.sentence
    assert value not in str(refused.metadata)
    assert guarded.doubles.calls() == []


async def test_a_call_that_shows_two_credentials_is_refused(guarded: Guarded) -> None:
    """Also where both count: who is on the way may have checked the other one."""
    for second in ("Bearer right", "Bearer wrong", ""):
        refused = await failure(guarded.people.GetAgent(AGENT, metadata=(*AS_OBSERVER, ("authorization", second))))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_WRONG")
    assert guarded.doubles.calls() == []


async def test_the_principal_stands_in_the_context_of_the_call(guarded: Guarded) -> None:
    """The services see who calls; the next call on the connection has its own principal."""
    seen: list[Principal] = []
    agents: Any = guarded.doubles.agents
    agent = agents.agent

    async def noting(*arguments: Any) -> Any:
        seen.append(current_principal())
        return await agent(*arguments)

    agents.agent = noting
    await guarded.people.GetAgent(AGENT, metadata=AS_OBSERVER)
    assert seen == [OBSERVER]
    assert current_principal() is NOBODY


async def test_health_is_open_and_reflection_is_not(guarded: Guarded) -> None:
    """A load balancer has no key; what methods there are is told to known callers."""
    stub: Any = health_pb2_grpc.HealthStub(guarded.channel)
    await stub.Check(health_pb2.HealthCheckRequest(service="liveness"))
    channel: Any = guarded.channel
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    assert (await failure(reflection.ServerReflectionInfo(iter([asked])))).reason == "CREDENTIALS_MISSING"
    async for answer in reflection.ServerReflectionInfo(iter([asked]), metadata=AS_OBSERVER):
        assert "matcher.v1.RosterService" in {one.name for one in answer.list_services_response.service}


async def test_an_open_stream_ends_when_its_caller_no_longer_counts(guarded: Guarded) -> None:
    """The stream of a caller whose key is over ends with the reason, and its place is free again."""
    call = guarded.routing.WatchEvents(routing_pb2.WatchEventsRequest(parent="sites/default"), metadata=AS_OBSERVER)
    assert await call.read() is not grpc.aio.EOF
    guarded.sign_in.check()
    guarded.authentication.known.why = CredentialsExpired("token")
    guarded.sign_in.check()
    async with asyncio.timeout(30):
        ended = await failure(call)
    assert (ended.code, ended.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_EXPIRED")
    assert guarded.sign_in.open_streams == 0


async def test_a_service_that_asks_nobody_takes_every_call(service: Service) -> None:
    """With MATCHER_AUTH=off the caller is nobody, who has the owner's rights; credentials are not looked at."""
    await service.people.GetAgent(AGENT, metadata=(("authorization", "Bearer of another service"),))
    assert len(service.calls()) == 1
    assert [grant.role for grant in NOBODY.grants] == [Role.OWNER]
