"""One socket with many calls under way: whose answer is whose, and what becomes of calls when it is silent or cut."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis import exceptions
from redis.asyncio.connection import UnixDomainSocketConnection

from matcher.errors import StoreUnavailable, StoreUnfit
from matcher.store.redis.address import parse_address
from matcher.store.redis.client import StoreClient
from matcher.store.redis.multiplexed_connection import MultiplexedConnection, packed
from matcher.store.redis.topology import ANY_SLOT
from tests.store.access import PRODUCT, Admin, as_user
from tests.store.stage import Stage

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def wire_to(url: str, *, most: int = 100, silence_seconds: float = 30.0) -> MultiplexedConnection:
    """Open a wire to a store."""
    return await MultiplexedConnection.open(
        parse_address(url).login, most=most, silence_seconds=silence_seconds, connect_seconds=10.0
    )


async def echo(wire: MultiplexedConnection, word: str) -> str:
    """Have a word said back."""
    (said,) = await wire.ask(packed(("ECHO", word)), 1)
    return str(said.decode())


@asynccontextmanager
async def serving(path: Path, serve: Serve) -> AsyncIterator[MultiplexedConnection]:
    """Run a server of the test's own on a socket; give a wire to it that was not logged in."""
    server = await asyncio.start_unix_server(serve, str(path))
    login = {"connection_class": UnixDomainSocketConnection, "path": str(path), "driver_info": None}
    wire = await MultiplexedConnection.open(login, most=100, silence_seconds=0.2, connect_seconds=10.0)
    try:
        yield wire
    finally:
        wire.close()
        server.close()


async def test_answers_reach_those_who_asked_however_many_go_away(embedded_url: str) -> None:
    """Of 2,000 calls at once half are given up at any moment; each of the others gets its own answer."""
    wire, chance = await wire_to(embedded_url), random.Random(7)

    async def ask(number: int) -> None:
        assert await echo(wire, f"word {number}") == f"word {number}"

    calls = [asyncio.create_task(ask(number)) for number in range(2000)]
    given_up = chance.sample(calls, 1000)
    for call in given_up:
        await asyncio.sleep(0)
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end) for call, end in zip(calls, ended, strict=True) if call not in given_up} == {type(None)}
    assert await echo(wire, "last") == "last"
    wire.close()


async def test_commands_sent_together_are_answered_together(embedded_url: str) -> None:
    """A call of three commands gets three answers, the error of one of them in its place."""
    wire = await wire_to(embedded_url)
    words = b"".join(map(packed, [("ECHO", "one"), ("NONSENSE",), ("ECHO", "three")]))
    one, wrong, three = await wire.ask(words, 3)
    assert (one, three) == (b"one", b"three")
    assert isinstance(wrong, exceptions.ResponseError)
    wire.close()


async def test_no_more_calls_are_under_way_than_may_be(tmp_path: Path) -> None:
    """With room for 100, the 101st call is sent when the first is answered, and one that gives up makes no hole."""
    asked, answer = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while line := await reader.readline():
            asked += line == b"$4\r\n"
            if asked >= 100:
                await answer.wait()
                writer.write(b"+PONG\r\n" * asked)
                asked = 0
        writer.close()

    async with serving(tmp_path / "s", serve) as wire:
        wire._silence = 30.0
        calls = [asyncio.create_task(wire.ask(packed(("PING",)), 1)) for _ in range(200)]
        while asked < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        calls[150].cancel()
        calls[3].cancel()
        answer.set()
        calls.append(asyncio.create_task(wire.ask(packed(("PING",)), 1)))
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ended].count(asyncio.CancelledError) == 2
    assert ended.count([b"PONG"]) == 199


async def test_a_server_that_falls_silent_fails_all_that_is_under_way(tmp_path: Path) -> None:
    """Each caller is told once, later ones at once; a wire with nothing under way may be silent for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"+PONG\r\n")
        await reader.read()
        writer.close()

    async with serving(tmp_path / "s", serve) as wire:
        assert await wire.ask(packed(("PING",)), 1) == [b"PONG"]
        await asyncio.sleep(0.3)
        assert wire.usable
        ended = await asyncio.gather(*(wire.ask(packed(("PING",)), 1) for _ in range(3)), return_exceptions=True)
        assert {type(end) for end in ended} == {exceptions.TimeoutError}
        assert not wire.usable
        with pytest.raises(exceptions.ConnectionError):
            await wire.ask(packed(("PING",)), 1)


@pytest.mark.parametrize("said", [b"", b"+PONG\r\n+PONG\r\n+PONG\r\n", b"nonsense\r\n"])
async def test_a_connection_that_is_cut_or_talks_nonsense_is_never_used_again(tmp_path: Path, said: bytes) -> None:
    """Cut, one answer too many, or none at all: what is under way fails, and no answer is given to the wrong caller."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    async with serving(tmp_path / "s", serve) as wire:
        ended = await asyncio.gather(*(wire.ask(packed(("PING",)), 1) for _ in range(2)), return_exceptions=True)
        while wire.usable:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert all(end == [b"PONG"] or isinstance(end, exceptions.ConnectionError) for end in ended)
        with pytest.raises(exceptions.ConnectionError):
            await wire.ask(packed(("PING",)), 1)


