"""Retries and redirects of Redis commands during a failover; StoreUnavailable when they are used up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from redis import exceptions

from matcher.errors import StoreFull, StoreUnavailable
from matcher.store.redis.address import StoreAddress, StoreKind
from matcher.store.redis.cluster import ClusterServers
from matcher.store.redis.multiplexed_connection import pack
from matcher.store.redis.topology import ConnectionLimits, Refusal, SentinelServers, Server, Servers, SingleServer

RETRY_SECONDS: Final = 1.0
"""How long commands are sent again after their first fault."""
CUT_OFF_RETRIES: Final = 2
"""How often commands are sent again when their connection was cut before the answers came: they may have run."""
REDIRECTIONS: Final = 3
FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 0.2

NOT_RUN: Final = (
    exceptions.AskError,  # the base class of MovedError
    exceptions.TryAgainError,
    exceptions.ClusterDownError,  # the base class of MasterDownError
    exceptions.ReadOnlyError,
    exceptions.BusyLoadingError,
)
"""Refusals of a server that did not run the command: another server runs it, or the same server a moment later."""
UNAVAILABLE: Final = (
    *NOT_RUN,
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    OSError,
    exceptions.NoPermissionError,
)
REFUSED: Final = (
    "BUSY",  # a script or function runs too long
    "LOADING",
    "MASTERDOWN",
    "MISCONF",  # the server cannot write its files
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "READONLY",
    "CLUSTERDOWN",
    "UNKILLABLE",
    # What a function gets whose inner command the user's ACL forbids.
    "The user executing the script can't",  # Redis 7.0
    "ACL failure in script",  # Redis from 7.2 on, Valkey
)
"""Beginnings of a server's errors that say that it cannot serve now, not that the command was wrong."""


class RetryBudget:
    """Limit the retries and redirections of one call. The time counts from the first fault."""

    def __init__(self) -> None:
        self._deadline = asyncio.get_running_loop().time() + RETRY_SECONDS
        self._pause = FIRST_PAUSE_SECONDS
        self._cut_off = 0
        self._redirections = 0

    def redirect(self) -> bool:
        """Count a redirection; return whether the named server may be tried without a pause."""
        self._redirections += 1
        return self._redirections <= REDIRECTIONS

    async def pause(self, *, cut_off: bool) -> bool:
        """Sleep before the next try; return False, without sleeping, where the budget allows none.

        cut_off: the connection was cut after the commands were sent.
        """
        self._cut_off += cut_off
        if self._cut_off > CUT_OFF_RETRIES or asyncio.get_running_loop().time() + self._pause > self._deadline:
            return False
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return True


class FailoverClient:
    """Run commands on the server of a hash slot, and try again while a failover lasts."""

    def __init__(self, address: StoreAddress, limits: ConnectionLimits) -> None:
        self.servers: Servers = _servers(address, limits)
        self._address = address.redacted

    async def execute(self, hash_slot: int | None, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands on the server of a hash slot; return their answers, with errors of the server among them.

        Commands that a server refused to run are sent again for 1 s, also to the server that has the hash slot now.
        Commands whose connection was cut before the answers came are sent again twice; every verb may run again,
        because it finds what its first run wrote. Raises StoreUnavailable.
        """
        packed = b"".join(map(pack, commands))
        servers, budget = self.servers, None
        while True:
            sent = False
            try:
                server = servers.server(hash_slot)
                connection = (server and server.connection) or await servers.connect(hash_slot)
                sent = True
                answers = await connection.execute(packed, len(commands))
            except exceptions.AuthenticationError as fault:
                self.raise_store_error(fault)
            except (exceptions.ConnectionError, exceptions.ClusterDownError) as fault:
                budget = budget or RetryBudget()
                if not await budget.pause(cut_off=sent):
                    self.raise_store_error(fault)
                continue
            except (exceptions.TimeoutError, OSError) as fault:
                # No retry: a slow store would get more work the slower it is.
                self.raise_store_error(fault)
            refused = [answer for answer in answers if isinstance(answer, NOT_RUN)]
            if not refused:
                return answers
            budget = budget or RetryBudget()
            if redirected := await self._redirect(hash_slot, commands, refused[0], budget):
                return redirected

    async def execute_once(self, hash_slot: int | None, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands on the server of a hash slot, also those of its other hash slots; nothing is sent again.

        Returns their answers, with errors of the server among them. Raises StoreUnavailable.
        """
        try:
            connection = await self.servers.connect(hash_slot)
            return await connection.execute(b"".join(map(pack, commands)), len(commands))
        except (exceptions.RedisError, OSError) as fault:
            self.raise_store_error(fault)

    async def execute_on_primaries(self, command: tuple[Any, ...], *, require_all: bool) -> dict[Server, Any]:
        """Run a command on every primary and return each primary's answer; an error is an exception as the answer.

        require_all: every primary must be reachable; otherwise an unreachable primary has an exception as its answer.
        Raises StoreUnavailable.
        """
        answers: dict[Server, Any] = {}
        try:
            for server in await self.servers.primaries(require_all=require_all):
                try:
                    (answers[server],) = await (await server.connect()).execute(pack(command), 1)
                except UNAVAILABLE as fault:
                    if require_all:
                        raise
                    answers[server] = fault
        except (exceptions.RedisError, OSError) as fault:
            self.raise_store_error(fault)
        return answers

    def raise_store_error(self, fault: Exception) -> NoReturn:
        """Raise StoreUnavailable or StoreFull for a fault of redis-py; raise any other fault unchanged."""
        if isinstance(fault, exceptions.OutOfMemoryError) or str(fault).startswith(("OOM", "ERR OOM")):
            raise StoreFull from fault
        if isinstance(fault, UNAVAILABLE) or str(fault).startswith(REFUSED):
            raise StoreUnavailable(self._address, summary(fault)) from fault
        raise fault

    async def _redirect(
        self, hash_slot: int | None, commands: Sequence[tuple[Any, ...]], refusal: Refusal, budget: RetryBudget
    ) -> list[Any]:
        """Run refused commands on the server that an ASK names; return [] where the caller has to send them again."""
        if len(commands) > 1 and type(refusal) in {exceptions.AskError, exceptions.TryAgainError}:
            # The hash slot is moving: some keys are on the other server already and some are not.
            return [answer for command in commands for answer in await self.execute(hash_slot, [command])]
        if type(refusal) is exceptions.AskError:
            try:
                connection = await self.servers.connect_to_importer(refusal)
                _, answer = await connection.execute(pack(("ASKING",)) + pack(commands[0]), 2)
            except (exceptions.RedisError, OSError) as fault:
                self.raise_store_error(fault)
            if not isinstance(answer, NOT_RUN):
                return [answer]
            refusal = answer
        self.servers.apply_refusal(hash_slot, refusal)
        at_once = isinstance(refusal, exceptions.MovedError) and budget.redirect()
        if not at_once and not await budget.pause(cut_off=False):
            self.raise_store_error(refusal)
        return []


def summary(fault: BaseException) -> str:
    """Return the first line of a fault's message, at most 200 characters; its type where the message is empty."""
    return str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__


def _servers(address: StoreAddress, limits: ConnectionLimits) -> Servers:
    match address.kind:
        case StoreKind.SINGLE:
            return SingleServer(address, limits)
        case StoreKind.SENTINEL:
            return SentinelServers(address, limits)
        case StoreKind.CLUSTER:
            return ClusterServers(address, limits)
