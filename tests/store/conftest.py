"""Fixtures of the store's tests: an embedded store, its users, and a site for each test."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import PERMANENT
from matcher.store.redis.client import StoreClient
from tests.store.access import PRODUCT, Admin, DeclaredConnection, as_user, make_users
from tests.store.laws import broken_laws, repairs
from tests.store.stage import Stage


@pytest.fixture(scope="session")
async def embedded_url() -> AsyncIterator[str]:
    """Give the URL of an embedded store with the users of tests/store/access.py.

    At the end every key in it has a time to live or is listed as permanent.
    """
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = await EmbeddedStore.open(EmbeddedSettings(Path(folder)))
        admin = Redis.from_url(store.url)
        try:
            await make_users(admin)
            yield store.url
            endless = [key.decode() async for key in admin.scan_iter("*", count=1000) if await admin.pttl(key) == -1]
            assert [key for key in endless if not any(re.fullmatch(pattern, key) for pattern in PERMANENT)] == []
        finally:
            await admin.aclose()
            await store.close()


@pytest.fixture(scope="session")
async def admin(embedded_url: str) -> AsyncIterator[Admin]:
    """Give a client that may do anything."""
    client = Redis.from_url(embedded_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
async def declared(embedded_url: str, admin: Admin) -> AsyncIterator[DeclaredConnection]:
    """Give a client whose verbs may use nothing but their KEYS."""
    connection = DeclaredConnection(embedded_url, admin)
    await connection.start()
    yield connection
    await connection.close()


@pytest.fixture
async def stage(declared: DeclaredConnection) -> Stage:
    """Give a site of the test's own, where every verb may use nothing but its KEYS."""
    stage = Stage(declared)
    await stage.set_up()
    return stage


@pytest.fixture
async def lawful(stage: Stage) -> AsyncIterator[Stage]:
    """Give a stage whose site keeps the laws of tests/store/laws.py; they are checked at the end of the test.

    By the same laws the audit finds nothing to repair.
    """
    yield stage
    assert await broken_laws(stage) == []
    assert await repairs(stage) == []


@pytest.fixture
async def product(embedded_url: str) -> AsyncIterator[StoreClient]:
    """Give a client as the service opens it, as a user who may use m:* only."""
    connection = StoreClient(as_user(embedded_url, PRODUCT))
    await connection.start()
    yield connection
    await connection.close()


@pytest.fixture
async def plain_stage(product: StoreClient) -> Stage:
    """Give a site of the test's own on the service's kind of client."""
    stage = Stage(product)
    await stage.set_up()
    return stage
