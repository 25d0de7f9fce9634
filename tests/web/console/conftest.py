"""The console as people use it: a service with the demo roster, `matcher web` before it, and Debian's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.processes import Server
from tests.web.console.people import demo_site, hostile_site
from tests.web.gateway import Gateway, open_gateway

MILLISECONDS = 60_000.0
"""How long a browser waits for what must appear: long enough for a busy machine."""

expect.set_options(timeout=MILLISECONDS)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark what needs a browser: `make console` runs it."""
    for item in items:
        if {"browser", "page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("console")


@pytest.fixture(scope="session")
async def console(service: Server) -> AsyncIterator[Gateway]:
    """Give `matcher web` before the shared service, which takes everybody."""
    async with open_gateway(service.target) as gateway:
        yield gateway


@pytest.fixture(scope="session")
async def demo(service: Server) -> str:
    """Give the id of a site with the roster of the demo, 60 agents, whom no test changes."""
    return await demo_site(service)


@pytest.fixture(scope="session")
async def hostile(service: Server) -> str:
    """Give the id of a site whose agents and pools have hostile names."""
    return await hostile_site(service)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Give Chromium, one for all tests."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is missing: `apt-get install chromium`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, console: Gateway) -> AsyncIterator[Page]:
    """Give a fresh window at the console; what the page's policy refuses, and any error of a script, fails."""
    context = await browser.new_context(base_url=f"http://localhost:{console.port}")
    context.set_default_timeout(MILLISECONDS)
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield page
    await context.close()
    assert wrong == []
