"""A whole service in this process that recognises callers by the name of a principal, and a store that is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf import message_factory

from matcher.auth.identity import Credentials
from matcher.auth.principal import ALL, NOBODY, Grant, Names, Principal, PrincipalKind, Role, current_principal
from matcher.config import load
from matcher.errors import CredentialsMissing, MatcherError
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.server import build_server
from matcher.server import app, grpc_server
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from tests.processes import model_cache

VOLATILE: Final = ("dispatcher", "auditor", "feeder", "outbox")
"""Keys that leases renew, whatever is called, and the outbox, which the ledger empties by itself: what is written there
is written to a contact, too."""


@dataclass(frozen=True)
class Known:
    """An identity that never ends."""

    principal: Principal

    def fault(self) -> MatcherError | None:
        """Return None: it counts."""
        return None


class ByName:
    """Recognises a principal by its name alone."""

    def __init__(self) -> None:
        self._known: dict[str, Principal] = {}

    def add(self, name: str, *grants: Grant) -> str:
        """Make a principal known; return its name."""
        self._known[name] = Principal(name, PrincipalKind.KEY, grants)
        return name

    def again(self, name: str) -> str:
        """Make a principal known by one more name; return it."""
        return self.add(f"{name}|{len(self._known)}", *self._known[name].grants)

    async def identify(self, credentials: Credentials) -> Known:
        """Return the principal whose name is the bearer."""
        if credentials.bearer not in self._known:
            raise CredentialsMissing("names")
        return Known(self._known[credentials.bearer])


@dataclass(frozen=True)
class Guarded:
    """The service, a channel to it, and what its calls asked of the store."""

    channel: grpc.aio.Channel
    callers: ByName
    commands: list[tuple[str, str]]
    """Who made the call, and what was asked of the store for it."""
    url: str

    def caller(self, role: Role, *, sites: Names = ALL, pools: Names = ALL, agent: str | None = None) -> str:
        """Return a caller who has one grant."""
        shown = [name if name is ALL else ",".join(sorted(name)) for name in (sites, pools)]
        return self.callers.add(f"{role}|{shown[0]}|{shown[1]}|{agent}", Grant(role, sites, pools, agent))

    def open(self, method: Any, caller: str, *requests: Any, seconds: float = 20) -> Any:
        """Begin a call of a method of the descriptors; seconds: its deadline."""
        shape = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, True): self.channel.stream_stream,
        }[method.client_streaming, method.server_streaming]
        make: Any = shape(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=message_class(method.input_type).SerializeToString,
            response_deserializer=message_class(method.output_type).FromString,
        )
        sent = iter(requests) if method.client_streaming else requests[0]
        return make(sent, metadata=(("authorization", f"Bearer {caller}"),), timeout=seconds)

    async def call(self, method: Any, caller: str, *requests: Any, seconds: float = 20) -> Any:
        """Return the answer to a call, of a stream the first; raise AioRpcError."""
        call = self.open(method, caller, *requests, seconds=seconds)
        if not method.server_streaming:
            return await call
        try:
            return await call.read()
        finally:
            call.cancel()

    async def refusal(
        self, method: Any, caller: str, *requests: Any, seconds: float = 20
    ) -> tuple[grpc.StatusCode, str]:
        """Return the code and the sentence of a call's answer."""
        while True:
            try:
                await self.call(method, caller, *requests, seconds=seconds)
            except grpc.aio.AioRpcError as error:
                # grpc.aio's client says so where the service ends a stream while a request is being sent.
                if error.details() != "Internal error from Core":
                    return error.code(), error.details() or ""
            else:
                return grpc.StatusCode.OK, ""

    async def is_denied(self, method: Any, caller: str, *requests: Any) -> bool:
        """Call in a name of its own; return whether the answer was PERMISSION_DENIED and the store was not asked."""
        name = self.callers.again(caller)
        code, _ = await self.refusal(method, name, *requests)
        return code is grpc.StatusCode.PERMISSION_DENIED and name not in {asker for asker, _ in self.commands}

    async def everything(self, sites: Sequence[str]) -> dict[bytes, Any]:
        """Read all keys of sites, with their values and without the leases."""
        client = StoreClient(self.url)
        await client.start()
        try:
            keys = [key for site in sites for key in await client.run("KEYS", Keys(site).pattern)]
            keys = [key for key in keys if not key.decode().endswith(VOLATILE)]
            return dict(zip(keys, await client.pipeline([("DUMP", key) for key in keys]), strict=True))
        finally:
            await client.close()


def message_class(descriptor: Any) -> Any:
    """Return the class of a message."""
    return message_factory.GetMessageClass(descriptor)


@asynccontextmanager
async def guarded_service(folder: Path) -> AsyncIterator[Guarded]:
    """Run the service of the defaults, whose callers are asked who they are."""
    callers, commands = ByName(), list[tuple[str, str]]()
    count = StoreClient._count

    def counted(self: StoreClient, name: str) -> None:
        if (caller := current_principal()) is not NOBODY:  # what the service does by itself is nobody's
            commands.append((caller.name, name))
        count(self, name)

    settings = load({}, data_dir=folder / "data", listen="127.0.0.1:0", metrics_listen="", model_cache=model_cache())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StoreClient, "_count", counted)
        patch.setattr(grpc_server, "build_server", _asking(SignIn(callers)))
        async with app.running(settings) as address:
            store = await EmbeddedStore.open(EmbeddedSettings(folder / "data"))
            try:
                async with grpc.aio.insecure_channel(address) as channel:
                    yield Guarded(channel, callers, commands, store.url)
            finally:
                await store.close()


def _asking(sign_in: SignIn) -> Any:
    def build(*args: Any, **options: Any) -> grpc.aio.Server:
        return build_server(*args, **{**options, "sign_in": sign_in})

    return build
