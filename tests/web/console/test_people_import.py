"""Importing a roster file on the page People: every change is seen before it is written, and nothing else is."""

from __future__ import annotations

import re

from playwright.async_api import FilePayload, Page, expect

from matcher.v1 import roster_pb2 as pb
from tests.people import hire, person
from tests.processes import Server
from tests.web.console.people import HOSTILE
from tests.web.console.seen import fits, seen

ROSTER = """id,display_name,interests,pools
ann,Ann Lee,playing chess|keeping bees,default
ben,Ben,restoring wooden boats,default
cid,Cid,old maps,nowhere
Dora!,Dora,old maps,default
ed,Ed,old maps,default
"""


def file_of(text: str, name: str = "people.csv") -> FilePayload:
    """Return a file as a visitor chooses it."""
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


async def choose(page: Page, site: str, file: FilePayload) -> None:
    """Choose a file, and ask what it would change."""
    await page.goto(f"/console/sites/{site}/people")
    await page.click("text=Import a file")
    await page.set_input_files("#file", [file])
    await page.click("text=Show what would change")


async def test_a_file_shows_every_change_and_is_written_when_its_visitor_says_so(page: Page, service: Server) -> None:
    """Of five rows one changes somebody, one is new, two are left out with their reasons, and one is as it is."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"ann": person("playing chess", "collecting stamps", display_name="Ann")})
        await hire(client, {"ed": person("old maps", display_name="Ed")})
        await choose(page, site, file_of(ROSTER))
        await expect(page.locator("main [role=status]")).to_have_text(
            re.compile(r"1\s+new, 1\s+changed, 1\s+as it is, 2\s+left out\.\s+Nothing is written yet\.")
        )
        row = page.locator("tbody tr", has_text="Ann Lee")
        assert await row.locator("del").all_inner_texts() == ["Ann", "collecting stamps"]
        assert await row.locator("ins").all_inner_texts() == ["Ann Lee", "keeping bees"]
        assert await page.locator("tbody tr", has_text="ben").locator("ins").all_inner_texts() == [
            "Ben",
            "restoring wooden boats",
        ]
        assert "pools" in await page.locator("tbody tr", has_text="cid").inner_text()
        assert "id" in await page.locator("tbody tr", has_text="Dora!").inner_text()
        await seen(page)
        await fits(page)
        assert [agent.name.rpartition("/")[2] async for agent in client.agents()] == ["ann", "ed"]
        await page.click("text=Write 2 people")
        await page.wait_for_selector("h1:has-text('Imported')")
        assert [agent.name.rpartition("/")[2] async for agent in client.agents()] == ["ann", "ben", "ed"]
        assert list((await client.agent("ann")).interests) == ["playing chess", "keeping bees"]
        await seen(page)


async def test_who_was_faster_is_seen_before_anything_is_written(page: Page, service: Server) -> None:
    """Between the preview and the button somebody changes Ann: the page shows what the file would do now."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"ann": person("playing chess", display_name="Ann")})
        await choose(page, site, file_of("id,display_name\nann,Ann Lee\n"))
        await client.update_agent(pb.Agent(name=client.name("agents", "ann"), display_name="Anna"), ["display_name"])
        await page.click("text=Write 1 person")
        await page.wait_for_selector("[role=alert]:has-text('Somebody changed these people')")
        assert await page.locator("del").all_inner_texts() == ["Anna"]
        assert (await client.agent("ann")).display_name == "Anna"
        await page.click("text=Write 1 person")
        await page.wait_for_selector("h1:has-text('Imported')")
        assert (await client.agent("ann")).display_name == "Ann Lee"


async def test_what_is_no_roster_says_so_and_hostile_contents_stay_text(page: Page, service: Server) -> None:
    """A spreadsheet's own file, a picture, an empty file, and names that are markup: a sentence each, and no script."""
    site = await service.site()
    for name, text, sentence in (
        ("people.xlsx", "PK\x03\x04", "ends in none of"),
        ("people.csv", "PK\x03\x04", "save it as CSV UTF-8"),
        ("people.csv", "", "names nobody"),
    ):
        await choose(page, site, file_of(text, name))
        await page.wait_for_selector(f"text={sentence}")
    rows = "".join(
        f'x{number},"{text.replace(chr(34), chr(34) * 2)}",old maps\n' for number, text in enumerate(HOSTILE)
    )
    await choose(page, site, file_of(f"id,display_name,interests\n{rows}"))
    await page.wait_for_selector(f"text=Write {len(HOSTILE)} people")
    assert "taken" not in await page.title()
    assert await page.locator("main img[src=x]").count() == 0
    await seen(page)
    await fits(page)


async def test_a_preview_that_is_gone_or_of_another_visit_writes_nothing(page: Page, service: Server) -> None:
    """A token that was used, or made up, is answered with what to do."""
    site = await service.site()
    await choose(page, site, file_of("id,interests\nann,old maps\n"))
    await page.eval_on_selector("input[name=upload]", "field => { field.value = 'made-up'; }")
    await page.click("text=Write 1 person")
    await page.wait_for_selector("[role=alert]:has-text('The preview has ended')")
    async with service.client(site) as client:
        assert [agent async for agent in client.agents()] == []
