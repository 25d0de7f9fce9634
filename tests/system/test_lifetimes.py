"""The check at the end of a session that every key has a lifetime or is listed as permanent."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.processes import Store, keys_without_lifetime


async def test_a_key_without_a_lifetime_is_found() -> None:
    """Of an agent's hash, a request record with a lifetime and one without, the check names the last."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        store = Store(Path(name))
        await store.start()
        try:
            async with store.client() as redis:
                await redis.hset("m:{default}:agent:maya", "status", "ONLINE")
                await redis.set("m:{default}:once:route:r-1", "ids", ex=60)
                await redis.set("m:{default}:once:route:r-2", "ids")
            assert await keys_without_lifetime(store.url) == ["m:{default}:once:route:r-2"]
        finally:
            await store.end()
