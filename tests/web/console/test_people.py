"""The page People, as people use it: they find somebody, edit, meet another editor, and try an interest."""

from __future__ import annotations

from playwright.async_api import Page

from matcher.v1 import roster_pb2 as pb
from tests.people import hire, person
from tests.processes import Server
from tests.web.console.seen import fits, seen

PEOPLE = "people"


async def test_somebody_who_knows_horses_is_found_by_meaning(page: Page, demo: str) -> None:
    """No agent of the demo is called so; the answer shows the interest that the words met."""
    await page.goto(f"/console/sites/{demo}/people")
    assert await page.locator(".people li").count() == 50
    await page.click("text=Next page")
    assert await page.locator(".people li").count() == 10
    await page.fill("input[name=q]", "someone who bakes bread")
    await page.click("text=Find by name")
    assert "Nobody has this name" in await page.inner_text("main")
    await page.click("text=Find by meaning")
    await page.wait_for_selector(".people q")
    assert "bake" in await page.locator(".people q").first.inner_text()
    await page.fill("input[name=q]", "LINDQVIST")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("text=Maya Lindqvist")
    assert await page.locator(".people li").count() == 1
    await page.click("text=Maya Lindqvist")
    assert "topographic maps" in await page.inner_text("main")
    await seen(page)
    await fits(page)


async def test_two_editors_are_warned_of_each_other_and_merge(page: Page, service: Server) -> None:
    """The second sees what the first changed, put together with the own change, and saves both."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"ann": person("playing chess", "old maps", display_name="Ann")})
        await page.goto(f"/console/sites/{site}/people/person/ann/edit")
        await client.update_agent(
            pb.Agent(name=client.name("agents", "ann"), display_name="Ann Lee", interests=["playing chess"]),
            ["display_name", "interests"],
        )
        await page.fill("#interests", "playing chess\nold maps\nkeeping bees")
        await page.click("button.main")
        await page.wait_for_selector("[role=alert]")
        said = await page.inner_text("[role=alert]")
        assert "Ann Lee" in said
        assert "old maps" in said
        assert await page.input_value("#interests") == "playing chess\nkeeping bees"
        await seen(page)
        await page.click("button.main")
        await page.wait_for_url("**/person/ann")
        agent = await client.agent("ann")
    assert (agent.display_name, list(agent.interests)) == ("Ann Lee", ["playing chess", "keeping bees"])


async def test_a_person_is_added_and_the_service_judges_each_field(page: Page, service: Server) -> None:
    """What is wrong stands at the field; mended, the person is there, and gets a status."""
    site = await service.site()
    await page.goto(f"/console/sites/{site}/people/new")
    await page.fill("#agent_id", "José")
    await page.fill("#display_name", "José")
    await page.fill("#interests", "restoring wooden boats\nrestoring wooden boats")
    await page.click("button.main")
    await page.wait_for_selector("[role=alert]")
    assert "line 2" in await page.inner_text("#interests-says")
    assert await page.get_attribute("#agent_id", "aria-invalid") == "true"
    await seen(page)
    await page.fill("#agent_id", "jose")
    await page.fill("#interests", "restoring wooden boats")
    await page.click("button.main")
    await page.wait_for_url("**/person/jose")
    await page.select_option("#status", "AWAY")
    await page.fill("#reason", "lunch <b>until</b> two")
    await page.click("text=Set")
    await page.wait_for_selector(".heading .badge:has-text('away: lunch <b>until</b> two')")


async def test_an_interest_is_tried_at_once_and_nothing_is_saved(page: Page, service: Server) -> None:
    """What says nothing is refused a meeting; what others share is shown with their words."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(
            client, {"ann": person("playing chess"), "bob": person("baking sourdough bread", display_name="Bob")}
        )
        await page.goto(f"/console/sites/{site}/people/person/ann")
        await page.fill("#interest", "I bake bread from sourdough")
        await page.click("main button:has-text('Try it')")
        await page.wait_for_selector(".tried")
        assert "Bob" in await page.inner_text(".tried")
        await page.fill("#interest", "x" * 600)
        await page.click("main button:has-text('Try it')")
        await page.wait_for_selector(".tried:has-text('would not take it')")
        await seen(page)
        assert list((await client.agent("ann")).interests) == ["playing chess"]
