"""The page Praise in Chromium, and what an agent with the own key sees of the console."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from playwright.async_api import Browser, Page, expect

from matcher.auth.grant_text import parse_grant
from matcher.client import MatcherClient
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from matcher.v1 import feedback_pb2, roster_pb2
from tests.conftest import StartServer
from tests.people import hire, person
from tests.processes import Server, Store
from tests.web.console.people import HOSTILE
from tests.web.console.seen import fits, seen
from tests.web.gateway import open_gateway

expect.set_options(timeout=60_000)


async def praise(client: MatcherClient, contact: str, words: str) -> None:
    """Serve a contact, and pass on what its customer said of the agent."""
    answer = await client.route("My boat leaks.", contact_id=contact, auto_accept=True)
    await client.complete(answer.reservation.name)
    await client.record_outcome(contact, feedback_pb2.Outcome(source="survey"), praise=words)


async def test_praise_arrives_by_itself_and_makes_the_week_s_digest(page: Page, service: Server) -> None:
    """For the agent and for the manager; markup and reversed words stay words; nothing says what else there is."""
    site = await service.site()
    path = f"/console/sites/{site}/praise"
    async with service.client(site) as client:
        bea = person("I sail wooden boats.", most=9, display_name="Bea Lind")
        bea.manager = "dana"
        await hire(client, {"bea": bea})
        await page.goto(path)
        await page.get_by_role("link", name="dana").click()
        await expect(page.locator("main")).to_contain_text("Nothing is praised yet.")
        await seen(page)
        await page.evaluate("window.untouched = true")
        await praise(client, "c-1", "She knew\nher ropes.")
        said = page.get_by_role("region", name="The latest first").get_by_role("listitem")
        await expect(said).to_have_count(1)
        await expect(said.first).to_contain_text("of Bea Lind")
        for number, words in enumerate(HOSTILE, 2):
            await praise(client, f"c-{number}", words)
        await expect(said).to_have_count(1 + len(HOSTILE))
        assert await page.evaluate("window.untouched")
        assert await page.title() == f"Praise · {site} · Affinity Matcher"
        digest = page.get_by_label("The digest as text")
        await expect(digest).to_contain_text(f"Bea Lind ({1 + len(HOSTILE)})")
        await expect(digest).to_contain_text("- She knew her ropes.")
        await seen(page)
        await fits(page)
        await page.get_by_role("link", name="The text alone").click()
        assert "What customers praised" in await page.inner_text("body")
    await page.goto(f"{path}?agent=bea")
    await expect(page.get_by_role("heading", level=1)).to_have_text("What customers praise of bea")
    await page.goto(f"{path}?agent=bea&manager=dana")
    assert "give one of the two" in await page.inner_text("main")


async def test_an_agent_s_key_opens_the_own_desk_and_no_other(
    store: Store, launch: StartServer, browser: Browser
) -> None:
    """The navigation shows the desk and the praise; another agent's desk is refused, whatever the address."""
    connection = StoreClient(store.url)
    await connection.start()
    keys = AccessKeyService(AccessKeyStore(connection))
    admin = (await keys.create("the-admin", [parse_grant("admin"), parse_grant("platform")]))[1]
    own = (await keys.create("bea-s-desk", [parse_grant("agent@default:bea")]))[1]
    await connection.close()
    server = await launch({"MATCHER_STORE_URL": store.url, "MATCHER_AUTH": "keys"})
    async with (
        MatcherClient(server.target, site="default", token=admin) as client,
        open_gateway(server.target) as gateway,
    ):
        await hire(client, {name: person("I keep bees.", display_name=name) for name in ("bea", "tom")})
        pool = roster_pb2.Pool(name="default", offer_duration=Duration(seconds=600))
        await client.update_pool(pool, ("offer_duration",))
        await client.route("My bees have swarmed.", excluded_agents=["tom"])
        context = await browser.new_context(base_url=f"http://localhost:{gateway.port}")
        page = await context.new_page()
        await page.goto("/console/sites/default/desk/bea")
        await page.fill("#credential", own)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Desk of bea")
        pages = await page.locator("nav li").all_inner_texts()
        assert {"Desk", "Praise"} <= set(pages)
        assert not {"Live", "Impact", "Coverage"} & set(pages)
        await page.get_by_role("button", name="Online").click()
        await page.get_by_role("button", name="Accept").click()
        await expect(page.get_by_role("article", name="You are talking")).to_be_visible()
        await page.goto("/console/sites/default/praise?agent=bea")
        await expect(page.locator("main")).to_contain_text("Nothing is praised yet.")
        for path in ("desk/tom", "praise?agent=tom"):
            answer = await page.goto(f"/console/sites/default/{path}")
            assert answer is not None
            assert answer.status in {403, 404}
        await context.close()
        for name in ("bea", "tom"):
            await client.delete_agent(name, force=True)
