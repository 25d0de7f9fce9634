"""Sign-in of every call: who makes it is known before its body is read; a stream ends when that no longer counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar

import structlog

from matcher.auth.identity import Authentication, Credentials, Identity
from matcher.auth.principal import set_principal
from matcher.errors import CredentialsWrong, MatcherError, Unauthenticated
from matcher.rpc.grpc_types import Context

T = TypeVar("T")

HEALTH: Final = "/grpc.health.v1.Health/"
"""Open to everybody: a load balancer has no key."""
REFLECTION: Final = "/grpc.reflection."
CHECK_SECONDS: Final = 1.0
"""How often the open streams are compared with what became of their callers' keys, tokens and certificates."""
LOGGED_SECONDS: Final = 1.0
"""A refusal is logged at most once in this time for each reason: a caller who retries must not fill the log."""
_SCHEME: Final = "bearer "
_CERTIFICATE: Final = "x509_pem_cert"

_log = structlog.get_logger(__name__)


class SignIn:
    """Recognises who makes a call, and ends the streams of those who no longer count."""

    def __init__(
        self, authentication: Authentication, *, certificates: bool = False, open_reflection: bool = False
    ) -> None:
        """certificates: those of callers' connections count. open_reflection: reflection is open to everybody."""
        self._authentication = authentication
        self._certificates = certificates
        self._open = (HEALTH, REFLECTION) if open_reflection else (HEALTH,)
        self._streams: dict[asyncio.Future[NoReturn], Identity] = {}
        self._logged: dict[str, float] = {}

    @property
    def open_streams(self) -> int:
        """Return how many streams are open whose callers are known."""
        return len(self._streams)

    async def enter(self, method: str, context: Context) -> Identity | None:
        """Make who calls the principal of this task; return the identity, None where the method is open to everybody.

        Raises a MatcherError: Unauthenticated with its reason, or that the keys cannot be read.
        """
        if method.startswith(self._open):
            return None
        try:
            identity = await self._authentication.identify(self._credentials(context))
        except Unauthenticated as refusal:
            self._log_refusal(method, refusal, context)
            raise
        set_principal(identity.principal)
        return identity

    async def while_it_counts(self, identity: Identity | None, work: Awaitable[T]) -> T:
        """Return what `work` returns; raise the identity's fault as soon as it no longer counts. None: always."""
        if identity is None:
            return await work
        task = asyncio.ensure_future(work)
        with self._followed(identity) as ended:
            either: set[asyncio.Future[Any]] = {task, ended}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                return task.result() if task.done() else ended.result()
            finally:
                task.cancel()

    async def run(self) -> None:
        """Compare the open streams again and again, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.check()

    def check(self) -> None:
        """End the streams whose callers no longer count."""
        for ended, identity in list(self._streams.items()):
            if not ended.done() and (fault := identity.fault()) is not None:
                ended.set_exception(fault)

    @contextmanager
    def _followed(self, identity: Identity) -> Iterator[asyncio.Future[NoReturn]]:
        ended: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self._streams[ended] = identity
        try:
            yield ended
        finally:
            del self._streams[ended]
            if ended.done():
                ended.exception()  # read, so that asyncio does not report it where the work ended first
            ended.cancel()

    def _credentials(self, context: Context) -> Credentials:
        shown = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if len(shown) > 1:
            # Somebody on the way may have read the other one.
            raise CredentialsWrong("call", "it has more than one `authorization`")
        for value in shown:
            text = value if isinstance(value, str) else value.decode("latin-1")
            if text[: len(_SCHEME)].lower() != _SCHEME:
                raise CredentialsWrong("call", "its `authorization` does not begin with `Bearer `")
            return Credentials(text[len(_SCHEME) :].strip())
        if not self._certificates:
            return Credentials()
        presented = context.auth_context().get(_CERTIFICATE, ())
        return Credentials(certificate=next(iter(presented), b""))

    def _log_refusal(self, method: str, refusal: MatcherError, context: Context) -> None:
        now = time.monotonic()
        if now - self._logged.get(refusal.reason, -LOGGED_SECONDS) >= LOGGED_SECONDS:
            self._logged[refusal.reason] = now
            _log.warning("caller_unknown", method=method, reason=refusal.reason, why=str(refusal), peer=context.peer())
