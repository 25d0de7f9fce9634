"""Connections whose other end stands still: each wait has its limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from matcher.web.timed_protocol import TimedProtocol
from tests.web.gateway import SECONDS

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"


class Hasty(TimedProtocol):
    """The same with short limits."""

    head_seconds = 0.3
    whole_seconds = 0.3
    stuck_seconds = 0.3


async def answer(scope: Scope, _: Receive, send: Send) -> None:
    """Answer before the body has come; a GET gets more than the buffers between two processes hold."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"transfer-encoding", b"chunked")]})
    for _part in range(1000 if scope["method"] == "GET" else 1):
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
    await send({"type": "http.response.body"})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection to a server with short limits."""
    config = uvicorn.Config(answer, log_config=None)
    config.load()
    server = await asyncio.get_running_loop().create_server(lambda: Hasty(config, ServerState(), {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=2**20)
    try:
        async with asyncio.timeout(SECONDS):
            yield reader, writer
    finally:
        writer.close()
        server.close()


async def until_cut(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection ends."""
    got = b""
    try:
        while part := await reader.read(65536):
            got += part
    except ConnectionError:
        pass
    return got


async def test_headers_that_never_end_are_cut_off() -> None:
    """Also where a byte comes now and then, and where nothing comes at all."""
    async with connected() as (reader, writer):
        trickle = asyncio.ensure_future(send_slowly(writer))
        assert await until_cut(reader) == b""
        trickle.cancel()
    async with connected() as (reader, _):
        assert await until_cut(reader) == b""


async def test_the_second_request_of_a_connection_has_its_own_time() -> None:
    """The first was whole; the second's headers do not end."""
    async with connected() as (reader, writer):
        writer.write(HEAD + b"\r\n1234")
        await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.write(b"POST /")
        assert await until_cut(reader) == b""


async def test_a_body_is_cut_off_also_after_its_answer() -> None:
    """An answer before the end of the body does not give the sender all the time of the world."""
    async with connected() as (reader, writer):
        writer.write(HEAD + b"\r\n1")
        assert (await until_cut(reader)).endswith(b"\r\n0\r\n\r\n")


async def test_a_reader_who_takes_nothing_is_cut_off() -> None:
    """The answer is not kept for ever: what comes later is not its end."""
    async with connected() as (reader, writer):
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(1.0)
        transport.resume_reading()
        assert not (await until_cut(reader)).endswith(b"\r\n0\r\n\r\n")


async def test_a_quick_sender_is_not_cut_off() -> None:
    """After its answer a connection may rest for longer than headers may take."""
    async with connected() as (reader, writer):
        for _ in range(2):
            writer.write(HEAD + b"\r\n1234")
            await reader.readuntil(b"\r\n0\r\n\r\n")
            await asyncio.sleep(0.5)


async def send_slowly(writer: asyncio.StreamWriter) -> None:
    """Send a byte of a header now and then."""
    writer.write(HEAD + b"X-Slow: ")
    while True:
        writer.write(b"a")
        await asyncio.sleep(0.05)
