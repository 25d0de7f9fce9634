"""Callers, as the doctor sees them: whether they are asked who they are, and whether what they show can be checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from matcher.auth.jwks import JwkSet
from matcher.auth.settings import AuthWay
from matcher.config import Settings
from matcher.server.doctor.findings import Finding, fail, ok, warn

_CHECK: Final = "callers"


async def callers(settings: Settings) -> AsyncIterator[Finding]:
    """Yield how callers say who they are, and what is wrong with it."""
    if not settings.auth_ways:
        if settings.beyond_loopback:
            yield warn(
                _CHECK,
                "nobody is asked, and other machines may reach the service",
                "set MATCHER_AUTH=keys and make a key: `matcher access create boss --grant owner --local`",
            )
        else:
            yield ok(_CHECK, "nobody is asked; only this machine reaches the service")
        return
    yield ok(_CHECK, f"they show {', '.join(sorted(settings.auth_ways))}")
    if settings.beyond_loopback and not settings.tls_certificate:
        yield warn(
            _CHECK,
            "keys and tokens cross the network as they are",
            "set MATCHER_TLS_CERTIFICATE and MATCHER_TLS_KEY, unless a proxy before the service speaks TLS",
        )
    if AuthWay.TOKENS in settings.auth_ways:
        try:
            await JwkSet(settings.token_keys, frozenset(settings.token_algorithms.split(","))).read()
        except (OSError, ValueError) as fault:
            yield fail(
                _CHECK,
                f"the issuer's keys cannot be read from {settings.token_keys} ({str(fault)[:200]})",
                "no token is taken without them: is MATCHER_TOKEN_KEYS right, and does the issuer answer?",
            )