async def test_a_store_that_comes_back_is_found_by_the_calls_that_wait(plain_stage: Stage, admin: Admin) -> None:
    """Every connection is cut by the store again and again: 300 claims at once are each answered, and held once."""
    stage = plain_stage
    await stage.put("ann", 1000)
    claims = [asyncio.create_task(stage.hold("ann")) for _ in range(300)]
    for _ in range(2):
        await asyncio.sleep(0.002)
        await admin.execute_command("CLIENT", "KILL", "USER", PRODUCT)
    held = await asyncio.gather(*claims, return_exceptions=True)
    there = set(await stage.held_by("ann"))
    # What was cut off before its answer came was asked again, and is answered as a replay of what is held.
    assert len(there) == 300
    assert {one.id for one in held if not isinstance(one, BaseException)} <= there


async def test_who_waits_for_news_hears_that_their_server_is_lost(product: StoreClient, admin: Admin) -> None:
    """A reader that blocks fails with the server's wire, however long it meant to wait."""
    key = "m:{news}:load"
    reader = product.reader(key)
    waiting = asyncio.create_task(reader.run(("XREAD", "BLOCK", 60_000, "STREAMS", key, "0-0"), 60.0))
    while not (await admin.info("clients"))["blocked_clients"]:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    shared = (await product._servers.find(ANY_SLOT)).wire
    assert shared is not None
    shared.close()
    with pytest.raises(StoreUnavailable):
        await waiting
    assert await reader.run(("XREAD", "STREAMS", key, "0-0"), 60.0) is None
    reader.close()


async def test_a_login_that_is_refused_is_no_outage(embedded_url: str) -> None:
    """A wrong password is said at once, in words that do not hold it."""
    connection = StoreClient(embedded_url.replace("unix://", f"unix://{PRODUCT}:s3cret@", 1))
    with pytest.raises(StoreUnfit) as refused:
        await connection.start()
    assert "s3cret" not in str(refused.value)
    await connection.close()


async def test_a_call_waits_for_a_store_that_is_away_for_a_moment(embedded_url: str, tmp_path: Path) -> None:
    """Nobody listens: the call tries again and is answered when somebody does; where nobody comes it is UNAVAILABLE."""
    socket = tmp_path / "s"
    connection = StoreClient(f"unix://{socket}")
    with pytest.raises(StoreUnavailable):
        await connection.run("PING")
    waiting = asyncio.create_task(connection.run("PING"))
    await asyncio.sleep(0.1)
    socket.symlink_to(embedded_url.removeprefix("unix://"))
    assert await waiting
    await connection.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine; return it and its key as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    today = dt.datetime.now(dt.UTC)
    until = today + dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), today, until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "store.pem", folder / "store.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, secret


async def test_a_store_behind_tls_with_a_login_and_a_database(
    embedded_url: str, plain_stage: Stage, admin: Admin, tmp_path: Path
) -> None:
    """rediss:// with user, password and database: the same store, over TLS."""
    chain, secret = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_store, to_store = await asyncio.open_unix_connection(embedded_url.removeprefix("unix://"))

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while chunk := await source.read(1 << 16):
                sink.write(chunk)
            sink.close()

        await asyncio.gather(copy(reader, to_store), copy(from_store, writer))

    await admin.execute_command("ACL", "SETUSER", PRODUCT, "+select")
    server = await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    login = as_user("unix://", PRODUCT).replace("unix", "rediss")
    await plain_stage.put("ann", 5)
    elsewhere = StoreClient(f"{login}127.0.0.1:{port}/1?ssl_ca_certs={chain}")
    assert await Stage(elsewhere, plain_stage.site).roster.agents_on(plain_stage.site) == 0
    await elsewhere.close()
    connection = StoreClient(f"{login}127.0.0.1:{port}?ssl_ca_certs={chain}")
    there = Stage(connection, plain_stage.site)
    held = await asyncio.gather(*(there.hold("ann") for _ in range(5)))
    assert await plain_stage.held_by("ann") == sorted(one.id for one in held)
    await connection.close()
    server.close()
