"""Pages of lists: how many records each list method reads for a page, counted at the store's connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from matcher.model import Page, PoolPolicy
from matcher.model.lifecycle import ENDED, ContactState
from matcher.store import contacts as store_of_contacts
from matcher.store.pages import MOST_TIES
from tests.store.stage import Stage

LIVE = 80
PAGE = 3


@pytest.fixture
def reads(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Give the commands that the store's pipelines send from now on."""
    sent: list[tuple[Any, ...]] = []
    pipeline = stage.connection.pipeline

    async def counted(commands: Iterable[tuple[Any, ...]], *, any_type: bool = False) -> list[Any]:
        asked = list(commands)
        sent.extend(asked)
        return await pipeline(asked, any_type=any_type)

    monkeypatch.setattr(stage.connection, "pipeline", counted)
    return sent


async def spread(stage: Stage, contacts: Iterable[str]) -> None:
    """List the contacts a second apart, so that no two of them share a place of the list."""
    for number, contact in enumerate(contacts):
        await stage.raw("ZADD", stage.keys.contacts, 1_000 * number + 1_000, contact)


@pytest.mark.parametrize("state", sorted(ENDED))
async def test_a_list_of_ended_contacts_is_empty_and_reads_no_live_one(
    stage: Stage, reads: list[tuple[Any, ...]], state: ContactState
) -> None:
    """The list holds the contacts that have not ended: none of them needs to be read to know that none has ended."""
    for number in range(5):
        await stage.line_up(f"c{number}")
    reads.clear()
    page = await stage.contacts.contacts(stage.site, None, state, 10, "", await stage.now_ms())
    assert page == Page((), "")
    assert reads == []


async def test_a_filter_that_fits_nothing_reads_a_bounded_number_of_contacts_for_a_page(
    stage: Stage, reads: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is empty and says where the next one begins; the pages together read each contact once."""
    monkeypatch.setattr(store_of_contacts, "MOST_READ", 10)
    live = 4 * (PAGE + MOST_TIES)
    night = await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    for number in range(live):
        await stage.line_up(f"c{number}")
    await spread(stage, (f"c{number}" for number in range(live)))
    pages, after, now_ms = list[Page[Any]](), "", await stage.now_ms()
    while not pages or after:
        reads.clear()
        pages.append(await stage.contacts.contacts(stage.site, night, None, PAGE, after, now_ms))
        assert len(reads) <= 10 + PAGE + MOST_TIES
        after = pages[-1].next
    assert all(page.items == () for page in pages)
    assert len(pages) == 5  # the last one begins after the last contact


async def test_a_page_of_every_list_reads_no_more_records_than_it_could_hold(
    stage: Stage, reads: list[tuple[Any, ...]]
) -> None:
    """However long the list is: agents, pools, sites, contacts, reservations and an agent's reservations."""
    await stage.put("busy", LIVE)
    for number in range(LIVE):
        await stage.put(f"a{number}")
        await stage.roster.put_pool(stage.site, f"p{number}", PoolPolicy(), 0)
        await stage.hold("busy", contact=f"c{number}")
    await spread(stage, (f"c{number}" for number in range(LIVE)))
    now_ms = await stage.now_ms()
    lists: dict[str, Callable[[], Awaitable[Page[Any]]]] = {
        "agents": lambda: stage.roster.agent_ids(stage.site, PAGE, ""),
        "pools": lambda: stage.roster.pools(stage.site, PAGE, ""),
        "sites": lambda: stage.sites.sites(PAGE, ""),
        "contacts": lambda: stage.contacts.contacts(stage.site, None, None, PAGE, "", now_ms),
        "reservations": lambda: stage.routing.reservations(stage.site, PAGE, "", now_ms),
        "an agent's": lambda: stage.routing.reservations_of(stage.site, "busy", PAGE, "", now_ms),
    }
    for name, read in lists.items():
        reads.clear()
        page = await read()
        assert len(page.items) <= PAGE, name
        assert len(reads) <= PAGE + MOST_TIES, name
        if name not in {"contacts", "sites"}:
            assert len(page.items) == PAGE, name
            assert len(reads) <= PAGE, name
            assert page.next, name
