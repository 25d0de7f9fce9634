"""The bytes of the console's pages on a large roster, counted as they are sent."""

from __future__ import annotations

import re

import pytest

from matcher.web.console.registry import PAGES
from tests.people import wait_until
from tests.processes import Server
from tests.web.console.people import large_site
from tests.web.gateway import Gateway

MOST_BYTES = 300_000
PATHS = [page.path for page in PAGES if page.path != "map"] + [
    *("people?find=Montgomery", "people/person/agent-00007", "people/person/agent-00007/edit", "people/new"),
    *("pools?pool=pool-7", "live?pool=pool-7", "live?only=free:chat", "live?find=Montgomery", "desk/agent-00007"),
]


@pytest.fixture(scope="session")
async def large(service: Server) -> str:
    """Give the id of a site with 10,000 agents."""
    return await large_site(service)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_of_ten_thousand_agents_is_small(console: Gateway, large: str, path: str) -> None:
    """With its style and its scripts, as a browser gets them at the first visit, a page has at most 300 kB."""
    page = await console.ask("GET", f"/console/sites/{large}/{path}")
    assert page.code == 200, page.text
    assert "<h1" in page.text
    parts = set(re.findall(r'"(/console/static/[^"]+)"', page.text))
    sizes = [len((await console.ask("GET", part)).text.encode()) for part in parts]
    assert len(page.text.encode()) + sum(sizes) <= MOST_BYTES, (len(page.text.encode()), sizes)


async def test_live_shows_a_thousand_of_them(console: Gateway, large: str) -> None:
    """So many as the page shows at once: what was counted above is the page with its people."""

    async def shows() -> bool:
        page = await console.ask("GET", f"/console/sites/{large}/live")
        return page.text.count('<li id="') >= 1_000

    await wait_until(shows, "the roster has been read")
    await test_a_page_of_ten_thousand_agents_is_small(console, large, "live")
