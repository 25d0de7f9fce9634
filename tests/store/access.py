"""Users of the store with the service's least rights, so that a test fails where the service needs more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from matcher.store.redis.client import StoreClient
from matcher.store.redis.verb_call import VerbCall
from matcher.store.verbs import ReserveInOrder

PASSWORD: Final = "test"
PRODUCT: Final = "product"
DECLARED: Final = "declared"

Admin: TypeAlias = Any
"""A Redis client whose user may do anything; redis-py leaves its commands untyped."""

SCRIPTED: Final = (
    "del",
    "exists",
    "get",
    "set",
    "hdel",
    "hexists",
    "hget",
    "hset",
    "hmget",
    "hgetall",
    "hincrby",
    "hsetnx",
    "pfadd",
    "pfcount",
    "pexpire",
    "pexpireat",
    "persist",
    "sadd",
    "srem",
    "scard",
    "time",
    "xadd",
    "xdel",
    "xlen",
    "xrange",
    "xtrim",
    "pttl",
    "rename",
    "xrevrange",
    "unlink",
    "zadd",
    "zcard",
    "zcount",
    "zlexcount",
    "zrange",
    "zrem",
    "zremrangebyscore",
    "zscore",
)
"""The commands that the verbs call."""

CALLED: Final = (
    "fcall",
    "function|load",
    "function|list",
    "function|delete",
    "info",
    "ping",
    "time",
    "auth",
    "asking",
    "client|setinfo",
    "cluster|slots",
    "scan",
    "unlink",
    "get",
    "set",
    "del",
    "hdel",
    "hget",
    "hgetall",
    "hlen",
    "hmget",
    "hset",
    "hsetnx",
    "pexpire",
    "pexpiretime",
    "sadd",
    "smembers",
    "srem",
    "strlen",
    "xadd",
    "xlen",
    "xrange",
    "xread",
    "xrevrange",
    "zadd",
    "zcard",
    "zlexcount",
    "zrange",
    "zrem",
    "zscore",
)
"""The commands that the service calls."""

INSPECTING: Final = ("dump", "pttl", "type")
"""The commands that only tests call, to inspect what is stored."""


def as_user(url: str, user: str) -> str:
    """Return a unix-socket URL that logs in as a user."""
    return url.replace("unix://", f"unix://{quote(user)}:{PASSWORD}@", 1)


async def make_users(admin: Admin) -> None:
    """Make the service's user, who may use m:* only, and a user who may use the keys that DeclaredConnection allows."""
    commands = [f"+{name}" for name in dict.fromkeys([*SCRIPTED, *CALLED, *INSPECTING])]
    await admin.execute_command("ACL", "SETUSER", PRODUCT, "reset", "on", f">{PASSWORD}", "~m:*", *commands)
    scripted = [f"+{name}" for name in (*SCRIPTED, "fcall", "auth", "client|setinfo")]
    await admin.execute_command("ACL", "SETUSER", DECLARED, "reset", "on", f">{PASSWORD}", *scripted)


async def store_now_ms(connection: StoreClient) -> int:
    """Return the store's time in milliseconds since 1970."""
    seconds, micros = await connection.run("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


class DeclaredConnection(StoreClient):
    """A client that runs each verb as a user who may use its KEYS and nothing else."""

    def __init__(self, url: str, admin: Admin) -> None:
        super().__init__(as_user(url, PRODUCT))
        self._admin = admin
        self._narrow = StoreClient(as_user(url, DECLARED), max_calls=1)
        self._one_at_a_time = asyncio.Lock()

    async def verb(self, call: VerbCall) -> list[Any]:
        """Let the narrow user reach the call's keys, run the verb as that user, and check the answer by the table."""
        keys, _ = call.packed()
        async with self._one_at_a_time:
            await self.allow(keys)
            answer = await self._narrow.verb(call)
        for word, *values in answer if isinstance(call, ReserveInOrder) else [answer]:
            assert len(values) == len(call.answers[word.decode()]), f"{call.verb} answered {answer}"
        return answer

    async def allow(self, keys: Sequence[str]) -> None:
        """Allow the narrow user `keys` only."""
        await self._admin.execute_command("ACL", "SETUSER", DECLARED, "resetkeys", *(f"~{key}" for key in keys))

    async def run_narrow(self, *command: Any) -> Any:
        """Run a command as the narrow user."""
        return await self._narrow.run(*command)

    async def close(self) -> None:
        """Close both users' connections."""
        await self._narrow.close()
        await super().close()
