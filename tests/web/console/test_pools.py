"""The page Pools, as people use it: why nobody answers, a change tried before it is saved, and two editors."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from matcher.v1.roster_pb2 import AWAY, ONLINE, Agent, Pool
from tests.processes import Server
from tests.web.console.seen import fits, seen
from tests.web.gateway import Gateway


async def test_why_nobody_answers_is_told_at_once(page: Page, service: Server) -> None:
    """From the list: the pool, its members, the contact that waits, and what keeps agents from it."""
    site = await service.site()
    async with service.client(site) as client:
        await client.create_pool("night", Pool(display_name="Night"))
        pools = [f"{client.parent}/pools/night"]
        await client.create_agent("bea", Agent(display_name="Bea", interests=["bees"], status=AWAY, pools=pools))
        await client.create_agent("tim", Agent(display_name="Tim", interests=["tea"], pools=pools))
        await client.route("hello", pool="night", contact_id="c-1", wait=True, required_skills={"law": 50})
    await page.goto(f"/console/sites/{site}/pools")
    await expect(page.locator("main")).to_contain_text("Nobody can take a contact now: of 2 agents 1 away, 1 offline.")
    await page.get_by_role("link", name="Night").click()
    row = page.get_by_role("row", name="c-1")
    await expect(row).to_contain_text("the skill law at 50")
    await expect(row).to_contain_text("2 without a required skill")
    await expect(page.get_by_role("row", name="Bea")).to_contain_text("away")
    await seen(page)
    await fits(page)


async def test_a_change_is_tried_on_recorded_decisions_before_it_is_saved(page: Page, service: Server) -> None:
    """By the keyboard: the new floor, what it would have done, then the save; wrong values are told at the field."""
    site = await service.site()
    async with service.client(site) as client:
        for number in range(3):
            agent = Agent(display_name=f"Bea {number}", interests=["I keep honey bees."], status=ONLINE)
            await client.create_agent(f"bea-{number}", agent)
            routed = await client.route("My honey bees have swarmed.", contact_id=f"c-{number}", auto_accept=True)
            if not number:
                await client.complete(routed.reservation.name.rpartition("/")[2])  # its record is still kept
        await page.goto(f"/console/sites/{site}/pools?pool=default")
        await page.get_by_label("Floor").fill("2")
        await page.get_by_label("Wait", exact=True).fill("8 d")
        await page.keyboard.press("Enter")
        await expect(page.locator("[id='f-affinity_floor'] .wrong")).to_have_text("must be 0 to 1")
        await expect(page.locator("[id='f-wait_duration'] .wrong")).to_contain_text("must be 1 s to")
        await seen(page)
        await page.get_by_label("Wait", exact=True).fill("1 h")
        await page.get_by_label("Floor").fill("0.98")
        await page.keyboard.press("Enter")
        await expect(page.locator(".changed")).to_contain_text("0.98")
        await page.get_by_label("Floor").fill("0.99")
        await page.keyboard.press("Enter")  # shows again what would change: only the button saves
        await expect(page.locator(".changed")).to_contain_text("0.99")
        await expect(page.locator(".changed")).to_contain_text("3 of the newest 3 decisions would have gone otherwise.")
        assert not (await client.pool("default")).HasField("affinity_floor")
        await seen(page)
        await fits(page)
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator("p[role=status]")).to_have_text("The policy is saved.")
        assert (await client.pool("default")).affinity_floor == 0.99


async def test_two_editors_see_both_values(browser: Browser, console: Gateway, service: Server) -> None:
    """Without scripts: the second editor sees what the first saved, and saves only what the second changed."""
    site = await service.site()
    context = await browser.new_context(base_url=f"http://localhost:{console.port}", java_script_enabled=False)
    context.set_default_timeout(60_000)
    page = await context.new_page()
    async with service.client(site) as client:
        await page.goto(f"/console/sites/{site}/pools?pool=default")
        await page.get_by_label("Missed offers").fill("7")
        await page.get_by_role("button", name="Show what would change").click()
        await client.update_pool(
            Pool(name="default", max_missed=5, affinity_floor=0.4), ["max_missed", "affinity_floor"]
        )
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator("#would")).to_have_text("Somebody else has changed this pool meanwhile")
        row = page.locator(".changed tr", has_text="Missed offers")
        await expect(row).to_contain_text("you both changed this")
        assert [await cell.inner_text() for cell in await row.locator("td").all()][:2] == ["3", "7"]
        assert (await client.pool("default")).max_missed == 5
        await page.get_by_role("button", name="Save mine on top of theirs").click()
        await expect(page.locator("p[role=status]")).to_have_text("The policy is saved.")
        saved = await client.pool("default")
        assert (saved.max_missed, saved.affinity_floor) == (7, 0.4)
    await context.close()
