"""The takeovers of an attack: which server of the stores became a primary, and when, whatever the reason."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError

from benchmarks.chaos import history as h
from benchmarks.chaos.arena import Arena
from benchmarks.chaos.processes import Node

LOOK_SECONDS: Final = 0.3
BEFORE_SECONDS: Final = 1.0
"""A server may have taken over, and lost what the one before acknowledged, so long before it was seen to."""
ANOTHER: Final = "another server took over"


async def note_takeovers(arena: Arena, history: h.History) -> None:
    """Note each server that becomes a primary as a fault that may forget: a busy machine brings that about, too."""
    primaries: set[int] | None = None
    looked = time.time()
    while arena.replicated:
        began = time.time()
        found = {node.port for node in arena.replicated if await _is_primary(node)}
        if primaries is not None and found - primaries:
            history.add(
                h.Fault(what=ANOTHER, target="", began=looked - BEFORE_SECONDS, ended=time.time(), forgets=True)
            )
        primaries = found or primaries
        looked = began
        await asyncio.sleep(LOOK_SECONDS)


async def _is_primary(node: Node) -> bool:
    with suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            role = await node.ask("ROLE")
            return bool(role[0] == b"master")
    return False
