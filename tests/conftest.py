"""Fixtures: the service and its store as processes of their own, shared by a test session."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, settings

from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from tests.processes import Server, Store, keys_without_lifetime, start_server

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and the processes that the tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An example that takes long on a busy machine is no fault, nor is a slow draw: laws are counted, not timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

StartServer: TypeAlias = "Callable[[Mapping[str, str]], Awaitable[Server]]"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Give a folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
async def service(folder: Path) -> AsyncIterator[Server]:
    """Give the service on its embedded store, shared: each test creates its own site with `service.site()`.

    At the end it must stop with 0, have logged no fault that no test declared, and leave no key without a lifetime.
    """
    server = await start_server(folder, {})
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.clear)
        yield server
        embedded = await EmbeddedStore.open(EmbeddedSettings(server.data_dir))
        stack.push_async_callback(embedded.close)
        assert embedded.adopted
        assert await keys_without_lifetime(embedded.url) == []
        assert await server.stop() == 0
        assert server.faults() == []


@pytest.fixture(scope="session")
async def store() -> AsyncIterator[Store]:
    """Give a store that is shared by tests that start servers on it and do not damage it."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        store = Store(Path(name))
        await store.start()
        try:
            yield store
            assert await keys_without_lifetime(store.url) == []
        finally:
            await store.end()


@pytest.fixture(scope="session")
def store_url(store: Store) -> str:
    """Give the address of the shared store, for MATCHER_STORE_URL."""
    return store.url


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[StartServer]:
    """Give a function that starts a server with settings; the servers end with the test, without a logged fault."""
    started: list[Server] = []

    async def start(settings: Mapping[str, str]) -> Server:
        server = await start_server(tmp_path, settings)
        started.append(server)
        return server

    try:
        yield start
    finally:
        for server in started:
            await server.clear()
    assert [line for server in started for line in server.faults()] == []
