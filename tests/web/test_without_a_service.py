"""A gateway whose service does not answer."""

from __future__ import annotations

import socket

from tests.cli.command import matcher
from tests.web.gateway import open_gateway


async def test_a_service_that_is_down_is_answered_503() -> None:
    """The body is a status, too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
    async with open_gateway(target) as gateway:
        got = await gateway.ask("GET", "/v1/sites")
        assert (got.code, got.json) == (503, {"code": 14, "message": "the service does not answer"})


async def test_a_call_ends_at_its_deadline() -> None:
    """A service that takes the connection and says nothing: 504 when the caller's time is over."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with open_gateway(f"127.0.0.1:{mute.getsockname()[1]}") as gateway:
            got = await gateway.ask("GET", "/v1/sites", headers={"grpc-timeout": "200m"})
            assert (got.code, got.json["code"]) == (504, 4)


async def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    """The address is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = await matcher("web", "--port", str(port))
    assert result.code == 1
    assert f"127.0.0.1:{port} cannot be listened on" in result.err
