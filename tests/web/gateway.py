"""The HTTP gateway as a process of its own, and requests to it as curl and a browser send them."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

SECONDS = 120.0
GOAWAY = re.compile(r"I\d{4} \S+ +\d+ chttp2_transport\.cc:\d+\] \S+ Got goaway")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    code: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def reason(self) -> str:
        """The reason of a google.rpc.Status; fails where the body is none."""
        (info,) = [one for one in self.json["details"] if one["@type"].endswith("google.rpc.ErrorInfo")]
        return str(info["reason"])

    @property
    def wrong(self) -> dict[str, str]:
        """What is wrong with each field."""
        (bad,) = [one for one in self.json["details"] if one["@type"].endswith("google.rpc.BadRequest")]
        return {one["field"]: one["description"] for one in bad["fieldViolations"]}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves."""

    port: int

    async def ask(self, verb: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request, with a JSON body or the bytes given, and read the whole answer."""

        def send() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
            given = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            said = {"content-type": "application/json"} if given is not None else {}
            connection.request(verb, path, given, said | dict(headers or {}))
            got = connection.getresponse()
            answer = Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read().decode())
            connection.close()
            return answer

        return await asyncio.to_thread(send)

    @asynccontextmanager
    async def stream(self, path: str, last_event: str = "") -> AsyncIterator[AsyncIterator[dict[str, str]]]:
        """Open a stream as an EventSource does; yields its events, without the comments."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        last = f"Last-Event-ID: {last_event}\r\n" if last_event else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{last}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200"), head
        assert "content-type: text/event-stream" in head
        try:
            yield _events(reader)
        finally:
            writer.close()


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async with asyncio.timeout(SECONDS):
        while size := int((await reader.readline()) or b"0", 16):
            chunk = (await reader.readexactly(size + 2))[:-2].decode()
            for line in chunk.split("\n"):
                name, _, value = line.partition(": ")
                if not line and "data" in event:
                    yield event
                    event = {}
                elif name and line:
                    event[name] = value
                else:
                    event = {}


@asynccontextmanager
async def open_gateway(target: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Gateway]:
    """Run `matcher web` during the block; it must stop in order, and write nothing to stderr.

    But for gRPC's own note that a service which stops has ended the connection: it comes where a call was just sent.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "matcher.cli", "web", "--server", target, "--port", "0", "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=inherited | dict(environment or {}),
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            address = json.loads(await process.stdout.readline())["address"]
        yield Gateway(int(address.rpartition(":")[2]))
        process.terminate()
        async with asyncio.timeout(SECONDS):
            _, errors = await process.communicate()
        written = [line for line in errors.decode().splitlines() if not GOAWAY.match(line)]
        assert not written, written
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
