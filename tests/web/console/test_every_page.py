"""Every page of the registry, tried in Chromium: hostile names, no script, no rights, a narrow window, no people."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from matcher.web.console.registry import PAGES
from tests.processes import Server
from tests.web.console.seen import fits, seen
from tests.web.gateway import Gateway

PATHS = [page.path for page in PAGES]


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_good_to_see_and_fits_a_telephone(page: Page, demo: str, path: str) -> None:
    """With the demo's people: one heading, axe content in light and dark, nothing wider than 360 pixels."""
    answer = await page.goto(f"/console/sites/{demo}/{path}")
    assert answer is not None
    assert answer.status == 200
    assert await page.locator("h1").count() == 1
    assert await page.locator("nav [aria-current=page]").count() == 1
    await seen(page)
    await fits(page)


@pytest.mark.parametrize("path", PATHS)
async def test_hostile_names_are_text(page: Page, hostile: str, path: str) -> None:
    """Names that are markup, templates or reversed stay text: no script of theirs runs, and the page fits."""
    await page.goto(f"/console/sites/{hostile}/{path}")
    assert "taken" not in await page.title()
    assert "49" not in await page.locator("h1").inner_text()
    assert await page.locator("main img[src=x]").count() == 0
    await seen(page)
    await fits(page)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_without_people_says_what_to_do(page: Page, service: Server, path: str) -> None:
    """A new site is no error: the page is there, and is good to see."""
    site = await service.site()
    answer = await page.goto(f"/console/sites/{site}/{path}")
    assert answer is not None
    assert answer.status == 200
    await seen(page)


async def test_without_scripts_each_page_is_a_page(browser: Browser, console: Gateway, demo: str) -> None:
    """A browser that runs no script gets what there is now, and the whole navigation."""
    context = await browser.new_context(base_url=f"http://localhost:{console.port}", java_script_enabled=False)
    page = await context.new_page()
    for path in PATHS:
        await page.goto(f"/console/sites/{demo}/{path}")
        assert await page.locator("h1").count() == 1
        assert await page.locator("nav a").count() == len(PAGES)
    await context.close()


async def test_the_keyboard_alone_reaches_the_pages(page: Page, demo: str) -> None:
    """The first Tab offers to skip the navigation; each link of it shows where the focus is."""
    await page.goto(f"/console/sites/{demo}/{PATHS[0]}")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the page"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"


async def test_a_site_that_is_not_there_is_said(page: Page) -> None:
    """A wrong site gets a page with the reason and what to do."""
    answer = await page.goto(f"/console/sites/nowhere/{PATHS[0]}")
    assert answer is not None
    assert answer.status == 404
    assert "SITE_NOT_FOUND" in await page.inner_text("main")
    assert "Choose another site" in await page.inner_text("main")
    await seen(page)
