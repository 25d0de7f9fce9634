"""The page Live in Chromium: offers come and go by themselves, also after the service was away."""

from __future__ import annotations

import re

from playwright.async_api import Browser, Page, expect

from matcher.v1.roster_pb2 import AWAY, ONLINE, Agent, Capacity, ChannelCapacity
from tests.conftest import StartServer
from tests.processes import Server
from tests.tcp_proxy import TcpProxy
from tests.web.console.seen import seen
from tests.web.gateway import Gateway, open_gateway

MILLISECONDS = 60_000
ONE_CHAT = Capacity(total=1, channels=[ChannelCapacity(channel="chat", cost=1)])


async def test_an_offer_comes_and_goes_before_the_supervisors_eyes(page: Page, service: Server) -> None:
    """Fiona is free, is offered a contact, declines with a reason, goes away: the page says each without a reload."""
    site = await service.site()
    async with service.client(site) as client:
        await client.create_agent(
            "fiona", Agent(display_name="Fiona", interests=["horses"], status=ONLINE, capacity=ONE_CHAT)
        )
        await page.goto(f"/console/sites/{site}/live")
        fiona = page.locator(".t", has_text="Fiona")
        await expect(fiona).to_have_class(re.compile("free"), timeout=MILLISECONDS)
        await expect(page.locator(".free-for")).to_have_text("Free now for chat: 1")
        routed = await client.route("My horse limps", contact_id="c-1", wait=True)
        await expect(fiona).to_have_class(re.compile("offered"), timeout=MILLISECONDS)
        await client.decline(routed.reservation.name, reason="at lunch")
        refusals = page.locator("#live-refusals")
        await expect(refusals).to_contain_text("Fiona declined c-1: “at lunch”", timeout=MILLISECONDS)
        await client.set_agent_status("fiona", AWAY)
        await expect(page.locator(".why")).to_contain_text("Nobody is online: 1 away", timeout=MILLISECONDS)
        await expect(page.locator("#live-top")).to_contain_text("1 waiting")
        await seen(page)


async def test_the_page_survives_a_restart_of_the_service(browser: Browser, launch: StartServer) -> None:
    """While the service is away the page says so; when it is back the page goes on, without a reload."""
    server = await launch({})
    async with open_gateway(server.target) as gateway:
        page = await (await browser.new_context(base_url=f"http://localhost:{gateway.port}")).new_page()
        await page.goto("/console/sites/default/live")
        await expect(page.locator("#live-top")).to_contain_text("There is nobody here yet", timeout=MILLISECONDS)
        await server.stop()
        await expect(page.locator("#live-link")).to_contain_text("The service is away", timeout=MILLISECONDS)
        again = await launch({"MATCHER_LISTEN": server.target})
        await expect(page.locator("#live-link")).to_have_text(re.compile(r"^\s*$"), timeout=MILLISECONDS)
        async with again.client() as client:
            await client.create_agent("ben", Agent(display_name="Ben", interests=["boats"], status=ONLINE))
        await expect(page.locator(".t", has_text="Ben")).to_be_visible(timeout=MILLISECONDS)
        await page.context.close()


async def test_a_network_that_was_cut_is_no_harm(browser: Browser, console: Gateway, service: Server) -> None:
    """While nothing gets through, the page says that the connection is lost; then it goes on with what has happened."""
    site = await service.site()
    async with (
        service.client(site) as client,
        TcpProxy(f"127.0.0.1:{console.port}") as network,
    ):
        await client.create_agent("fiona", Agent(display_name="Fiona", interests=["horses"], status=ONLINE))
        page = await (await browser.new_context(base_url=f"http://{network.address}")).new_page()
        await page.goto(f"/console/sites/{site}/live")
        await expect(page.locator(".t")).to_have_count(1, timeout=MILLISECONDS)
        network.refusing = True
        await network.cut()
        await expect(page.locator("#lost")).to_be_visible(timeout=MILLISECONDS)
        await client.create_agent("ben", Agent(display_name="Ben", interests=["boats"], status=ONLINE))
        network.refusing = False
        await expect(page.locator("#lost")).to_be_hidden(timeout=MILLISECONDS)
        await expect(page.locator(".t")).to_have_count(2, timeout=MILLISECONDS)
        await page.context.close()


async def test_the_page_comes_back_by_itself_where_the_service_was_away_at_first(browser: Browser) -> None:
    """Without a service a page says what is wrong and tries again; nothing is left of a stack trace."""
    async with open_gateway("127.0.0.1:9") as gateway:
        page = await (await browser.new_context(base_url=f"http://localhost:{gateway.port}")).new_page()
        answer = await page.goto("/console")
        assert answer is not None
        assert answer.status == 503
        assert await page.locator("[data-again]").count() == 1
        assert "The service is away" in await page.inner_text("h1")
        await seen(page)
        await page.context.close()
