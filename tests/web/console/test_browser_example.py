"""The example of a page with an EventSource, served as it says."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from playwright.async_api import Browser, expect

from matcher.v1 import roster_pb2
from tests.processes import Server

EXAMPLE = Path(__file__).parents[3] / "examples" / "browser"
MILLISECONDS = 60_000.0


async def test_a_page_shows_what_happens_to_a_message(service: Server, browser: Browser) -> None:
    """A message that is typed is routed, and its offer appears; a contact of another caller appears as well."""
    site = await service.site()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLE / "serve.py"), service.target, port)
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(MILLISECONDS)
    expect.set_options(timeout=MILLISECONDS)
    try:
        async with service.client(site) as client, asyncio.timeout(2 * MILLISECONDS / 1000):
            await client.create_agent(
                "bea", roster_pb2.Agent(display_name="Bea", interests=["I keep bees."], status=roster_pb2.ONLINE)
            )
            while await asyncio.to_thread(refused, int(port)):  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.1)
            await page.goto(f"http://127.0.0.1:{port}/watch/?site={site}")
            await expect(page.get_by_role("status")).to_have_text(f"watching {site}")
            await page.get_by_role("button", name="Route").click()
            await expect(page.get_by_role("status")).to_have_text("Bea")
            await expect(page.get_by_role("listitem").first).to_contain_text("CAUSE_OFFERED")
            await client.route("A hive for sale?", contact_id="<b>c-1", wait=True)
            await expect(page.get_by_role("listitem").first).to_contain_text("<b>c-1: CAUSE_")
    finally:
        await page.context.close()
        process.kill()
        await process.wait()


def refused(port: int) -> bool:
    """Return whether nothing listens at a port yet."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0
