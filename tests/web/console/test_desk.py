"""The page Desk in Chromium, on the real service: what an agent sees and does through a shift."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from playwright.async_api import Browser, Page, expect

from matcher.client import MatcherClient
from matcher.model import Page as Pages
from matcher.rpc.health import Health
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import roster_pb2
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server
from tests.rpc.doubles import Doubles
from tests.tcp_proxy import TcpProxy
from tests.web.console.seen import fits, seen
from tests.web.gateway import Gateway, open_gateway

expect.set_options(timeout=60_000)
TEXT = "Good day. My bees have swarmed, and the veil you sent is torn."


@dataclass(frozen=True)
class Shift:
    """A site with one agent, who keeps bees, and her desk."""

    client: MatcherClient
    path: str

    async def offer(self, **options: object) -> pb.Reservation:
        """Route a message of a customer who keeps bees."""
        answer = await self.client.route(TEXT, **options)  # type: ignore[arg-type]
        assert answer.WhichOneof("outcome") == "reservation", answer
        return answer.reservation


@pytest.fixture
async def shift(service: Server) -> AsyncIterator[Shift]:
    """Give a shift; the pool wants a first answer, and has so much time for all that a busy machine is no reason."""
    site = await service.site()
    async with service.client(site) as client:
        long = Duration(seconds=600)
        pool = roster_pb2.Pool(name="default", offer_duration=long, first_response_duration=long, wrap_up_duration=long)
        await client.update_pool(pool, ("offer_duration", "first_response_duration", "wrap_up_duration"))
        await hire(client, {"bea": person("I keep bees.", most=3, display_name="Bea Lind")})
        yield Shift(client, f"/console/sites/{site}/desk")


async def test_an_agent_takes_a_customer_from_the_offer_to_the_wrap_up(page: Page, shift: Shift) -> None:
    """The offer comes by itself with its opener; accepted, answered, completed with a report, wrapped up."""
    await page.goto(shift.path)
    await page.get_by_label("Your id as an agent").fill("bea")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Desk of Bea Lind")
    await expect(page.locator("#desk")).to_contain_text("Nothing is offered to you now.")
    offered = await shift.offer()
    offer = page.get_by_role("article", name="A customer for you")
    await expect(offer).to_contain_text("You said I keep bees.; the words that met it stand at")
    await expect(page).to_have_title(re.compile(r"^\(1\) Desk of Bea Lind"))
    await expect(offer.locator("time[data-until]")).to_have_text(re.compile(r"^\d+:\d\d$"))
    assert "AFFINITY" not in await page.content(), "why this agent, and which arm, is no business of a desk"
    await seen(page)
    await fits(page)
    await offer.get_by_text("Show their words").click()
    await offer.get_by_label("Paste the message as it was sent").fill(TEXT)
    await offer.get_by_role("button", name="Show").click()
    await expect(offer).to_contain_text(re.compile("They wrote .*bees have swarmed.*, you said I keep bees"))
    await offer.get_by_role("button", name="Accept").click()
    talking = page.get_by_role("article", name="You are talking")
    await expect(talking).to_contain_text("to the first answer")
    await expect(talking.locator("time[data-until]")).to_have_text(re.compile(r"^\d+:\d\d$"))
    await talking.get_by_role("button", name="I have answered").click()
    await expect(talking).not_to_contain_text("to the first answer")
    await seen(page)
    await talking.get_by_label("Yes").check()
    await talking.get_by_label("The customer's rating").select_option("5")
    await talking.get_by_role("button", name="The conversation is over").click()
    wrapping = page.get_by_role("article", name="The conversation ended: wrap up")
    await expect(wrapping).to_contain_text("of the wrap-up left")
    await seen(page)
    await wrapping.get_by_role("button", name="I am done").click()
    await expect(page.locator("#desk")).to_contain_text("Nothing is offered to you now.")
    assert (await shift.client.reservation(offered.name)).state == pb.COMPLETED


async def test_two_tabs_of_a_desk_do_not_hurt_each_other(page: Page, browser: Browser, shift: Shift) -> None:
    """What is done in one tab shows in the other; what is half typed there stays; the same press twice is one."""
    await shift.offer(contact_id="first")
    await page.goto(f"{shift.path}/bea")
    second = await page.context.new_page()
    await second.goto(f"{shift.path}/bea")
    card = second.get_by_role("article").filter(has_text="first")
    await card.get_by_text("Decline", exact=True).first.click()
    await card.get_by_label("Why?").fill("not my to")
    await shift.offer(contact_id="second")
    await expect(second.get_by_role("article")).to_have_count(2)
    await expect(page.get_by_role("article")).to_have_count(2)
    assert await card.get_by_label("Why?").input_value() == "not my to"
    await card.get_by_label("Why?").fill("not my topic")
    await card.get_by_role("button", name="Decline").click()
    await expect(second.get_by_role("article")).to_have_count(1)
    await expect(page.get_by_role("article")).to_have_count(1)
    await expect(page.get_by_role("log")).to_contain_text("The offer of first was declined.")
    still = await (await browser.new_context(base_url=page.url, java_script_enabled=False)).new_page()
    await still.goto(page.url)
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("article", name="You are talking")).to_have_count(1)
    await still.get_by_role("button", name="Accept").click()
    await expect(still.get_by_role("article", name="You are talking")).to_have_count(1)
    await still.context.close()


async def test_an_offer_that_ended_elsewhere_is_said_with_the_reason(
    browser: Browser, console: Gateway, shift: Shift
) -> None:
    """Without scripts: who accepts what was withdrawn is told so, and sees the desk as it is."""
    context = await browser.new_context(base_url=f"http://localhost:{console.port}", java_script_enabled=False)
    page = await context.new_page()
    offered = await shift.offer()
    await page.goto(f"{shift.path}/bea")
    await shift.client.cancel(offered.name)
    await page.get_by_role("button", name="Accept").click()
    assert "RESERVATION" in await page.get_by_role("alert").inner_text()
    assert "Nothing is offered to you now." in await page.inner_text("main")
    await context.close()


async def test_presence_is_kept_by_the_open_page_alone(page: Page, shift: Shift) -> None:
    """Online by a press: the desk beats from then on; a page that was only opened sends no heartbeat."""
    await shift.client.set_agent_status("bea", roster_pb2.OFFLINE)
    await page.goto(f"{shift.path}/bea")
    await expect(page.locator("#desk")).to_contain_text("You are offline")
    assert not (await shift.client.agent("bea")).HasField("heartbeat_expire_time")
    await page.get_by_role("button", name="Online").click()
    await expect(page.locator("#desk")).to_contain_text("You are online: the next customer who fits comes here")
    await wait_until(lambda: beats(shift.client), "the desk beats")
    await shift.client.set_agent_status("bea", roster_pb2.DRAINING)
    await expect(page.get_by_role("button", name="Finish, then leave")).to_have_attribute("aria-pressed", "true")


async def beats(client: MatcherClient) -> bool:
    """Return whether the agent's desk sends heartbeats."""
    return (await client.agent("bea")).HasField("heartbeat_expire_time")


