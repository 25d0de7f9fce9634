"""Many calls in flight on one connection: each gets its own answer, and all fail when the server is silent or gone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import exceptions
from redis.asyncio.connection import UnixDomainSocketConnection

from matcher.errors import StoreUnavailable, StoreUnfit
from matcher.store.redis.address import parse_address
from matcher.store.redis.client import StoreClient
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, pack
from tests.store.access import PRODUCT, Admin
from tests.store.stage import Stage

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connect(url: str, *, max_calls: int = 100, silence_seconds: float = 30.0) -> MultiplexedConnection:
    """Open a connection to a store."""
    return await MultiplexedConnection.open(
        parse_address(url).login, max_calls=max_calls, silence_seconds=silence_seconds, connect_seconds=10.0
    )


async def echo(connection: MultiplexedConnection, word: str) -> str:
    """Return a word as the server sends it back."""
    (answer,) = await connection.execute(pack(("ECHO", word)), 1)
    return str(answer.decode())


@asynccontextmanager
async def serving(path: Path, serve: Serve) -> AsyncIterator[MultiplexedConnection]:
    """Run a server of the test's own on a socket; give a connection to it, without a login."""
    server = await asyncio.start_unix_server(serve, str(path))
    login = {"connection_class": UnixDomainSocketConnection, "path": str(path), "driver_info": None}
    connection = await MultiplexedConnection.open(login, max_calls=100, silence_seconds=0.2, connect_seconds=10.0)
    try:
        yield connection
    finally:
        connection.close()
        server.close()


async def test_each_call_gets_its_own_answer_however_many_are_cancelled(embedded_url: str) -> None:
    """Of 2,000 calls at once half are cancelled at random moments; each of the others gets its own answer."""
    connection, chance = await connect(embedded_url), random.Random(7)

    async def call_echo(number: int) -> None:
        assert await echo(connection, f"word {number}") == f"word {number}"

    calls = [asyncio.create_task(call_echo(number)) for number in range(2000)]
    cancelled = chance.sample(calls, 1000)
    for call in cancelled:
        await asyncio.sleep(0)
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end) for call, end in zip(calls, ended, strict=True) if call not in cancelled} == {type(None)}
    assert await echo(connection, "last") == "last"
    connection.close()


async def test_a_login_into_a_connection_that_the_event_loop_has_closed_is_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The event loop raises RuntimeError where a server ends it in that moment; callers know ConnectionError."""

    async def closed(_: UnixDomainSocketConnection) -> None:
        raise RuntimeError("unable to perform operation on <UnixTransport closed=True>; the handler is closed")

    monkeypatch.setattr(UnixDomainSocketConnection, "connect", closed)
    login = {"connection_class": UnixDomainSocketConnection, "path": "nowhere", "driver_info": None}
    with pytest.raises(exceptions.ConnectionError, match="the handler is closed"):
        await MultiplexedConnection.open(login, max_calls=1, silence_seconds=0.2, connect_seconds=10.0)


async def test_commands_sent_together_are_answered_together(embedded_url: str) -> None:
    """A call of three commands gets three answers in order; one of them is an error."""
    connection = await connect(embedded_url)
    commands = b"".join(map(pack, [("ECHO", "one"), ("NONSENSE",), ("ECHO", "three")]))
    one, wrong, three = await connection.execute(commands, 3)
    assert (one, three) == (b"one", b"three")
    assert isinstance(wrong, exceptions.ResponseError)
    connection.close()


async def test_calls_beyond_the_limit_wait(tmp_path: Path) -> None:
    """With 100 permits the 101st call is sent when the first is answered, and a cancelled call keeps no permit."""
    received, answer = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while line := await reader.readline():
            received += line == b"$4\r\n"
            if received >= 100:
                await answer.wait()
                writer.write(b"+PONG\r\n" * received)
                received = 0
        writer.close()

    async with serving(tmp_path / "s", serve) as connection:
        connection._silence = 30.0
        calls = [asyncio.create_task(connection.execute(pack(("PING",)), 1)) for _ in range(200)]
        while received < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        calls[150].cancel()
        calls[3].cancel()
        answer.set()
        calls.append(asyncio.create_task(connection.execute(pack(("PING",)), 1)))
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ended].count(asyncio.CancelledError) == 2
    assert ended.count([b"PONG"]) == 199


async def test_a_server_that_falls_silent_fails_every_call_in_flight(tmp_path: Path) -> None:
    """Calls in flight fail once, later calls fail at once; a connection without calls may be silent for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"+PONG\r\n")
        await reader.read()
        writer.close()

    async with serving(tmp_path / "s", serve) as connection:
        assert await connection.execute(pack(("PING",)), 1) == [b"PONG"]
        await asyncio.sleep(0.3)
        assert connection.usable
        ended = await asyncio.gather(
            *(connection.execute(pack(("PING",)), 1) for _ in range(3)), return_exceptions=True
        )
        assert {type(end) for end in ended} == {exceptions.TimeoutError}
        assert not connection.usable
        with pytest.raises(exceptions.ConnectionError):
            await connection.execute(pack(("PING",)), 1)


