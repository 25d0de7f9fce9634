"""Callers of the process: what recognises them, by the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from matcher.aio import BackgroundTasks, background
from matcher.auth.certificates import CertificateCheck
from matcher.auth.grant_text import parse_names
from matcher.auth.jwks import JwkSet
from matcher.auth.key_cache import KeyCache
from matcher.auth.recognition import Recognition
from matcher.auth.settings import AuthWay
from matcher.auth.tokens import TokenCheck, TokenRules
from matcher.config import Settings
from matcher.errors import SettingsWrong
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Callers:
    """What recognises callers, and what keeps their keys; None: nobody is asked, and no keys are taken."""

    sign_in: SignIn | None = None
    access_keys: AccessKeyService | None = None


@asynccontextmanager
async def recognised(settings: Settings, client: StoreClient, tasks: BackgroundTasks) -> AsyncIterator[Callers]:
    """Read what recognises callers, and keep it current. Raises SettingsWrong, or what the store raises."""
    ways = settings.auth_ways
    if not ways:
        if settings.beyond_loopback:
            log.warning("nobody is asked who they are: everybody who reaches the port may do everything")
        yield Callers()
        return
    if settings.beyond_loopback and not settings.tls_certificate:
        log.warning("keys and tokens cross the network in the clear, unless a proxy before this service speaks TLS")
    async with AsyncExitStack() as stack:
        keys = access_keys = None
        if AuthWay.KEYS in ways:
            store = AccessKeyStore(client)
            keys = KeyCache(store)
            await keys.refresh()
            await stack.enter_async_context(background(tasks, "access keys", keys.run))
            access_keys = AccessKeyService(store, keys)
        tokens = certificates = None
        if AuthWay.TOKENS in ways:
            issuer_keys = await _issuer_keys(settings)
            await stack.enter_async_context(background(tasks, "token keys", issuer_keys.run))
            tokens = TokenCheck(issuer_keys, _rules(settings))
        if AuthWay.CERTIFICATES in ways:
            certificates = CertificateCheck(parse_names(settings.certificate_names))
        sign_in = SignIn(
            Recognition(keys=keys, tokens=tokens, certificates=certificates),
            certificates=certificates is not None,
            open_reflection=settings.open_reflection,
        )
        await stack.enter_async_context(background(tasks, "callers", sign_in.run))
        yield Callers(sign_in, access_keys)


async def _issuer_keys(settings: Settings) -> JwkSet:
    """Read the issuer's keys. Raises SettingsWrong for a file; a URL that does not answer is read again."""
    keys = JwkSet(settings.token_keys, _rules(settings).algorithms)
    if keys.is_url:
        await keys.try_to_read()
        return keys
    try:
        await keys.read()
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise SettingsWrong(f"token_keys {settings.token_keys}: {why}") from None
    return keys


def _rules(settings: Settings) -> TokenRules:
    return TokenRules(
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        algorithms=frozenset(settings.token_algorithms.split(",")),
        claim=settings.token_claim,
        prefix=settings.token_grant_prefix,
        leeway_seconds=settings.token_leeway_seconds,
    )
