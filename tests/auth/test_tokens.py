"""Tokens of an issuer: what opens, what does not, and when the issuer's keys are read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from matcher.auth.jwks import BACK_OFF_SECONDS, JwkSet
from matcher.auth.principal import Grant, PrincipalKind, Role
from matcher.auth.token_issuer import ALGORITHMS
from matcher.auth.tokens import TokenCheck, TokenRules
from matcher.errors import CredentialsExpired, CredentialsRevoked, CredentialsWrong, MatcherError
from tests.auth.issuer import AUDIENCE, ISSUER, Issuer


class CountingSet(JwkSet):
    """A JWK set that counts how often it is read."""

    reads = 0

    async def read(self) -> None:
        """Count, and read."""
        self.reads += 1
        await super().read()


@dataclass
class Clock:
    """A clock that a test turns."""

    seconds: float = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.seconds


@dataclass
class Desk:
    """An issuer, and a check that has read its keys."""

    issuer: Issuer
    keys: CountingSet
    check: TokenCheck
    clock: Clock

    async def why(self, text: str) -> tuple[type[MatcherError], str]:
        """Return the error that a token gets, and what it says."""
        with pytest.raises(MatcherError) as refused:
            await self.check.identify(text)
        assert len(text) < 20 or text not in str(refused.value)
        return type(refused.value), str(refused.value)


def rules(**fields: Any) -> TokenRules:
    """Return rules with these fields."""
    return TokenRules(**{"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ALGORITHMS, "claim": "matcher"} | fields)


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    """Return a check of an issuer's tokens."""
    issuer, clock = Issuer(tmp_path / "jwks.json"), Clock()
    keys = CountingSet(str(issuer.file), ALGORITHMS, clock)
    await keys.read()
    return Desk(issuer, keys, TokenCheck(keys, rules()), clock)


async def test_a_token_names_its_principal_and_its_grants(desk: Desk) -> None:
    """By its `sub` and the claim; RSA, PSS and elliptic curves alike. It is verified once."""
    for algorithm in ("RS256", "PS384"):
        known = await desk.check.identify(desk.issuer.token(algorithm=algorithm))
        assert (known.principal.name, known.principal.kind) == ("desk-7", PrincipalKind.TOKEN)
        assert known.principal.grants == (Grant(Role.OBSERVER, frozenset({"default"})),)
        assert known.fault() is None
    desk.issuer.add("curve", ec.generate_private_key(ec.SECP256R1()))
    await desk.keys.read()
    token = desk.issuer.token("curve", "ES256")
    assert await desk.check.identify(token) is await desk.check.identify(token)


async def test_what_does_not_open(desk: Desk) -> None:
    """Each is refused with what is wrong, and with nothing that stands in it."""
    token = desk.issuer.token
    head, body, signature = token().split(".")
    stranger = Issuer(desk.issuer.file.with_name("other.json"))
    refused = {
        desk.issuer.unsigned(matcher=["owner"]): "its algorithm is not one that this service accepts",
        desk.issuer.confused(): "its algorithm is not one that this service accepts",
        token(aud="another"): "it is for another audience",
        token(aud=None): "it has no `aud`",
        token(iss="https://else.example"): "it is of another issuer",
        token(sub=None): "it has no `sub`",
        token(exp=None): "it has no `exp`",
        token(nbf=time.time() + 600): "its time has not come",
        stranger.token(): "its signature is wrong",
        f"{head}.{body}.{'A' * len(signature)}": "its signature is wrong",
        token(matcher=None): "its claim matcher has no grant; 1 to 64 are expected",
        token(matcher=["everything"]): "its claim matcher has an entry that is no grant",
        token(matcher=["observer"] * 65): "its claim matcher has 65 grants; 1 to 64 are expected",
        token(sub="a\nb"): "its `sub` is no printable text of at most 128 characters",
        "no token": "it is not written like one",
        "": "it is not written like one",
    }
    for text, why in refused.items():
        assert await desk.why(text) == (CredentialsWrong, f"the token is refused: {why}")
    assert await desk.why(token(exp=time.time() - 60)) == (CredentialsExpired, "the token has expired")
    await desk.check.identify(token(exp=time.time() - 10, nbf=time.time() + 10))  # within the leeway


