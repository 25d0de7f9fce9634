"""The page Try it, as a person uses it: a message, its words, its agents, and the sliders."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from matcher.v1.roster_pb2 import ONLINE, Agent
from tests.processes import Server
from tests.web.console.seen import fits, seen
from tests.web.gateway import Gateway

TEXT = (
    "Hello! My horse will not eat since Tuesday.\nThe parcel 4711-22-9310 is late.\n\n"
    "On 3 June 2025 at 10:12, Anna wrote:\n> we shipped it"
)
HOSTILE = "<script>document.title='taken'</script> My horse \u202ewill not eat. " + "x" * 3_000


async def test_a_message_is_shown_as_it_was_cut_and_who_would_get_it(page: Page, demo: str, service: Server) -> None:
    """Words that met an interest have its colour, what was set aside says why; nobody is held."""
    await page.goto(f"/console/sites/{demo}/try")
    await page.get_by_label("The message").fill(TEXT)
    await page.get_by_role("button", name="Try it").click()
    first = page.locator(".candidates li.first").first
    await expect(first).to_contain_text("Sofia Brandt")
    await expect(first).to_contain_text("Icelandic horse")
    await expect(page.locator(".marked mark").first).to_contain_text("My horse will not eat")
    for why in ("small talk", "a number", "a quoted message"):
        await expect(page.locator(".marked")).to_contain_text(f"({why})")
    await expect(page.locator(".excluded")).to_contain_text("not online")
    await seen(page)
    await fits(page)
    async with service.client(demo) as client:
        assert [held async for held in client.reservations()] == []


async def test_a_slider_shows_what_would_change_and_the_pool_stays(page: Page, demo: str, service: Server) -> None:
    """By the keyboard alone: the floor to its end, and the message falls back; the pool has the floor that it had."""
    async with service.client(demo) as client:
        before = await client.pool("default")
    await page.goto(f"/console/sites/{demo}/try")
    await page.get_by_label("The message").fill(TEXT)
    await page.get_by_label("Floor").focus()
    await page.keyboard.press("End")
    await expect(page.locator(".changed")).to_contain_text("would fall back to the least utilized agent")
    await expect(page.locator(".changed")).to_contain_text("floor 1.000")
    await page.get_by_label("Floor").focus()
    await page.keyboard.press("Home")
    await expect(page.locator(".changed")).to_contain_text("Nothing changes for this message")
    async with service.client(demo) as client:
        assert await client.pool("default") == before


async def test_it_works_without_scripts_and_with_hostile_words(
    browser: Browser, console: Gateway, service: Server
) -> None:
    """A form that is sent is answered with the whole page; markup of customer and agent is text, and the page fits."""
    site = await service.site()
    async with service.client(site) as client:
        agent = Agent(display_name="<b>Bo</b> \u202e", interests=["<i>horses</i> and riding"], status=ONLINE)
        await client.create_agent("bo", agent)
    context = await browser.new_context(base_url=f"http://localhost:{console.port}", java_script_enabled=False)
    context.set_default_timeout(60_000)
    page = await context.new_page()
    await page.goto(f"/console/sites/{site}/try")
    await page.locator("#text").fill(HOSTILE)
    await page.locator("button.main").click()
    await expect(page.locator(".candidates li.first")).to_contain_text("<b>Bo</b>")
    await expect(page.locator(".marked")).to_contain_text("<script>")
    assert await page.locator("#text").input_value() == HOSTILE
    assert await page.locator("main b, main i, main script").count() == 0
    await page.set_viewport_size({"width": 360, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.locator("#text").fill(" ")
    await page.locator("button.main").click()
    await expect(page.locator(".nothing")).to_contain_text("There is nothing to try yet")
    await page.locator("#text").fill("word " * 1_700)
    await page.locator("button.main").click()
    await expect(page.locator("main .refusal:not(#lost)")).to_contain_text("message.text")
    await context.close()
