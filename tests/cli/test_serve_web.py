"""`matcher serve --web`: the gateway beside the service, as `make serve` runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from matcher.cli.gateway_beside import GatewayBeside
from tests.cli.command import matcher
from tests.processes import START_SECONDS, STOP_SECONDS, Server, server_environment


async def test_ctrl_c_ends_the_service_and_its_gateway(folder: Path) -> None:
    """Both say where they are; the gateway calls the service; one signal to the terminal's processes ends both."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "matcher.cli", "serve", "--web", "127.0.0.1:0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=server_environment(folder, {}) | {"COLUMNS": "240"},
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            lines = sorted([(await process.stdout.readline()).decode() for _ in range(2)])
        link = lines[0].split()[4].rstrip(",")
        assert lines[0].startswith("HTTP and JSON on http://127.0.0.1:")
        assert lines[1].startswith("serving on ")
        assert "sites/default" in await asyncio.to_thread(read, f"{link}/v1/sites")
        os.killpg(process.pid, signal.SIGINT)
        async with asyncio.timeout(STOP_SECONDS):
            assert await process.stdout.read() == b""  # at its end: neither of them holds it any more
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def test_a_port_that_is_taken_is_said_and_the_service_goes_on(
    service: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """The gateway ends with a line; the process that started it does not."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        gateway = GatewayBeside("127.0.0.1", number)
        gateway.begin(service.target)
        assert gateway.process is not None
        assert await asyncio.to_thread(gateway.process.wait) == 1
        gateway.end()
    said = " ".join(capfd.readouterr().err.split())
    assert said == (
        f"error: 127.0.0.1:{number} cannot be listened on: Address already in use; the service goes on without HTTP"
    )


async def test_a_gateway_ends_with_the_process_that_started_it(
    service: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """The pipe to the gateway is closed by the kernel, also where that process was killed."""
    gateway, said = GatewayBeside("127.0.0.1", 0), ""
    gateway.begin(service.target)
    async with asyncio.timeout(START_SECONDS):
        while "HTTP and JSON on" not in said:
            said += capfd.readouterr().out
            await asyncio.sleep(0.05)
    await asyncio.to_thread(gateway.end)
    assert gateway.process is not None
    assert gateway.process.returncode == 0


async def test_an_address_of_another_form_is_refused_before_the_service_starts() -> None:
    """The option is named."""
    result = await matcher("serve", "--web", "8080")
    assert (result.code, result.err) == (1, "error: --web 8080: is not of the form HOST:PORT\n")


def read(address: str) -> str:
    """Return what is at an address."""
    with urllib.request.urlopen(address) as answer:
        return str(answer.read().decode())
