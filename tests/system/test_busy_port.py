"""The start of a server on a port that another process uses."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from pathlib import Path

from tests.processes import ROOT, server_environment


async def test_a_port_in_use_is_reported_in_one_line() -> None:
    """The start ends with exit code 1 and one line of the service, without a line of gRPC."""
    with socket.socket() as taken, tempfile.TemporaryDirectory(prefix="m-") as folder:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = {"MATCHER_LISTEN": listen, "MATCHER_LOG_LEVEL": "error"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "server.py")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=server_environment(Path(folder), settings),
        )
        out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert err.decode() == f"matcher: cannot listen on {listen}: another service is there\n"
