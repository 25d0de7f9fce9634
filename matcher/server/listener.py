"""Listener of the service: binds the port, with or without TLS."""

from __future__ import annotations

import errno
import socket

import grpc

from matcher.config import Settings
from matcher.errors import SettingsWrong
from matcher.server.certificates import certificates_of


def bind(server: grpc.aio.Server, settings: Settings) -> str:
    """Bind a server to its port, with TLS if certificates are set; return the address. Raises SettingsWrong."""
    host = settings.listen.rpartition(":")[0]
    check_port(settings)
    certificates = certificates_of(settings)
    try:
        if certificates is not None:
            port = server.add_secure_port(settings.listen, certificates.credentials())
        else:
            port = server.add_insecure_port(settings.listen)
    except (OSError, RuntimeError) as fault:
        raise SettingsWrong(f"cannot listen on {settings.listen}: is another service there?") from fault
    return f"{host}:{port}"


def check_port(settings: Settings) -> None:
    """Raise SettingsWrong where another service has the port: before a store is started that nobody would use."""
    if not settings.reuse_port:
        _try_port(settings.listen)


def _try_port(listen: str) -> None:
    """Check that the port is free, before gRPC does and logs a line of its own. Raises SettingsWrong."""
    host, _, port = listen.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as fault:
        why = "another service is there" if fault.errno == errno.EADDRINUSE else fault.strerror
        raise SettingsWrong(f"cannot listen on {listen}: {why}") from fault
