"""Two servers on one store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import Server, Store, start_server


@dataclass(frozen=True)
class Pair:
    """Two server processes on one store."""

    one: Server
    other: Server
    store: Store


@pytest.fixture(scope="session")
async def pair(folder: Path, store: Store) -> AsyncIterator[Pair]:
    """Give two servers that share a store, for the whole session; they must end with 0 and without a logged fault."""
    settings = {"MATCHER_STORE_URL": store.url, "MATCHER_ENCODER_QUEUE_TOKENS": "4000000"}
    one, other = await asyncio.gather(start_server(folder, settings), start_server(folder, settings))
    try:
        yield Pair(one, other, store)
        codes = await asyncio.gather(one.stop(), other.stop())
        assert set(codes) == {0}
        assert one.faults() + other.faults() == []
    finally:
        await asyncio.gather(one.kill(), other.kill())
