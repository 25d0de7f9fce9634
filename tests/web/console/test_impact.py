"""The pages Impact and Coverage in Chromium, on a report whose truth is known."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from matcher.errors import LedgerOff
from matcher.model.coverage import Coverage
from matcher.model.impact import ImpactReport
from matcher.rpc.health import Health
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from tests.rpc.doubles import Doubles
from tests.web.console.seen import fits, seen
from tests.web.gateway import open_gateway

SITE = "/console/sites/default"


@pytest.fixture(scope="module")
def doubles() -> Doubles:
    """Give the services behind the server."""
    return Doubles()


@pytest.fixture(scope="module")
async def address(doubles: Doubles) -> AsyncIterator[str]:
    """Give the address of a console before a server that reports four weeks."""
    telemetry = Telemetry()
    served = build_server(doubles.services, Health(telemetry), telemetry)
    port = served.add_insecure_port("127.0.0.1:0")
    await served.start()
    async with open_gateway(f"127.0.0.1:{port}") as gateway:
        yield f"http://localhost:{gateway.port}"
    await served.stop(None)


@pytest.fixture
async def window(browser: Browser, address: str, doubles: Doubles) -> AsyncIterator[Page]:
    """Give a window at the console, and the doubles as they were."""
    context = await browser.new_context(base_url=address)
    context.set_default_timeout(60_000)
    yield await context.new_page()
    await context.close()
    for double in (doubles.impact, doubles.coverage):
        double.fault = None
        double.answers.clear()
        double.calls.clear()


async def test_does_it_pay_is_answered_by_the_first_lines(window: Page) -> None:
    """A yes, the sentence, the difference over time, who is missing, the bands, the waits and the plan."""
    await window.goto(f"{SITE}/impact")
    section = window.get_by_role("region", name="default")
    text = await section.inner_text()
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines[1].startswith("Yes. Better, by more than chance explains: Concerns resolved.")
    assert lines[2].startswith("resolved +")
    assert "had their concern resolved" in text
    assert "The ledger lost 17 records" in text
    assert "No outcome is known of 89%" in text
    assert "The arms waited alike" in text
    await window.get_by_role("img", name="Concerns resolved by day").wait_for()
    assert await section.get_by_role("table").count() >= 3
    await seen(window)
    await fits(window)


async def test_a_plan_is_made_of_the_difference_that_was_typed(window: Page, doubles: Doubles) -> None:
    """Points as people say them; what is no number is named, and the rest is shown all the same."""
    await window.goto(f"{SITE}/impact")
    wanted = window.get_by_role("textbox", name="Concerns resolved")
    await wanted.fill("3")
    await window.get_by_role("button", name="Plan").click()
    await window.wait_for_url("**want.resolved=3**")
    assert dict(doubles.impact.calls[-1][1][-1])["resolved"] == pytest.approx(0.03)
    row = (
        window.get_by_role("region", name="What would it take").get_by_role("row").filter(has_text="Concerns resolved")
    )
    assert "contacts, about" in await row.inner_text()
    await window.get_by_role("textbox", name="Would recommend").fill("much")
    await window.get_by_role("button", name="Plan").click()
    await window.get_by_role("alert").wait_for()
    assert "much is not a number other than 0" in await window.get_by_role("alert").inner_text()
    await window.get_by_label("From").fill("2026-11-02")
    await window.get_by_role("button", name="Show").click()
    await window.wait_for_url("**since=2026-11-02**")
    assert doubles.impact.calls[-1][1][1] == 1_793_577_600_000


async def test_nothing_to_report_says_what_to_do(window: Page, doubles: Doubles) -> None:
    """Without a ledger the page says what to set; without contacts, what to choose."""
    doubles.impact.answers["report"] = ImpactReport(1, 2, (), ())
    await window.goto(f"{SITE}/impact")
    assert "No contacts came in this time." in await window.inner_text("main")
    await seen(window)
    doubles.impact.fault = LedgerOff()
    await window.goto(f"{SITE}/impact")
    said = await window.inner_text("main")
    assert "this service keeps no ledger" in said
    assert "MATCHER_LEDGER_URL" in said
    await seen(window)


async def test_the_navigation_asks_for_no_report(window: Page, doubles: Doubles) -> None:
    """What a visitor may see is learned without counting 2,000,000 contacts."""
    await window.goto(f"{SITE}/system")
    assert await window.get_by_role("link", name="Impact").count() == 1
    assert await window.get_by_role("link", name="Coverage").count() == 1
    assert doubles.impact.calls == doubles.coverage.calls == []


async def test_coverage_says_what_nobody_shares_and_what_rises(window: Page, doubles: Doubles) -> None:
    """In words, as bars and as a table; a pool that does not listen says how it begins, and what is stored then."""
    await window.goto(f"{SITE}/coverage")
    nobody = await window.get_by_role("region", name="Loved by customers, shared by nobody here").inner_text()
    assert "cats, 40 contacts" in nobody
    rises = await window.get_by_role("region", name="What rises").inner_text()
    assert "20 in the last seven days, 5 in a week before" in rises
    assert "ann: chess" in await window.get_by_role("region", name="Interests that too few ask for").inner_text()
    await window.get_by_text("All of it as a table").click()
    assert await window.get_by_role("row").filter(has_text="gifts").count() == 1
    await seen(window)
    await fits(window)
    doubles.coverage.answers["coverage"] = Coverage("billing", 20_000, 20_027, 0, 0, False, (), ())
    await window.goto(f"{SITE}/coverage?pool=billing&days=90")
    said = await window.inner_text("main")
    assert "The pool billing does not listen" in said
    assert "matcher pools update billing --listening on" in said
    assert "What is stored then" in said
    assert doubles.coverage.calls[-1][1] == ("default", "billing", 90)
    await seen(window)
