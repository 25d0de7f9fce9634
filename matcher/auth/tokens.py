"""Tokens of an issuer: JSON Web Tokens, verified by the issuer's keys, their claim read as grants."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from matcher.auth.grant_text import MOST_GRANTS, parse_grant
from matcher.auth.jwks import JwkSet
from matcher.auth.principal import Grant, Principal, PrincipalKind
from matcher.errors import CredentialsExpired, CredentialsRevoked, CredentialsWrong, MatcherError

MOST_REMEMBERED: Final = 10_000
"""Tokens whose verification is remembered until they expire: a signature costs as much as a hundred look-ups."""
MOST_NAME: Final = 128
_TOKEN: Final = "token"  # noqa: S105 - the name of a kind, not a secret
_WHY: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.ImmatureSignatureError: "its time has not come",
    jwt.InvalidAlgorithmError: "its algorithm is not one that this service accepts",
    jwt.InvalidSignatureError: "its signature is wrong",
}


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say.

    claim: where its grants stand, a path with dots. prefix: what an entry of the claim begins with that is a grant;
    other entries are not looked at. leeway_seconds: by how much the issuer's clock may differ.
    """

    issuer: str
    audience: str
    algorithms: frozenset[str]
    claim: str
    prefix: str = ""
    leeway_seconds: float = 30.0


class TokenIdentity:
    """The principal of a token, until the token expires or the issuer withdraws its key."""

    __slots__ = ("_keys", "_kid", "_now", "_until", "principal")

    def __init__(self, principal: Principal, until: float, kid: str, keys: JwkSet, now: Callable[[], float]) -> None:
        self.principal = principal
        self._until = until
        self._kid = kid
        self._keys = keys
        self._now = now

    def fault(self) -> MatcherError | None:
        """Return why the token no longer counts."""
        if self._now() >= self._until:
            return CredentialsExpired(_TOKEN)
        return None if self._keys.knows(self._kid) else CredentialsRevoked(_TOKEN)


class TokenCheck:
    """Recognises the tokens of one issuer."""

    def __init__(self, keys: JwkSet, rules: TokenRules, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._rules = rules
        self._now = now
        self._known: OrderedDict[bytes, TokenIdentity] = OrderedDict()
        self._version = keys.version

    async def identify(self, text: str) -> TokenIdentity:
        """Return whose token a text is. Raises CredentialsWrong, CredentialsExpired or CredentialsRevoked."""
        if self._version != self._keys.version:
            self._known.clear()
            self._version = self._keys.version
        digest = hashlib.sha256(text.encode()).digest()
        known = self._known.get(digest)
        if known is None:
            known = await self._verified(text)
            self._known[digest] = known
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        if (fault := known.fault()) is not None:
            raise fault
        return known

    async def _verified(self, text: str) -> TokenIdentity:
        kid = _kid(text)
        key = await self._keys.key(kid)
        if key is None:
            raise CredentialsWrong(_TOKEN, "its key is not among those of the issuer")
        rules = self._rules
        try:
            claims = jwt.decode(
                text,
                key.key,
                algorithms=list(key.algorithms),
                issuer=rules.issuer,
                audience=rules.audience,
                leeway=rules.leeway_seconds,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise CredentialsExpired(_TOKEN) from None
        except jwt.PyJWTError as fault:
            raise CredentialsWrong(_TOKEN, _why(fault)) from None
        name = claims["sub"]
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MOST_NAME:
            raise CredentialsWrong(_TOKEN, f"its `sub` is no printable text of at most {MOST_NAME} characters")
        principal = Principal(name, PrincipalKind.TOKEN, grants_of(claims, rules))
        return TokenIdentity(principal, float(claims["exp"]) + rules.leeway_seconds, kid, self._keys, self._now)


def grants_of(claims: Mapping[str, Any], rules: TokenRules) -> tuple[Grant, ...]:
    """Return the grants of a token's claim: a list, or a text with blanks between. Raises CredentialsWrong."""
    entries = _entries(claims, rules.claim)
    texts = [entry.removeprefix(rules.prefix) for entry in entries if entry.startswith(rules.prefix)]
    if not texts or len(texts) > MOST_GRANTS:
        what = f"{len(texts)} grants" if texts else "no grant"
        raise CredentialsWrong(_TOKEN, f"its claim {rules.claim} has {what}; 1 to {MOST_GRANTS} are expected")
    try:
        return tuple(parse_grant(text) for text in texts)
    except ValueError:
        raise CredentialsWrong(_TOKEN, f"its claim {rules.claim} has an entry that is no grant") from None


def _entries(claims: Mapping[str, Any], claim: str) -> Sequence[str]:
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return found.split()
    return [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else []


def _kid(text: str) -> str:
    try:
        kid = jwt.get_unverified_header(text).get("kid")
    except jwt.PyJWTError:
        raise CredentialsWrong(_TOKEN, "it is not written like one") from None
    if not isinstance(kid, str):
        raise CredentialsWrong(_TOKEN, "it does not name its key (`kid`)")
    return kid


def _why(fault: jwt.PyJWTError) -> str:
    """Return why a token is refused, without anything that stands in it."""
    if isinstance(fault, jwt.MissingRequiredClaimError):
        return f"it has no `{fault.claim}`"
    return next((why for kind, why in _WHY.items() if isinstance(fault, kind)), "it is malformed")
