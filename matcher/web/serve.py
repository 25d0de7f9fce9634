"""The process of the HTTP gateway: uvicorn with the application, until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Final

import uvicorn

from matcher.web.app import LOOPBACK, application
from matcher.web.calls import Service
from matcher.web.stopping import EndStreams, Streams
from matcher.web.timed_protocol import IDLE_SECONDS, TimedProtocol

CONNECTIONS: Final = 2_000
"""At once, streams among them; more are answered 503."""
STOP_SECONDS: Final = 5
"""How long calls in flight may go on when the process is told to stop; streams end at once."""


class _Server(uvicorn.Server):
    """Ends the streams first: uvicorn waits for every connection."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._streams.stop()
        await super().shutdown(sockets)


async def serve(
    service: Service, host: str, port: int, ready: Callable[[str], None], until_end_of: int | None = None
) -> None:
    """Serve until a signal says stop; `ready` is called with the address, once it is taken. Raises OSError.

    until_end_of: a file descriptor whose end means stop, too.
    """
    listener = listen(host, port)
    streams = Streams()
    config = uvicorn.Config(
        EndStreams(application(service, LOOPBACK if is_loopback(host) else frozenset()), streams),
        http=TimedProtocol,
        ws="none",
        access_log=False,  # paths hold ids of customers and contacts
        log_level="error",  # a warning for each wrong request would let its sender fill the log
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    taken, number = listener.getsockname()[:2]
    ready(f"http://{f'[{taken}]' if ':' in taken else taken}:{number}")
    server = _Server(config, streams)
    if until_end_of is not None:
        _at_end_of(until_end_of, server)
    with listener:
        await server.serve(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError.

    Its protocol is named: asyncio sets TCP_NODELAY only where it is, and without that an answer takes 40 ms more.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    return listener


def _at_end_of(file: int, server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(file, 1024):
            loop.remove_reader(file)
            server.should_exit = True

    loop.add_reader(file, read)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
