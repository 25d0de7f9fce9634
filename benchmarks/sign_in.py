"""What it costs a call that its caller shows a key: recognition and permission, in CPU microseconds of this process.

    python -m benchmarks.sign_in

The call is a RouteMessage with the metadata that a client sends; the key is one of a thousand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from matcher.auth.access_keys import new_access_key
from matcher.auth.authorizer import TABLE_AUTHORIZER
from matcher.auth.key_cache import KeyCache, StoredKeys
from matcher.auth.principal import Grant, Role
from matcher.auth.recognition import Recognition
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.permissions import Permissions
from matcher.v1 import routing_pb2 as pb

METHOD: Final = "/matcher.v1.RoutingService/RouteMessage"
KEYS: Final = 1_000
CALLS: Final = 20_000
ROUNDS: Final = 7


class Source:
    """A store with these keys."""

    def __init__(self, keys: StoredKeys) -> None:
        self._keys = keys

    async def version(self) -> bytes:
        """Return the version."""
        return self._keys.version

    async def read(self) -> StoredKeys:
        """Return the keys."""
        return self._keys

    async def note_used(self, used: Mapping[str, int]) -> None:
        """Note nothing."""


class Call:
    """The context of a call."""

    def __init__(self, text: str) -> None:
        self._metadata = (("user-agent", "grpc-python-asyncio/1.85"), ("authorization", f"Bearer {text}"))

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata."""
        return self._metadata


async def main() -> None:
    """Print the least of some rounds, for each part."""
    grants = (Grant(Role.PLATFORM, frozenset({"default"})),)
    made = [new_access_key(f"caller-{number}", grants, 1) for number in range(KEYS)]
    cache = KeyCache(Source(StoredKeys(b"1", tuple(key for key, _ in made))))
    await cache.refresh()
    sign_in, permissions = SignIn(Recognition(keys=cache)), Permissions(TABLE_AUTHORIZER)
    context: Any = Call(made[KEYS // 2][1])
    body = pb.RouteMessageRequest(
        parent="sites/default", message=pb.Message(text="My tent leaks."), request_id="r-1"
    ).SerializeToString()
    plain, checked = pb.RouteMessageRequest.FromString, permissions.checked(METHOD, pb.RouteMessageRequest.FromString)
    least: dict[str, float] = {}
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            await sign_in.enter(METHOD, context)
        entered = time.process_time()
        for _ in range(CALLS):
            permissions.check_method(METHOD)
            checked(body)
        permitted = time.process_time()
        for _ in range(CALLS):
            plain(body)
        read = time.process_time()
        for name, seconds in (
            ("recognition", entered - began),
            ("permission", (permitted - entered) - (read - permitted)),
        ):
            least[name] = min(least.get(name, seconds), seconds)
    for name, seconds in least.items():
        print(f"{name}: {1e6 * seconds / CALLS:.1f} µs a call")


if __name__ == "__main__":
    asyncio.run(main())
