"""Schemathesis against the description of the API: requests that keep to it, and requests that do not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from matcher.web.bindings import table
from tests.processes import Server
from tests.web.gateway import Gateway

pytestmark = pytest.mark.schemathesis

CONFIG = Path(__file__).parent / "schemathesis.toml"
SECONDS = 600.0


async def test_schemathesis_finds_nothing(service: Server, gateway: Gateway, folder: Path) -> None:
    """No answer is a fault of the server, or other than described, and nothing that breaks the description is taken."""
    assert service.target
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", "--max-examples", "5"),
        *("--no-shrink", "--continue-on-failure", "--warnings", "off", "--workers", "2"),
        f"http://127.0.0.1:{gateway.port}/openapi.json",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert f"Tested: {len(table().bindings)}" in said.decode(), said.decode()
