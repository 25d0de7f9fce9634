"""The map of interests: what it is made of, and what a person sees and does with it."""

from __future__ import annotations

import csv
import io

from playwright.async_api import Page

from matcher.v1.coverage_pb2 import COVERAGE_KIND_INTEREST, COVERAGE_KIND_THEME, CoverageEntry
from matcher.v1.roster_pb2 import InterestMap, MappedEntry, MappedInterest
from matcher.web.console.pages.interest_map.page import csv_of
from matcher.web.console.pages.interest_map.picture import HEIGHT, WIDTH, picture
from tests.web.console.seen import fits, seen

DRAWN = InterestMap(
    pool="sites/s/pools/default",
    interests=[
        MappedInterest(interest="=chess()", x=0.5, y=0.5, entry="chess", agents=["sites/s/agents/ann"], agent_count=9)
    ],
    entries=[
        MappedEntry(entry="chess", display_name="chess", x=0.5, y=0.5, agent_count=9),
        MappedEntry(entry="go", display_name="the game of go", x=0.5, y=0.5),
        MappedEntry(entry="cats", display_name="cats", x=-1, y=-1),
    ],
)
BROUGHT = (
    CoverageEntry(kind=COVERAGE_KIND_INTEREST, entry="cats", display_name="cats", contacts=40),
    CoverageEntry(kind=COVERAGE_KIND_INTEREST, entry="chess", display_name="chess", contacts=10, sharing_agents=1),
    CoverageEntry(kind=COVERAGE_KIND_INTEREST, entry="own", display_name="our club", contacts=10),
    CoverageEntry(kind=COVERAGE_KIND_THEME, entry="gift", display_name="gifts", contacts=90),
)


def test_gaps_are_what_customers_bring_up_and_nobody_shares() -> None:
    """Themes are no interests; an entry of the site's own has no place and is named; no label covers another."""
    seen_of = picture(DRAWN, BROUGHT)
    assert [(one.name, one.contacts) for one in seen_of.gaps] == [("cats", 40)]
    assert seen_of.unplaced == ("our club",)
    assert [one.text for one in seen_of.labels] == ["cats", "chess"]
    places = [(one.x, one.y) for one in seen_of.dots] + [(one.x, one.y) for one in seen_of.heat]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


def test_the_csv_has_every_fact_and_no_formula() -> None:
    """A spreadsheet runs nothing of what somebody wrote as an interest."""
    rows = list(csv.DictReader(io.StringIO(csv_of(DRAWN, picture(DRAWN, BROUGHT)).removeprefix("\ufeff"))))
    assert [(row["kind"], row["what"], row["agents"]) for row in rows] == [
        ("interest", "'=chess()", "9"),
        ("gap", "cats", "0"),
        ("brought up", "chess", "1"),
    ]


async def test_a_person_reads_a_dot_comes_closer_and_takes_the_picture_along(page: Page, demo: str) -> None:
    """By pointer and by keyboard; the same facts stand in the table; the PNG is made in the browser."""
    await page.goto(f"/console/sites/{demo}/map")
    dots = page.locator("#map .dots circle")
    assert await dots.count() > 150
    await dots.first.hover(force=True)
    await page.wait_for_selector("#map .dots .on")
    whole = await page.get_attribute("#map svg", "viewBox")
    await page.focus("#map")
    await page.keyboard.press("+")
    assert await page.get_attribute("#map svg", "viewBox") != whole
    await page.keyboard.press("0")
    assert await page.get_attribute("#map svg", "viewBox") == "0 0 1000 760"
    async with page.expect_download() as waiting:
        await page.click("text=Save as PNG")
    assert (await waiting.value).suggested_filename == "interests.png"
    await page.click("summary >> nth=0")
    assert await page.locator("tbody tr").count() == await dots.count()
    await seen(page)
    await fits(page)
