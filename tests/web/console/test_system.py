"""The page System: what the service says of itself, and the keys of those who call it, made, rotated and revoked."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from matcher.auth.grant_text import parse_grant
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from matcher.v1.keys_pb2 import ROLE_AGENT, ROLE_OBSERVER, ROLE_OWNER, ROLE_SUPERVISOR, AccessKey, Grant
from matcher.web.console.pages.system.keys import creation_of, grant_words, key_lines, rotation_of
from matcher.web.faults import Fault
from tests.conftest import StartServer
from tests.processes import Store
from tests.web.console.seen import fits, seen
from tests.web.gateway import open_gateway


async def test_the_service_says_how_it_is(page: Page, demo: str) -> None:
    """It serves, keeps no ledger, has 60 agents without a limit; and the page says where the rest is."""
    await page.goto(f"/console/sites/{demo}/system")
    text = await page.inner_text("main")
    assert "It serves: the store answers" in text
    assert "matcher audit list" in text
    assert "matcher support-bundle" in text
    assert "The service takes no access keys" in text
    row = page.locator("tr", has_text="agents")
    assert (await row.inner_text()).split() == ["agents", "60", "no", "limit"]


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        (Grant(role=ROLE_OWNER), "owner"),
        (Grant(role=ROLE_OBSERVER, sites=["sites/shop", "sites/bank"]), "observer@shop,bank"),
        (Grant(role=ROLE_SUPERVISOR, sites=["sites/shop"], pools=["sites/shop/pools/night"]), "supervisor@shop/night"),
        (Grant(role=ROLE_AGENT, sites=["sites/shop"], agent="sites/shop/agents/fiona"), "agent@shop:fiona"),
    ],
)
def test_a_grant_reads_as_people_give_it(grant: Grant, words: str) -> None:
    """The words are those of `matcher access`."""
    assert grant_words(grant) == words


def test_a_form_is_the_request_that_it_means() -> None:
    """Sites, pools and days as people write them; what makes no sense is left to the service, which says so."""
    form = {"principal": " crm ", "role": "supervisor", "sites": "shop", "pools": "night, day", "days": "30"}
    request = creation_of(form)
    assert request.principal == "crm"
    assert list(request.grants[0].pools) == ["sites/shop/pools/night", "sites/shop/pools/day"]
    assert request.lifetime.seconds == 30 * 86_400
    assert creation_of({"role": "king", "days": ""}).grants[0].role == 0
    assert not rotation_of({"principal": "crm"}).HasField("overlap")


@pytest.mark.parametrize("days", ["soon", "nan", "inf", "-1", "1e9"])
def test_a_slip_makes_no_key_for_ever(days: str) -> None:
    """A number of days that is none is refused by its name, and is not read as none given."""
    with pytest.raises(Fault, match="days is not a number of days"):
        creation_of({"principal": "crm", "role": "observer", "days": days})


def test_keys_that_count_come_first() -> None:
    """Revoked and expired keys stay in the list for a month, below the others."""
    keys = [AccessKey(name=f"keys/{name}", principal=name) for name in ("gone", "old", "live")]
    keys[0].revoke_time.seconds = 50
    keys[1].expire_time.seconds = 50
    assert [(line.key, line.state) for line in key_lines(keys, 100.0)] == [
        ("live", "live"),
        ("gone", "revoked"),
        ("old", "expired"),
    ]


async def test_an_owner_makes_rotates_and_revokes_a_key(store: Store, launch: StartServer, browser: Browser) -> None:
    """Its text is shown once; a name that is taken is refused with what to do; a revoked key is said to be so."""
    connection = StoreClient(store.url)
    await connection.start()
    owner = (await AccessKeyService(AccessKeyStore(connection)).create("the-first", [parse_grant("owner")]))[1]
    await connection.close()
    server = await launch({"MATCHER_STORE_URL": store.url, "MATCHER_AUTH": "keys"})
    async with open_gateway(server.target) as gateway:
        page = await (await browser.new_context(base_url=f"http://localhost:{gateway.port}")).new_page()
        await page.goto("/console/sites/default/system")
        await page.fill("#credential", owner)
        await page.click("button.main")
        await page.wait_for_url("**/console/sites/default/system")
        await page.fill("#principal", "wallboard")
        await page.click("text=Make the key")
        text = await page.inner_text("pre code")
        assert text.startswith("mk_")
        await seen(page)
        await page.click("text=Done")
        assert text not in await page.content()
        row = page.locator("tr", has_text="wallboard")
        assert "observer@default" in await row.inner_text()

        await page.fill("#principal", "wallboard")
        await page.click("text=Make the key")
        assert "ACCESS_KEY_EXISTS" in await page.inner_text("[role=alert]")

        row = page.locator("tr", has_text="wallboard")
        await row.locator("summary").click()
        await seen(page)
        await fits(page)
        await row.locator("text=Make the next key").click()
        assert (await page.inner_text("pre code")) != text
        await page.click("text=Done")
        rows = page.locator("tr", has_text="wallboard")
        await expect(rows).to_have_count(2)
        await rows.first.locator("summary").click()
        await rows.first.locator("text=Revoke this key").click()
        await expect(page.locator("tr.over", has_text="revoked")).to_have_count(1)
        await page.context.close()