@pytest.mark.parametrize("sent", [b"", b"+PONG\r\n+PONG\r\n+PONG\r\n", b"nonsense\r\n"])
async def test_a_connection_that_is_cut_or_gets_nonsense_is_never_used_again(tmp_path: Path, sent: bytes) -> None:
    """Cut, one answer too many, or no valid answer: calls in flight fail, and none gets the answer of another."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(sent)
        writer.close()

    async with serving(tmp_path / "s", serve) as connection:
        ended = await asyncio.gather(
            *(connection.execute(pack(("PING",)), 1) for _ in range(2)), return_exceptions=True
        )
        while connection.usable:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert all(end == [b"PONG"] or isinstance(end, exceptions.ConnectionError) for end in ended)
        with pytest.raises(exceptions.ConnectionError):
            await connection.execute(pack(("PING",)), 1)


async def test_calls_survive_a_store_that_cuts_every_connection(plain_stage: Stage, admin: Admin) -> None:
    """The store cuts every connection twice: each of 300 reserves at once is answered and holds capacity once."""
    stage = plain_stage
    await stage.put("ann", 1000)
    reserves = [asyncio.create_task(stage.hold("ann")) for _ in range(300)]
    for _ in range(2):
        await asyncio.sleep(0.002)
        await admin.execute_command("CLIENT", "KILL", "USER", PRODUCT)
    reservations = await asyncio.gather(*reserves, return_exceptions=True)
    held = set(await stage.held_by("ann"))
    # A reserve that was cut off before its answer was sent again; its answer is a replay of the hold.
    assert len(held) == 300
    assert {answer.id for answer in reservations if not isinstance(answer, BaseException)} <= held


async def test_a_blocked_reader_fails_when_its_server_is_lost(product: StoreClient, admin: Admin) -> None:
    """A reader that blocks fails with the shared connection of its server, however long it was to block."""
    key = "m:{news}:load"
    reader = product.blocking_reader(key)
    waiting = asyncio.create_task(reader.run(("XREAD", "BLOCK", 60_000, "STREAMS", key, "0-0"), 60.0))
    while not (await admin.info("clients"))["blocked_clients"]:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    shared = (await product._servers.find(None)).connection
    assert shared is not None
    shared.close()
    with pytest.raises(StoreUnavailable):
        await waiting
    assert await reader.run(("XREAD", "STREAMS", key, "0-0"), 60.0) is None
    reader.close()


async def test_a_refused_login_is_no_outage(embedded_url: str) -> None:
    """A wrong password fails the start at once, with an error that does not contain it."""
    connection = StoreClient(embedded_url.replace("unix://", f"unix://{PRODUCT}:s3cret@", 1))
    with pytest.raises(StoreUnfit) as refused:
        await connection.start()
    assert "s3cret" not in str(refused.value)
    await connection.close()


async def test_a_call_waits_for_a_store_that_is_away_for_a_moment(embedded_url: str, tmp_path: Path) -> None:
    """No server listens: the call tries again and is answered once a server listens; without one it is UNAVAILABLE."""
    socket = tmp_path / "s"
    connection = StoreClient(f"unix://{socket}")
    with pytest.raises(StoreUnavailable):
        await connection.run("PING")
    waiting = asyncio.create_task(connection.run("PING"))
    await asyncio.sleep(0.1)
    socket.symlink_to(embedded_url.removeprefix("unix://"))
    assert await waiting
    await connection.close()
