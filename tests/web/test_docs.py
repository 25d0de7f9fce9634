"""The lines of docs/web.md, as they stand there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.processes import Server
from tests.web.door import SECONDS, Door

DOC = Path(__file__).parents[2] / "docs" / "web.md"


async def test_three_lines_lead_from_nothing_to_a_routed_message(service: Server, door: Door) -> None:
    """Run by a shell, on a new site; the stream of the last line begins with the offer."""
    site = await service.site()
    block = DOC.read_text("utf-8").partition("```bash\n")[2].partition("```")[0]
    lines = (
        block.replace("localhost:8080", f"127.0.0.1:{door.port}").replace("sites/default", f"sites/{site}").splitlines()
    )
    assert len(lines) == 3
    agent, routed = [json.loads(await printed(line)) for line in lines[:2]]
    assert agent["displayName"] == routed["candidate"]["displayName"] == "Fiona"
    assert "CAUSE_OFFERED" in await printed(f"{lines[2]} | grep -m 1 data:")


async def printed(line: str) -> str:
    """Return what a line of a shell prints."""
    process = await asyncio.create_subprocess_shell(
        line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    return out.decode()
