"""The lines of docs/web.md, as they stand there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.processes import Server
from tests.web.gateway import SECONDS, Gateway

ROOT = Path(__file__).parents[2]


async def test_three_lines_lead_from_nothing_to_a_routed_message(service: Server, gateway: Gateway) -> None:
    """Run by a shell, on a new site; the stream of the last line begins with the offer."""
    lines = await lines_of("docs/web.md", service, gateway)
    assert len(lines) == 3
    agent, routed = [json.loads(await printed(line)) for line in lines[:2]]
    assert agent["displayName"] == routed["candidate"]["displayName"] == "Fiona"
    assert "CAUSE_OFFERED" in await first_event(lines[2])


async def test_the_lines_of_the_readme_route_watch_and_end_a_contact(service: Server, gateway: Gateway) -> None:
    """The third line goes on to print what happens while the fourth ends the contact, and then it ends by itself."""
    first, second, third, fourth = await lines_of("README.md", service, gateway)
    await printed(first)
    routed = json.loads(await printed(second))
    assert (routed["candidate"]["displayName"], routed["reservation"]["state"]) == ("Fiona", "ACCEPTED")
    watching = asyncio.ensure_future(printed(third))
    assert json.loads(await printed(fourth))["state"] == "CONTACT_CANCELED"
    seen = await watching
    assert "CONTACT_ASSIGNED" in seen
    assert seen.endswith("event: end\ndata: {}\n\n")


async def lines_of(name: str, service: Server, gateway: Gateway) -> list[str]:
    """Return the lines of a document's first block for bash, for a new site behind this gateway."""
    block = (ROOT / name).read_text("utf-8").partition("```bash\n")[2].partition("```")[0]
    site = await service.site()
    block = block.replace("localhost:8080", f"127.0.0.1:{gateway.port}").replace("sites/default", f"sites/{site}")
    return block.splitlines()


async def printed(line: str) -> str:
    """Return what a line of a shell prints."""
    process = await asyncio.create_subprocess_shell(
        line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    return out.decode()


async def first_event(line: str) -> str:
    """Return the first line of data that a line of a shell prints, and end it."""
    process = await asyncio.create_subprocess_shell(
        f"exec {line}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        while not (got := await process.stdout.readline()).startswith(b"data:"):
            assert got
        process.kill()
        await process.communicate()
    return got.decode()
