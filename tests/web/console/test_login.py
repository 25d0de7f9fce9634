"""Login to a service that takes keys: every visitor has the rights of the own key, and sees pages for these alone."""

from __future__ import annotations

from playwright.async_api import Browser

from matcher.auth.grant_text import parse_grant
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from tests.conftest import StartServer
from tests.processes import Store
from tests.web.console.seen import seen
from tests.web.gateway import open_gateway


async def test_people_sign_in_with_their_keys(store: Store, launch: StartServer, browser: Browser) -> None:
    """A wrong key is refused; a supervisor sees the people, an owner does not; "everywhere" ends each session."""
    connection = StoreClient(store.url)
    await connection.start()
    keys = AccessKeyService(AccessKeyStore(connection))
    owner = (await keys.create("the-owner", [parse_grant("owner")]))[1]
    leader = (await keys.create("the-leader", [parse_grant("supervisor@default")]))[1]
    await connection.close()
    server = await launch({"MATCHER_STORE_URL": store.url, "MATCHER_AUTH": "keys"})
    async with open_gateway(server.target) as gateway:
        address = f"http://localhost:{gateway.port}"
        first = await (await browser.new_context(base_url=address)).new_page()
        await first.goto("/console/sites/default/live")
        assert "/console/login" in first.url
        await seen(first)
        await first.fill("#credential", "mk_wrong_key_that_nobody_has")
        await first.click("text=Sign in >> nth=-1")
        await first.wait_for_selector("[role=alert]")
        assert "CREDENTIALS_WRONG" in await first.inner_text("main")
        await first.fill("#credential", leader)
        await first.click("button.main")
        await first.wait_for_url("**/console/sites/default/live")
        assert "Live" in await first.inner_text("nav")
        assert leader not in await first.content()
        cookies = await first.context.cookies()
        assert all(leader not in str(cookie) and cookie["httpOnly"] for cookie in cookies)

        second = await (await browser.new_context(base_url=address)).new_page()
        await second.goto("/console")
        await second.fill("#credential", f"Bearer {owner}")
        await second.click("button.main")
        await second.wait_for_url("**/console/sites/default/*")
        assert "Live" not in await second.inner_text("nav")
        assert "System" in await second.inner_text("nav")
        answer = await second.goto("/console/sites/default/live")
        assert answer is not None
        assert answer.status == 403
        assert "PERMISSION_DENIED" in await second.inner_text("main")
        await seen(second)

        third = await (await browser.new_context(base_url=address)).new_page()
        await third.goto("/console/login")
        await third.fill("#credential", leader)
        await third.click("button.main")
        await third.wait_for_url("**/console/sites/default/live")
        await third.click("text=everywhere")
        await third.wait_for_url("**/console/login")
        await first.reload()
        assert "/console/login" in first.url
        await second.reload()
        assert "/console/login" not in second.url
        for page in (first, second, third):
            await page.context.close()