async def test_the_network_is_cut_and_comes_back(browser: Browser, console: Gateway, shift: Shift) -> None:
    """The page says that what it shows may be old, and then shows what came meanwhile, without a reload."""
    async with TcpProxy(f"127.0.0.1:{console.port}") as proxy:
        context = await browser.new_context(base_url=f"http://localhost:{proxy.address.rpartition(':')[2]}")
        page = await context.new_page()
        await page.goto(f"{shift.path}/bea")
        await page.evaluate("window.untouched = true")
        proxy.refusing = True
        await proxy.cut()
        await expect(page.locator("#lost")).to_be_visible()
        await shift.offer()
        proxy.refusing = False
        await expect(page.get_by_role("article", name="A customer for you")).to_be_visible()
        await expect(page.locator("#lost")).to_be_hidden()
        assert await page.evaluate("window.untouched")
        await context.close()


async def serve(doubles: Doubles, port: int = 0) -> tuple[grpc.aio.Server, int]:
    """Start a server of doubles; return it with its port."""
    telemetry = Telemetry()
    served = build_server(doubles.services, Health(telemetry), telemetry)
    taken = served.add_insecure_port(f"127.0.0.1:{port}")
    await served.start()
    return served, taken


async def test_a_desk_outlives_a_restart_of_the_service(browser: Browser) -> None:
    """While the service is away the page says so; when it is back the page goes on by itself."""
    doubles = Doubles()
    served, port = await serve(doubles)
    async with open_gateway(f"127.0.0.1:{port}") as gateway:
        context = await browser.new_context(base_url=f"http://localhost:{gateway.port}")
        page = await context.new_page()
        await page.goto("/console/sites/default/desk/maya")
        await page.evaluate("window.untouched = true")
        await expect(page.get_by_role("article")).to_have_count(1)
        await served.stop(None)
        await expect(page.locator("#lost")).to_be_visible()
        doubles.reservations.answers["reservations"] = Pages((), "")
        served, _ = await serve(doubles, port)
        await expect(page.locator("#lost")).to_be_hidden()
        await expect(page.get_by_role("article")).to_have_count(0)
        assert await page.evaluate("window.untouched")
        await context.close()
    await served.stop(None)


async def test_the_keyboard_alone_accepts(page: Page, shift: Shift) -> None:
    """From the top of the page to the offer by Tab, and accepted by Enter."""
    await shift.offer()
    await page.goto(f"{shift.path}/bea")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent") == "Accept":
            break
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article", name="You are talking")).to_be_visible()


async def test_only_what_a_customer_lets_be_shown_is_an_opener(page: Page, shift: Shift) -> None:
    """An interest of a profile is shown where the customer agreed, and else not even hinted at."""
    for contact, shareable in (("agreed", True), ("silent", False)):
        await shift.client.route(
            "Hello there.",
            contact_id=contact,
            customer_interests=["keeping honey bees"],
            customer_interests_shareable=shareable,
        )
    await page.goto(f"{shift.path}/bea")
    await expect(page.get_by_role("article").filter(has_text="agreed")).to_contain_text("an interest that they left")
    silent = page.get_by_role("article").filter(has_text="silent")
    await expect(silent).to_contain_text("There is no opener")
    assert "bees" not in await silent.inner_text()
    await seen(page)