async def test_only_pinned_algorithms_count(desk: Desk) -> None:
    """A service that pins RS256 takes no PS256 of the same key, and no algorithm that a key is not for."""
    keys = JwkSet(str(desk.issuer.file), frozenset({"RS256"}))
    await keys.read()
    check = TokenCheck(keys, rules(algorithms=frozenset({"RS256"})))
    await check.identify(desk.issuer.token())
    with pytest.raises(CredentialsWrong, match="algorithm"):
        await check.identify(desk.issuer.token(algorithm="PS256"))
    with pytest.raises(ValueError, match="no key in it has a `kid` and is for ES256"):
        await JwkSet(str(desk.issuer.file), frozenset({"ES256"})).read()


async def test_an_unknown_key_is_looked_for_once_and_not_once_a_call(desk: Desk) -> None:
    """However many callers make up keys; when the issuer has a new key, the first token with it is taken."""
    made_up = Issuer(desk.issuer.file.with_name("other.json"))
    made_up.add("unknown")
    desk.clock.seconds = BACK_OFF_SECONDS
    for _ in range(5):
        assert "its key is not among" in (await desk.why(made_up.token("unknown")))[1]
    assert desk.keys.reads == 2
    desk.issuer.add("second")
    assert "its key is not among" in (await desk.why(desk.issuer.token("second")))[1]
    desk.clock.seconds += BACK_OFF_SECONDS
    await desk.check.identify(desk.issuer.token("second"))
    assert desk.keys.reads == 3


async def test_a_key_that_the_issuer_withdraws_ends_its_tokens(desk: Desk) -> None:
    """Also those that were verified before, and open streams; a set that cannot be read changes nothing."""
    desk.issuer.add("second")
    await desk.keys.read()
    token = desk.issuer.token()
    known = await desk.check.identify(token)
    desk.issuer.file.write_text("half a")
    await desk.keys.try_to_read()
    assert await desk.check.identify(token) is known
    desk.issuer.publish("first")
    await desk.keys.read()
    assert isinstance(known.fault(), CredentialsRevoked)
    assert "its key is not among" in (await desk.why(token))[1]


async def test_a_remembered_token_expires(tmp_path: Path) -> None:
    """Verified once, and refused when its time and the leeway are over."""
    issuer, now = Issuer(tmp_path / "jwks.json"), Clock(time.time())
    keys = JwkSet(str(issuer.file), ALGORITHMS)
    await keys.read()
    check = TokenCheck(keys, rules(), now)
    token = issuer.token()
    known = await check.identify(token)
    now.seconds += 629
    assert await check.identify(token) is known
    now.seconds += 2
    with pytest.raises(CredentialsExpired):
        await check.identify(token)
    assert isinstance(known.fault(), CredentialsExpired)


async def test_grants_may_stand_among_other_things(desk: Desk) -> None:
    """In a scope, in a list of groups, within another claim: entries without the prefix are not looked at."""
    check = TokenCheck(desk.keys, rules(claim="realm.roles", prefix="matcher:"))
    wanted = (Grant(Role.OBSERVER), Grant(Role.ADMIN, frozenset({"acme"})))
    for roles in (["staff", "matcher:observer", "matcher:admin@acme"], "openid matcher:observer matcher:admin@acme"):
        known = await check.identify(desk.issuer.token(realm={"roles": roles}))
        assert known.principal.grants == wanted
    with pytest.raises(CredentialsWrong, match="no grant"):
        await check.identify(desk.issuer.token(realm={"roles": ["staff"]}))
    with pytest.raises(CredentialsWrong, match="no grant"):
        await check.identify(desk.issuer.token(realm="staff"))


async def test_keys_for_encryption_and_symmetric_keys_are_left_out(desk: Desk) -> None:
    """Nobody can sign with them for this service."""
    desk.issuer.file.write_text(
        '{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, {"kty": "RSA", "kid": "x"}, 7]}'
    )
    with pytest.raises(ValueError, match="no key in it"):
        await desk.keys.read()
    assert desk.keys.knows("first")
