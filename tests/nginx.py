"""A real nginx in front of a gRPC server, as an operator sets it up: `grpc_pass`, and defaults otherwise."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

CONFIG = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen {address} http2;
    location / {{
      grpc_pass grpc://{target};
      {settings}
    }}
  }}
}}
"""
START_SECONDS = 30.0


@asynccontextmanager
async def nginx(target: str, folder: Path, settings: str = "") -> AsyncIterator[str]:
    """Run nginx in front of a server during the block; yield its address. settings: directives of the location."""
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert binary is not None, "nginx is missing: `apt-get install nginx`"
    address = f"127.0.0.1:{_free_port()}"
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(address=address, target=target, settings=settings), "utf-8")
    command = (binary, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    try:
        await _answers(address, process)
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _answers(address: str, process: asyncio.subprocess.Process) -> None:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert process.returncode is None, "nginx has ended"
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
