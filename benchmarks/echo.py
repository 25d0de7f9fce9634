"""A bare grpc.aio server that returns each request: the lowest possible cost of a call on this machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc

from benchmarks.sizes import ROOT

METHOD: Final = "/benchmarks.Echo/Echo"


@dataclass(frozen=True, slots=True)
class Echo:
    """A running echo server."""

    target: str
    pid: int


Answer = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]


async def serve(answers: Mapping[str, Answer]) -> None:
    """Print the port and serve methods of benchmarks.Echo, by their names, until stdin ends."""
    server = grpc.aio.server()
    handlers: Any = {name: grpc.unary_unary_rpc_method_handler(answer) for name, answer in answers.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmarks.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


async def _echo(request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return request


@asynccontextmanager
async def echo_server(module: str = "benchmarks.echo", *arguments: str) -> AsyncIterator[Echo]:
    """Run the echo server, or another module that calls `serve`, as a process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield Echo(f"127.0.0.1:{port}", process.pid)
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve({"Echo": _echo}))
