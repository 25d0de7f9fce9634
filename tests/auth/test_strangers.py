"""What callers get who show what does not open: on methods of every service, and before any service is called."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

from matcher.auth.access_keys import new_access_key
from matcher.auth.jwks import JwkSet
from matcher.auth.key_cache import KeyCache
from matcher.auth.principal import Grant, Role
from matcher.auth.recognition import Recognition
from matcher.auth.token_issuer import ALGORITHMS
from matcher.auth.tokens import TokenCheck
from matcher.rpc.health import Health
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import customers_pb2, keys_pb2, roster_pb2, routing_pb2
from tests.auth.issuer import Issuer
from tests.auth.test_key_cache import Kept
from tests.auth.test_tokens import rules
from tests.rpc.conftest import failure
from tests.rpc.doubles import Doubles

METHODS: dict[str, Any] = {
    "/matcher.v1.RoutingService/RouteMessage": routing_pb2.RouteMessageRequest(parent="sites/default"),
    "/matcher.v1.RoutingService/GetContact": routing_pb2.GetContactRequest(name="sites/default/contacts/c-1"),
    "/matcher.v1.RosterService/ListPools": roster_pb2.ListPoolsRequest(parent="sites/default"),
    "/matcher.v1.RosterService/DeleteSite": roster_pb2.DeleteSiteRequest(name="sites/default"),
    "/matcher.v1.CustomerService/ListCustomers": customers_pb2.ListCustomersRequest(parent="sites/default"),
    "/matcher.v1.KeyService/ListKeys": keys_pb2.ListKeysRequest(),
}
OWNER = (Grant(Role.OWNER), Grant(Role.ADMIN), Grant(Role.PLATFORM))


@dataclass
class Guarded:
    """A service that takes keys and tokens, and what callers show it."""

    channel: grpc.aio.Channel
    doubles: Doubles
    shown: dict[str, str | None]

    def call(self, method: str, token: str | None) -> Any:
        """Start a call that shows a token."""
        metadata = None if token is None else (("authorization", f"Bearer {token}"),)
        plain: Any = self.channel.unary_unary(method)
        return plain(METHODS[method].SerializeToString(), metadata=metadata)


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Serve with doubles behind the sign-in, to callers of every kind."""
    folder: Path = tmp_path_factory.mktemp("issuer")
    issuer, other = Issuer(folder / "jwks.json"), Issuer(folder / "other.json")
    issuer_keys = JwkSet(str(issuer.file), ALGORITHMS)
    await issuer_keys.read()
    now_ms = time.time_ns() // 1_000_000
    (live, right), (ended, late), (gone, revoked) = (
        new_access_key(name, OWNER, now_ms - 9_000, until) for name, until in (("a", 0), ("b", now_ms - 1), ("c", 0))
    )
    kept = Kept()
    kept.put(live, ended, msgspec.structs.replace(gone, revoked_ms=now_ms))
    keys = KeyCache(kept)
    await keys.refresh()
    everything: dict[str, Any] = {"matcher": ["owner", "admin", "platform"]}
    shown = {
        "nothing": None,
        "a made-up key": new_access_key("a", OWNER, now_ms)[1],
        "the id of a key with another secret": f"mk_{live.id}_{'x' * 43}",
        "an expired key": late,
        "a revoked key": revoked,
        "an expired token": issuer.token(exp=time.time() - 60, **everything),
        "a token for another service": issuer.token(aud="billing", **everything),
        "a token of another issuer": other.token(**everything),
        "a token without a signature": issuer.unsigned(**everything),
        "a token that confuses RS and HS": issuer.confused(**everything),
        "a key that opens": right,
        "a token that opens": issuer.token(**everything),
    }
    doubles, telemetry = Doubles(), Telemetry()
    sign_in = SignIn(Recognition(keys=keys, tokens=TokenCheck(issuer_keys, rules())))
    server = build_server(doubles.services, Health(telemetry), telemetry, sign_in=sign_in)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Guarded(channel, doubles, shown)
    await server.stop(None)


REFUSED = {
    "nothing": "CREDENTIALS_MISSING",
    "a made-up key": "CREDENTIALS_WRONG",
    "the id of a key with another secret": "CREDENTIALS_WRONG",
    "an expired key": "CREDENTIALS_EXPIRED",
    "a revoked key": "CREDENTIALS_REVOKED",
    "an expired token": "CREDENTIALS_EXPIRED",
    "a token for another service": "CREDENTIALS_WRONG",
    "a token of another issuer": "CREDENTIALS_WRONG",
    "a token without a signature": "CREDENTIALS_WRONG",
    "a token that confuses RS and HS": "CREDENTIALS_WRONG",
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", REFUSED)
async def test_what_does_not_open_opens_nothing(guarded: Guarded, what: str, method: str) -> None:
    """Though each of them claims every right, no service is called."""
    before = guarded.doubles.calls()
    refused = await failure(guarded.call(method, guarded.shown[what]))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, REFUSED[what])
    assert guarded.doubles.calls() == before


@pytest.mark.parametrize("what", ["a key that opens", "a token that opens"])
async def test_what_opens_opens(guarded: Guarded, what: str) -> None:
    """The same calls by callers who are known."""
    for method in METHODS:
        if not method.endswith("/RouteMessage"):
            await guarded.call(method, guarded.shown[what])
