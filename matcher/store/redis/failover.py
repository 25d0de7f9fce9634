"""Calls to the store's servers: what is sent again, for how long and to whom, and what is told where nothing helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

from redis import exceptions

from matcher.errors import StoreFull, StoreUnavailable
from matcher.store.redis.address import StoreAddress, StoreKind
from matcher.store.redis.cluster import ClusterServers
from matcher.store.redis.effort import Effort
from matcher.store.redis.multiplexed_connection import packed
from matcher.store.redis.topology import SentinelServers, Server, Servers, SingleServer, WireLimits

NOT_RUN: Final = (
    exceptions.AskError,  # MovedError is one
    exceptions.TryAgainError,
    exceptions.ClusterDownError,  # MasterDownError is one
    exceptions.ReadOnlyError,
    exceptions.BusyLoadingError,
)
"""Refusals by a server that has not run the command and never will, while another one does, or itself in a moment."""
AWAY: Final = (*NOT_RUN, exceptions.ConnectionError, exceptions.TimeoutError, OSError)

Refusal = exceptions.ResponseError | exceptions.ConnectionError


class FailoverClient:
    """Ask whichever server has a slot, and go on asking while a failover lasts."""

    def __init__(self, address: StoreAddress, limits: WireLimits) -> None:
        self.servers: Servers = _servers(address, limits)
        self._shown = address.shown

    async def ask(self, slot: int, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands to the server that has a slot and return their answers, errors among them.

        What was not run is sent again for 1 s, also to whom the slot has gone; what was cut off, twice. Every verb
        may run again: it finds what the first run wrote. Raises StoreUnavailable.
        """
        words = b"".join(map(packed, commands))
        servers, effort = self.servers, None
        while True:
            sent = False
            try:
                server = servers.server(slot)
                wire = (server and server.wire) or await servers.open(slot)
                sent = True
                answers = await wire.ask(words, len(commands))
            except exceptions.AuthenticationError as fault:
                self.tell(fault)
            except (exceptions.ConnectionError, exceptions.ClusterDownError) as fault:
                effort = effort or Effort()
                if not await effort.again(cut_off=sent):
                    self.tell(fault)
                continue
            except (exceptions.TimeoutError, OSError) as fault:
                # A store that is slow is not asked again: it would get more work the slower it is.
                self.tell(fault)
            refusal = next((answer for answer in answers if isinstance(answer, NOT_RUN)), None)
            if refusal is None:
                return answers
            effort = effort or Effort()
            if found := await self._elsewhere(slot, commands, refusal, effort):
                return found

    async def everywhere(self, command: tuple[Any, ...], *, whole: bool) -> dict[Server, Any]:
        """Run a command on every primary; one that refuses has an exception for an answer.

        whole: all of them must answer; else one that is away has an exception for an answer. Raises StoreUnavailable.
        """
        answers: dict[Server, Any] = {}
        try:
            for server in await self.servers.primaries(whole=whole):
                try:
                    (answers[server],) = await (await server.open()).ask(packed(command), 1)
                except AWAY as fault:
                    if whole:
                        raise
                    answers[server] = fault
        except (exceptions.RedisError, OSError) as fault:
            self.tell(fault)
        return answers

    def tell(self, fault: Exception) -> NoReturn:
        """Raise StoreUnavailable or StoreFull for what redis-py raised; what is neither is raised as it is."""
        if isinstance(fault, exceptions.OutOfMemoryError) or str(fault).startswith("OOM"):
            raise StoreFull from fault
        if isinstance(fault, AWAY) or str(fault).startswith(("MISCONF", "NOREPLICAS")):
            raise StoreUnavailable(self._shown, short(fault)) from fault
        raise fault

    async def _elsewhere(
        self, slot: int, commands: Sequence[tuple[Any, ...]], refusal: Refusal, effort: Effort
    ) -> list[Any]:
        """Ask who is named in place of the server that did not run a command; nothing: ask again where it belongs."""
        if len(commands) > 1 and type(refusal) in {exceptions.AskError, exceptions.TryAgainError}:
            # Some keys have gone to another server and some have not.
            return [answer for command in commands for answer in await self.ask(slot, [command])]
        if type(refusal) is exceptions.AskError:
            try:
                wire = await self.servers.taker(refusal)
                _, answer = await wire.ask(packed(("ASKING",)) + packed(commands[0]), 2)
            except (exceptions.RedisError, OSError) as fault:
                self.tell(fault)
            if not isinstance(answer, NOT_RUN):
                return [answer]
            refusal = answer
        self.servers.refused(slot, refusal)
        at_once = isinstance(refusal, exceptions.MovedError) and effort.redirected()
        if not at_once and not await effort.again(cut_off=False):
            self.tell(refusal)
        return []


def short(fault: BaseException) -> str:
    """Return the first line of what a fault says."""
    return str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__


def _servers(address: StoreAddress, limits: WireLimits) -> Servers:
    match address.kind:
        case StoreKind.SINGLE:
            return SingleServer(address, limits)
        case StoreKind.SENTINEL:
            return SentinelServers(address, limits)
        case StoreKind.CLUSTER:
            return ClusterServers(address, limits)
