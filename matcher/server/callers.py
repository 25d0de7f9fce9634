"""Callers of the process: what recognises them, by the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from matcher.aio import BackgroundTasks, background
from matcher.auth.key_cache import KeyCache
from matcher.auth.recognition import Recognition
from matcher.config import AuthWay, Settings
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
        sign_in = SignIn(Recognition(keys=keys), open_reflection=settings.open_reflection)
        await stack.enter_async_context(background(tasks, "callers", sign_in.run))
        yield Callers(sign_in, access_keys)
