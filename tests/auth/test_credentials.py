"""Every method by credentials that do not count: refused alike, before anything of the call is looked at."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import msgspec
import pytest

from matcher.auth.access_keys import AccessKey, new_access_key
from matcher.auth.jwks import JwkSet
from matcher.auth.key_cache import KeyCache, StoredKeys
from matcher.auth.principal import Grant, Role
from matcher.auth.recognition import Recognition
from matcher.auth.token_issuer import ALGORITHMS
from matcher.auth.tokens import TokenCheck
from matcher.rpc.health import Health
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from tests.auth.asked import METHODS, Place, requests_of
from tests.auth.guarded import ByName, Guarded
from tests.auth.issuer import Issuer
from tests.auth.test_tokens import rules
from tests.rpc.conftest import Failure, failure
from tests.rpc.doubles import Doubles

PLACE = Place("default", "default", "maya", "c-1", "01JR", "01JD")


class Kept:
    """A store of keys."""

    def __init__(self, *keys: AccessKey) -> None:
        self._keys = keys

    async def version(self) -> bytes:
        """Return the version."""
        return b"1"

    async def read(self) -> StoredKeys:
        """Return the keys."""
        return StoredKeys(b"1", self._keys)

    async def note_used(self, used: Mapping[str, int]) -> None:
        """Forget when keys were used."""


@pytest.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Guarded, Doubles, dict[str, str]]]:
    """Give a service of doubles that takes keys and tokens, and bearers that do not count, with the reason of each."""
    now = time.time_ns() // 1_000_000
    every = tuple(Grant(role) for role in Role if role is not Role.AGENT)
    good, text = new_access_key("boss", every, now)
    expired, old = new_access_key("old", every, now - 2_000, now - 1_000)
    revoked, gone = new_access_key("gone", every, now)
    cache = KeyCache(Kept(good, expired, msgspec.structs.replace(revoked, revoked_ms=now)))
    await cache.refresh()
    issuer = Issuer(tmp_path_factory.mktemp("issuer") / "jwks.json")
    issued = JwkSet(str(issuer.file), ALGORITHMS)
    await issued.read()
    claims: dict[str, Any] = {"matcher": ["owner", "admin", "platform", "supervisor", "observer"]}
    doubles, telemetry = Doubles(), Telemetry()
    server = build_server(
        doubles.services,
        Health(telemetry),
        telemetry,
        sign_in=SignIn(Recognition(keys=cache, tokens=TokenCheck(issued, rules()))),
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    bearers = {
        old: "CREDENTIALS_EXPIRED",
        gone: "CREDENTIALS_REVOKED",
        f"{text[:-1]}{'A' if text[-1] != 'A' else 'B'}": "CREDENTIALS_WRONG",
        text.replace(good.id, "0" * 16): "CREDENTIALS_WRONG",
        text.removeprefix("mk_"): "CREDENTIALS_WRONG",
        "": "CREDENTIALS_MISSING",
        issuer.token(exp=time.time() - 600, **claims): "CREDENTIALS_EXPIRED",
        issuer.token(aud="another", **claims): "CREDENTIALS_WRONG",
        issuer.unsigned(**claims): "CREDENTIALS_WRONG",
        issuer.confused(**claims): "CREDENTIALS_WRONG",
    }
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Guarded(channel, ByName(), [], ""), doubles, bearers
    await server.stop(None)


@pytest.mark.parametrize("method", METHODS)
async def test_no_method_answers_who_does_not_say_who_calls(
    door: tuple[Guarded, Doubles, dict[str, str]], method: str
) -> None:
    """An expired key, a revoked one, a wrong secret, an unknown id, another text and none: each by its reason.

    So are tokens that have expired, are for another audience, have the algorithm `none`, or are signed by HS256 with
    the public key of the issuer as the secret.
    """
    service, doubles, bearers = door
    for bearer, reason in bearers.items():
        refused = await refusal(service, METHODS[method], bearer)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)
    assert doubles.calls() == []


async def refusal(service: Guarded, method: Any, bearer: str) -> Failure:
    """Return the failure of a call."""
    while True:
        call = service.open(method, bearer, *requests_of(method, PLACE))
        # grpc.aio's client says so where the service ends a stream while a request is being sent.
        with contextlib.suppress(AssertionError):
            return await failure(call)
        assert await call.details() == "Internal error from Core"
