"""A redis-py without its private parts: the service serves by the public ones, one call after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis import exceptions

from matcher.store.redis import multiplexed_connection
from matcher.store.redis.address import parse_address
from matcher.store.redis.client import StoreClient
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, PlainConnection, pack, redis_fits


async def opened(url: str, silence_seconds: float) -> MultiplexedConnection:
    """Open a connection where the private parts are missing."""
    login = parse_address(url).login
    connection = await MultiplexedConnection.open(
        login, max_calls=100, silence_seconds=silence_seconds, connect_seconds=10.0
    )
    assert isinstance(connection, PlainConnection)
    return connection


@pytest.fixture
async def plain(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MultiplexedConnection]:
    """Give a connection to the store that was opened where the private parts are missing."""
    monkeypatch.setattr(multiplexed_connection, "hand_over_fits", lambda _: False)
    connection = await opened(embedded_url, 60.0)
    yield connection
    connection.close()


def test_the_installed_redis_py_has_the_private_parts() -> None:
    """A version that fails this test is served by a PlainConnection: the service is right, and slower."""
    assert redis_fits()


async def test_each_call_gets_its_own_answer_also_where_others_are_cancelled(plain: MultiplexedConnection) -> None:
    """An answer that nobody waits for is read and dropped."""
    calls = [asyncio.create_task(plain.execute(pack(("ECHO", f"w{number}")), 1)) for number in range(40)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, list)] == [
        [f"w{number}".encode()] for number in range(1, 40, 2)
    ]
    assert plain.usable


async def test_an_error_of_the_server_is_an_answer(plain: MultiplexedConnection) -> None:
    """The answers after it are those of their own commands."""
    commands = pack(("ECHO", "a")) + pack(("NOSUCH",)) + pack(("ECHO", "b"))
    first, error, last = await plain.execute(commands, 3)
    assert (first, last) == (b"a", b"b")
    assert isinstance(error, exceptions.ResponseError)


@pytest.mark.usefixtures("plain")
async def test_a_silent_server_fails_the_call_and_the_connection(embedded_url: str) -> None:
    """As with the other connection: it is never used again."""
    connection = await opened(embedded_url, 0.2)
    with pytest.raises(exceptions.TimeoutError, match="silent"):
        await connection.execute(pack(("BLPOP", "nothing", "60")), 1)
    assert not connection.usable
    with pytest.raises(exceptions.ConnectionError):
        await connection.execute(pack(("PING",)), 1)


async def test_a_reserve_is_the_same_by_the_public_parts(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that opens plain connections starts, loads the verbs and writes what the other one reads."""
    monkeypatch.setattr(multiplexed_connection, "hand_over_fits", lambda _: False)
    client = StoreClient(embedded_url)
    await client.start()
    await client.run("SET", "plain:written", "x", "EX", 600)
    assert await client.pipeline([("GET", "plain:written"), ("EXISTS", "plain:written")]) == [b"x", 1]
    await client.close()
